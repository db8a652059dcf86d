// The driver of dense matrix products over the register tile: C = A . B, A row-major and packed on
// the fly, B packed in panels of tile columns (the last zero-padded to whole vectors), ahead of
// time as weight_tiles.h says or on the fly. Internal.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/epilogue.h"
#include "kernels/linear.h"
#include "kernels/weight_tiles.h"

namespace taoism::kernels {

struct GemmOperands {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  const float* a = nullptr;  // [batch][m][k]
  int64_t a_batch_stride = 0;
  const float* packed_b = nullptr;  // packed as `packing` says, the same for the whole batch; or
  const float* b = nullptr;         // [batch][k][n]
  LinearPacking packing = {};
  int64_t b_batch_stride = 0;
  float* c = nullptr;  // [batch][m][n] without gaps
};

// The fastest on the current target, for k rows of B.
LinearPacking choose_gemm_packing(int64_t k);
// Whether the current target multiplies by a B of k rows that is packed so.
bool gemm_applies(int64_t k, const LinearPacking& packing);
// The packed form of B[k][n], and the packing of a panel of it: rows of `width` elements from rows
// whose elements are row_stride and column_stride apart.
WeightTiles gemm_weight_tiles(int64_t k, int64_t n, const LinearPacking& packing);
void gemm_pack_panel(const float* b, int64_t row_stride, int64_t column_stride, int64_t depth,
                     int64_t columns, int64_t width, float* packed);

size_t gemm_scratch_bytes(const GemmOperands& gemm, size_t threads);
// Epilogue: bias per column, residual like c.
void gemm(const GemmOperands& gemm, const Epilogue& epilogue, ByteSpan scratch, Parallel& parallel);

size_t gemm_part_scratch_bytes(const GemmOperands& gemm, size_t threads);
// For elements [begin, end) of the packed B, both of them cuts, that lie at gemm.packed_b; of a
// batch of 1.
void gemm_part(const GemmOperands& gemm, int64_t begin, int64_t end, const Epilogue& epilogue,
               ByteSpan scratch, Parallel& parallel);

}  // namespace taoism::kernels
