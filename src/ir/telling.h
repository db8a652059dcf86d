// Which constants say something of where they come from. Trusted. Thread-safety: pure functions.
#pragma once

#include "ir/types.h"

namespace taoism::ir {

// Whether another constant of the same elements is no chance: there are 256 of them at least, and
// not all are the same.
bool is_telling(const Constant& constant);

}  // namespace taoism::ir
