// A copy of a worker's image that runs and that nobody may read. A process whose image may be read
// can itself be read by every process of its user from exec() until it closes itself, and whoever
// has opened its memory in that time keeps it open; one whose image may not be read is closed by
// the kernel from exec() on. Host only; Linux. Thread-safety: free function.
#pragma once

#include <string>

#include "base/status.h"
#include "tee/region.h"

namespace taoism::tee {

// For execveat() with an empty path. Not open where there is no such copy: `path` is no ELF file,
// or the kernel executes no memory files (vm.memfd_noexec); the worker then finds out for itself
// that it can be read. Errors: unavailable (no memory, or the copy is not what was copied).
Result<Descriptor> make_private_image(const std::string& path);

}  // namespace taoism::tee
