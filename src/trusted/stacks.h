// What is left on the stacks of functions that have returned: spilled registers, buffers, keys.
// Trusted. Thread-safety: as Parallel.
#pragma once

#include "base/parallel.h"

namespace taoism::trusted {

// Trusted code goes no deeper: ClosedProgram.LeavesNothingOnTheStacks finds nothing below it.
inline constexpr size_t kStackBytes = size_t{128} << 10;

// Overwrites so much below its caller on the stack of each thread, by tasks that wait for each
// other (parallel.h).
void wipe_stacks(Parallel& parallel);

}  // namespace taoism::trusted
