// Whether two names are of one file. Thread-safety: free functions.
#pragma once

#include <string>

namespace taoism::files {

// Links followed, symbolic and hard ones; of names that are not there yet, whether both would make
// the same. What is no regular file (/dev/null) is nobody's, and never the same.
bool is_same_file(const std::string& a, const std::string& b);

}  // namespace taoism::files
