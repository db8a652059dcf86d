// The limit that streaming is measured against. Thread-safety: a free function; nothing else should
// run.
#pragma once

#include <cstddef>

#include "base/status.h"

namespace taoism::runtime {

// Bytes a second that so many threads together open with AES-128-GCM, from memory that no cache
// holds, in pieces of the size that weights are sealed in. Takes about 0.3 s. Errors: internal.
Result<double> measure_aes_gcm_bandwidth(size_t threads);

}  // namespace taoism::runtime
