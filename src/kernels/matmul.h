// Batched matrix product of two run-time operands, C[b] = A[b] . B[b], all row-major float32.
// Trusted: no allocation; `scratch` is all the temporary memory, aligned to kAlignment.
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"

namespace taoism::kernels {

// A[b] is [m][k] at a + b * a_batch_stride (in elements; 0 uses the same matrix for all), B[b] is
// [k][n] likewise, C is [batch][m][n] without gaps.
struct MatmulShape {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  int64_t a_batch_stride = 0, b_batch_stride = 0;
};

size_t matmul_scratch_bytes(const MatmulShape& shape, size_t threads);

// c may not overlap a or b.
void matmul(const MatmulShape& shape, const float* a, const float* b, float* c, ByteSpan scratch,
            Parallel& parallel);

}  // namespace taoism::kernels
