// Closes the worker's process: after seal() it can compute, sleep, read the clock, draw random
// numbers and end, and nothing else. Linux.
#pragma once

#include <cstdint>

namespace taoism::image {

// Before any secret exists: no core dump, no reading by other processes, no new privileges. Returns
// the bits of wire::Startup::sealed that hold.
uint32_t harden_process();
// Loads the system call filter for all threads. `control_fd` may still be read. Returns 0 or errno.
int seal(int control_fd);

}  // namespace taoism::image
