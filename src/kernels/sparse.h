// Linear operators with sparse weights, added to what the output holds: the part of a split weight
// that stays in the TEE. Trusted: no allocation; indices are checked by the caller before they get
// here (sparse_rows_valid). Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv2d.h"
#include "kernels/linear.h"

namespace taoism::kernels {

// Row r (an output channel or feature) holds entries [row_begin[r], row_begin[r + 1]) of `columns`
// and `values`. A column indexes the row's dense weights: [in_channels/groups][kernel_h][kernel_w]
// for a convolution, [in_features] for a linear layer.
struct SparseRows {
  int64_t rows = 0;
  const uint32_t* row_begin = nullptr;  // [rows + 1]
  const uint32_t* columns = nullptr;
  const float* values = nullptr;
};

// Whether row_begin starts at 0, never falls and ends at `entries`, and every column is < columns.
bool sparse_rows_valid(const SparseRows& sparse, uint64_t entries, uint64_t columns);

// output += convolution of input by the sparse weights (sparse.rows == out_channels).
void sparse_conv2d_add(const Conv2dShape& shape, const float* input, const SparseRows& sparse,
                       float* output, Parallel& parallel);

// y[rows][out] += x[rows][in] . S^T (sparse.rows == out_features).
void sparse_linear_add(const LinearShape& shape, const float* x, const SparseRows& sparse, float* y,
                       Parallel& parallel);

}  // namespace taoism::kernels
