// Closes the worker's process: after seal() it can compute, sleep, read the clock, draw random
// numbers and end, and nothing else. Linux.
#pragma once

#include <cstdint>

namespace taoism::image {

// Before any secret exists, and before there are threads: no core dump, no reading by other
// processes, no privileges and no new ones, namespaces of its own where the kernel allows them.
// Returns the bits of wire::Startup::sealed that hold; without kSealedSinceExec somebody may have
// the process's memory open, and no secret must get there.
uint32_t harden_process();
// Loads the system call filter for all threads. `control_fd` may still be read. Returns 0 or errno.
int seal(int control_fd);

}  // namespace taoism::image
