// Files that hold a secret, and whether they are their user's alone. Thread-safety: free functions.
#pragma once

#include <string>

#include "base/bytes.h"

namespace taoism::files {

// A regular file, no link, of this user or root, which nobody else may read or write, in folders
// where not everybody may replace it (a group that may write there is trusted). Errors: not_found;
// invalid_argument naming the mend.
Status check_private_file(const std::string& path);
// Opens such a file once, so that what is checked is what is read, and reads all of it to the front
// of `to`: how many bytes it has. Errors also: invalid_argument (it has more than `to`).
Result<size_t> read_private_file(const std::string& path, ByteSpan to);
// The same of the folder in which `path` is to be made.
Status check_private_folder(const std::string& path);

}  // namespace taoism::files
