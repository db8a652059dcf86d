// What is left on the stacks of functions that have returned: spilled registers, buffers, keys.
// Trusted. Thread-safety: as Parallel.
#pragma once

#include "base/parallel.h"

namespace taoism::trusted {

// Ten times what trusted code uses; a test looks below it.
inline constexpr size_t kStackBytes = size_t{128} << 10;

// Overwrites so much below its caller on the stack of each thread, all at the same time: `parallel`
// has its threads all at work when there are so many tasks that wait for each other.
void wipe_stacks(Parallel& parallel);

}  // namespace taoism::trusted
