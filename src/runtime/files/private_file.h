// Whether a file that holds a secret is its user's alone. Thread-safety: free functions.
#pragma once

#include <string>

#include "base/status.h"

namespace taoism::files {

// A regular file, no link, of this user or root, which nobody else may read or write, in folders
// where not everybody may replace it (a group that may write there is trusted). Errors: not_found;
// invalid_argument naming the mend.
Status check_private_file(const std::string& path);
// The same of the folder in which `path` is to be made.
Status check_private_folder(const std::string& path);

}  // namespace taoism::files
