// Whether this machine has the memory that a file asks for, asked before it is taken: memory that
// is promised and not there would end the process when it is touched. Host only. Thread-safety:
// pure.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace taoism::onnx {

// Of `bytes` to be allocated and filled now. Errors: resource_exhausted.
Status check_memory(uint64_t bytes);

}  // namespace taoism::onnx
