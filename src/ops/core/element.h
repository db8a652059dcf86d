// From an element type at run time to a C++ type. Trusted.
#pragma once

#include "ir/types.h"

namespace taoism::ops {

// One byte, of which hosts may send any: everything but 0 is true.
using Bool = uint8_t;

// Calls function(T()) for the C++ type of the elements: float, int64_t or Bool.
template <typename Function>
decltype(auto) with_element(ir::DType dtype, Function&& function) {
  switch (dtype) {
    case ir::DType::i64: return function(int64_t{});
    case ir::DType::boolean: return function(Bool{});
    default: return function(float{});
  }
}

// Integer arithmetic wraps, as in every runtime.
inline int64_t wrap(uint64_t value) { return static_cast<int64_t>(value); }

}  // namespace taoism::ops
