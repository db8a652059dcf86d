#include "kernels/linear.h"

#include <algorithm>

#include "kernels/gemm.h"
#include "kernels/tile.h"

namespace taoism::kernels {
namespace {

GemmOperands operands(const LinearShape& shape, const float* x, const float* packed, float* y) {
  GemmOperands gemm;
  gemm.m = shape.rows;
  gemm.n = shape.out_features;
  gemm.k = shape.in_features;
  gemm.a = x;
  gemm.packed_b = packed;
  gemm.c = y;
  return gemm;
}

}  // namespace

size_t linear_packed_bytes(const LinearShape& shape) {
  return static_cast<size_t>(shape.in_features * gemm_packed_width(shape.out_features)) *
         sizeof(float);
}

void linear_pack(const LinearShape& shape, const float* weights, bool weights_are_in_by_out,
                 float* packed) {
  const int64_t block = tile_set().columns();
  const int64_t in_stride = weights_are_in_by_out ? shape.out_features : 1;
  const int64_t out_stride = weights_are_in_by_out ? 1 : shape.in_features;
  for (int64_t first = 0; first < shape.out_features; first += block) {
    const int64_t columns = std::min(block, shape.out_features - first);
    const int64_t width = gemm_packed_width(columns);
    gemm_pack_panel(weights + first * out_stride, in_stride, out_stride, shape.in_features, columns,
                    width, packed);
    packed += width * shape.in_features;
  }
}

int64_t linear_feature_block(const LinearShape&) { return tile_set().columns(); }

size_t linear_scratch_bytes(const LinearShape& shape, size_t threads) {
  const float placeholder = 0.0f;  // only whether B is packed matters for the size
  return gemm_scratch_bytes(operands(shape, nullptr, &placeholder, nullptr), threads);
}

void linear(const LinearShape& shape, const float* x, const float* packed, const Epilogue& epilogue,
            float* y, ByteSpan scratch, Parallel& parallel) {
  gemm(operands(shape, x, packed, y), epilogue, scratch, parallel);
}

}  // namespace taoism::kernels
