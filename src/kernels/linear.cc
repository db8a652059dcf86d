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
  gemm.packing = shape.packing;
  gemm.c = y;
  return gemm;
}

WeightTiles weights_of(const LinearShape& shape) {
  return gemm_weight_tiles(shape.in_features, shape.out_features, shape.packing);
}

// Only whether B is packed matters for the scratch.
GemmOperands placeholder(const LinearShape& shape) {
  static constexpr float kNothing = 0.0f;
  return operands(shape, nullptr, &kNothing, nullptr);
}

}  // namespace

LinearPacking choose_linear(const LinearShape& shape) {
  return choose_gemm_packing(shape.in_features);
}

bool linear_applies(const LinearShape& shape) {
  return gemm_applies(shape.in_features, shape.packing);
}

size_t linear_packed_bytes(const LinearShape& shape) {
  return static_cast<size_t>(weights_of(shape).elems()) * sizeof(float);
}

void linear_pack(const LinearShape& shape, const float* weights, bool weights_are_in_by_out,
                 float* packed) {
  const WeightTiles to = weights_of(shape);
  const int64_t lanes = tile_set().lanes;
  const int64_t in_stride = weights_are_in_by_out ? shape.out_features : 1;
  const int64_t out_stride = weights_are_in_by_out ? 1 : shape.in_features;
  for (int64_t unit = 0; unit < to.units(); ++unit) {
    const Span rows = to.block(unit / to.tiles);
    const int64_t first = unit % to.tiles * to.tile_width;
    const int64_t columns = std::min(to.tile_width, shape.out_features - first);
    const int64_t width = ceil_to(columns, lanes);
    gemm_pack_panel(weights + rows.begin * in_stride + first * out_stride, in_stride, out_stride,
                    rows.size(), columns, width, packed);
    packed += width * rows.size();
  }
}

size_t linear_scratch_bytes(const LinearShape& shape, size_t threads) {
  return gemm_scratch_bytes(placeholder(shape), threads);
}

void linear(const LinearShape& shape, const float* x, const float* packed, const Epilogue& epilogue,
            float* y, ByteSpan scratch, Parallel& parallel) {
  gemm(operands(shape, x, packed, y), epilogue, scratch, parallel);
}

size_t linear_piece_end(const LinearShape& shape, size_t begin, size_t target_bytes) {
  return weights_of(shape).piece_end(begin, target_bytes);
}

size_t linear_part_scratch_bytes(const LinearShape& shape, size_t threads) {
  return gemm_part_scratch_bytes(placeholder(shape), threads);
}

void linear_part(const LinearShape& shape, size_t begin, size_t end, const float* x,
                 const float* packed_part, const Epilogue& epilogue, float* y, ByteSpan scratch,
                 Parallel& parallel) {
  gemm_part(operands(shape, x, packed_part, y), static_cast<int64_t>(begin / sizeof(float)),
            static_cast<int64_t>(end / sizeof(float)), epilogue, scratch, parallel);
}

}  // namespace taoism::kernels
