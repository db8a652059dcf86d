// One copy between two strided views: what Concat, Slice, Transpose and Pad come down to. Trusted.
#pragma once

#include "kernels/copy.h"
#include "ops/core/index.h"

namespace taoism::ops {

// Copies the `dims` elements of a strided view to another; strides are in elements and may be
// negative or, in `from`, zero. The views must not overlap.
inline void copy_block(const ir::Shape& dims, const float* from, const Index& from_strides,
                       float* to, const Index& to_strides, Parallel& parallel) {
  static_assert(ir::kMaxRank <= kernels::kMaxRank);
  kernels::CopyShape shape;
  shape.rank = static_cast<int>(dims.rank());
  for (size_t i = 0; i < dims.rank(); ++i) {
    shape.dims[i] = dims[i];
    shape.source_strides[i] = from_strides[i];
    shape.target_strides[i] = to_strides[i];
  }
  kernels::copy_strided(shape, sizeof(float), from, to, parallel);
}

}  // namespace taoism::ops
