// Keeps the worker's own memory out of swap: keys, activations, opened weights. Linux.
// Thread-safety: free functions, before the sandbox closes.
#pragma once

#include "base/bytes.h"

namespace taoism::image {

// As much as may be asked for. Before privileges are dropped.
void raise_lock_limit();
// Locks every private mapping that may be written, the smallest first, but for those within
// `region`, which hold what the host has; of those that are too large for what may be locked, the
// front of the heap and the ends of stacks. Pages are locked when they are first used. Whether all
// are.
bool lock_private_memory(ByteSpan region);

}  // namespace taoism::image
