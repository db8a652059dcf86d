// Files that hold a secret, and whether they are their user's alone. Thread-safety: free functions.
#pragma once

#include <string>

#include "base/bytes.h"

namespace taoism::files {

// A regular file, no link, of this user or root, which nobody else may read, write or replace:
// every folder and link on the way to it, from / on, is of this user or root, and only its user,
// and no group, may write in it, or it has the sticky bit. Errors: not_found; invalid_argument
// naming the folder and the mend.
Status check_private_file(const std::string& path);
// Opens such a file once, so that what is checked is what is read, and reads all of it to the front
// of `to`: how many bytes it has. Errors also: invalid_argument (it has more than `to`).
Result<size_t> read_private_file(const std::string& path, ByteSpan to);
// The same of the folder in which `path` is to be made.
Status check_private_folder(const std::string& path);
// Whether a file that is to be replaced has no other name, a hard link, under which it would stay
// as it is. Errors: not_found, invalid_argument with the mend.
Status check_one_name(const std::string& path);
// All that is left of an open file or pipe, whose name is for errors: how many bytes. Errors:
// invalid_argument (it has more than `to`, or cannot be read).
Result<size_t> read_to_end(const std::string& path, int file, ByteSpan to);

}  // namespace taoism::files
