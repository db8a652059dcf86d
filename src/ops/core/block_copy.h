// One copy between two strided views: what Concat, Slice, Transpose and Pad come down to. Trusted.
#pragma once

#include <cstring>

#include "kernels/copy.h"
#include "ops/core/index.h"

namespace taoism::ops {

// Copies the `dims` elements of a strided view of input `input` to one of the output, of the same
// type; offsets and strides are in elements, strides may be negative or, of the input, zero.
inline void copy_block(const RunContext& context, const ir::Shape& dims, int64_t from,
                       const Index& from_strides, int64_t to, const Index& to_strides,
                       size_t input = 0) {
  static_assert(ir::kMaxRank <= kernels::kMaxRank);
  kernels::CopyShape shape;
  shape.rank = static_cast<int>(dims.rank());
  for (size_t i = 0; i < dims.rank(); ++i) {
    shape.dims[i] = dims[i];
    shape.source_strides[i] = from_strides[i];
    shape.target_strides[i] = to_strides[i];
  }
  const size_t bytes = ir::dtype_bytes(context.node.outputs[0].dtype);
  const auto element = static_cast<int64_t>(bytes);
  kernels::copy_strided(shape, bytes, context.inputs[input] + from * element,
                        context.outputs[0] + to * element, context.parallel);
}

// One element of input `input` to the output: what the plain definitions of the same do.
inline void copy_element(const RunContext& context, size_t input, int64_t from, int64_t to) {
  const auto bytes = static_cast<int64_t>(ir::dtype_bytes(context.node.outputs[0].dtype));
  std::memcpy(context.outputs[0] + to * bytes, context.inputs[input] + from * bytes,
              static_cast<size_t>(bytes));
}

}  // namespace taoism::ops
