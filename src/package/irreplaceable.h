// What nothing writes over. Host only. Thread-safety: pure function.
#pragma once

#include <string>

namespace taoism::package {

// What would be lost if another file took the place of the one at `path`: "a package" or "a key
// file", by its first bytes, "a model", by its name or that of the file that it is a link to, or "a
// file that cannot be read". Null: any other file, an empty one, or none.
const char* irreplaceable(const std::string& path);

}  // namespace taoism::package
