// Opens a file that another file names, and nothing outside the folder that one lies in. Host only.
// Thread-safety: pure functions.
#pragma once

#include <string>

#include "onnx/source_file.h"

namespace taoism::onnx {

// The file `location` names, relative to the folder of `named_by`, or to that in which `named_by`
// lies where it is itself a symbolic link (caches of models are made of such links). Symbolic links
// on the way may lead from one place in the folder to another. The kernel holds the confinement
// while it opens (openat2, or a walk that follows no link where the kernel lacks that): nothing
// that is renamed or linked in the folder meanwhile leads out; the folder itself is found by name.
// Errors: invalid_argument (outside of the folder, not a regular file), not_found.
Result<SourceFile> open_beside(const std::string& named_by, const std::string& location);

// As open_beside opens in a folder: for tests of the walk.
enum class Confinement : uint8_t { kernel, walk };
Result<SourceFile> open_beneath(const std::string& folder, const std::string& relative,
                                Confinement confinement);

}  // namespace taoism::onnx
