// Walking tensors by index and numpy broadcasting: what reference kernels and data movement share.
// Trusted.
#pragma once

#include <array>
#include <cstdint>

#include "ops/op.h"

namespace taoism::ops {

using Index = std::array<int64_t, ir::kMaxRank>;

// Elements between neighbours along each dimension of a contiguous tensor.
inline Index strides_of(const ir::Shape& shape) {
  Index strides = {};
  int64_t step = 1;
  for (size_t i = shape.rank(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

// Calls function(index, position) for every element of `shape`, row-major.
template <typename Function>
void for_each_index(const ir::Shape& shape, Function&& function) {
  Index index = {};
  const int64_t elements = shape.elements();
  for (int64_t position = 0; position < elements; ++position) {
    function(static_cast<const Index&>(index), position);
    for (size_t i = shape.rank(); i-- > 0;) {
      if (++index[i] < shape[i]) break;
      index[i] = 0;
    }
  }
}

inline int64_t offset_of(const Index& index, const Index& strides, size_t rank) {
  int64_t offset = 0;
  for (size_t i = 0; i < rank; ++i) offset += index[i] * strides[i];
  return offset;
}

// The shape of a op b under numpy's rules. Errors: invalid_argument naming both.
Result<ir::Shape> broadcast_shape(const ir::Shape& a, const ir::Shape& b);
// Strides by which `shape` is read as if it were `out`: 0 where it is repeated.
Index broadcast_strides(const ir::Shape& shape, const ir::Shape& out);

}  // namespace taoism::ops
