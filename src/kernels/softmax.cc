#include "kernels/softmax.h"

#include <cmath>

#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

void softmax_row(const float* x, float* y, int64_t count) {
  const float total = exp_span(x, fold_span(Fold::max, x, count), y, count);
  const float scale = 1.0f / total;
  binary_span(BinaryOp::mul, y, false, &scale, true, y, count, Bounds{});
}

// y[i] = x[i] - largest - logarithm, in that order: the sum of the two would lose the smaller.
void subtract_both(const float* x, const float* largest, const float* logarithm, bool scalar,
                   float* y, int64_t count) {
  binary_span(BinaryOp::sub, x, false, largest, scalar, y, count, Bounds{});
  binary_span(BinaryOp::sub, y, false, logarithm, scalar, y, count, Bounds{});
}

void log_softmax_row(const float* x, float* y, int64_t count) {
  const float largest = fold_span(Fold::max, x, count);
  const double total = exp_span(x, largest, nullptr, count);
  const auto logarithm = static_cast<float>(std::log(total));
  subtract_both(x, &largest, &logarithm, true, y, count);
}

// The largest of each column, and the sum of exp(x - largest), which goes to y unless it is null.
struct ColumnSums {
  float largest[kAxisColumns];
  float total[kAxisColumns];
  ColumnSums(const float* x, const Rows& rows, float* y, int64_t count) {
    std::fill_n(largest, count, identity_of(Fold::max));
    std::fill_n(total, count, 0.0f);
    fold_into_span(Fold::max, x, rows, largest, count);
    exp_into_span(x, rows, largest, y, total, count);
  }
};

void softmax_columns(const float* x, float* y, const Rows& rows, int64_t count) {
  ColumnSums sums(x, rows, y, count);
  for (int64_t i = 0; i < count; ++i) sums.total[i] = 1.0f / sums.total[i];
  multiply_span(y, rows, sums.total, count);
}

void log_softmax_columns(const float* x, float* y, const Rows& rows, int64_t count) {
  ColumnSums sums(x, rows, nullptr, count);
  for (int64_t i = 0; i < count; ++i) {
    sums.total[i] = static_cast<float>(std::log(double{sums.total[i]}));
  }
  for (int64_t r = 0; r < rows.count; ++r) {
    const int64_t at = r * rows.stride;
    subtract_both(x + at, sums.largest, sums.total, false, y + at, count);
  }
}

template <typename Row, typename Columns>
void along_axis(const AxisShape& s, const float* x, float* y, Parallel& parallel, Row&& row,
                Columns&& columns) {
  if (s.outer * s.axis * s.inner == 0) return;
  if (s.inner == 1) {
    for_axis_rows(s.outer, s.axis, parallel,
                  [&](int64_t o) { row(x + o * s.axis, y + o * s.axis, s.axis); });
    return;
  }
  // Few enough that what is gone through three times stays in the second-level cache.
  const int64_t columns_at_once = std::clamp<int64_t>(65536 / s.axis, 128, kAxisColumns);
  for_axis_columns(s, columns_at_once, parallel, [&](int64_t outer, int64_t first, int64_t count) {
    const int64_t offset = outer * s.axis * s.inner + first;
    columns(x + offset, y + offset, {s.axis, s.inner}, count);
  });
}

}  // namespace

void softmax(const AxisShape& s, const float* x, float* y, Parallel& parallel) {
  along_axis(s, x, y, parallel, softmax_row, softmax_columns);
}

void log_softmax(const AxisShape& s, const float* x, float* y, Parallel& parallel) {
  along_axis(s, x, y, parallel, log_softmax_row, log_softmax_columns);
}

}  // namespace taoism::kernels
