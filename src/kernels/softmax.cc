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
  const float logarithm = std::log(exp_span(x, largest, nullptr, count));
  subtract_both(x, &largest, &logarithm, true, y, count);
}

// The largest of each column.
void find_largest(const float* x, const AxisShape& s, int64_t count, float* largest) {
  std::fill_n(largest, count, identity_of(Fold::max));
  for (int64_t a = 0; a < s.axis; ++a) fold_into_span(Fold::max, x + a * s.inner, largest, count);
}

void softmax_columns(const float* x, float* y, const AxisShape& s, int64_t count) {
  float largest[kAxisColumns];
  float total[kAxisColumns];
  find_largest(x, s, count, largest);
  std::fill_n(total, count, 0.0f);
  for (int64_t a = 0; a < s.axis; ++a) {
    exp_into_span(x + a * s.inner, largest, y + a * s.inner, total, count);
  }
  for (int64_t i = 0; i < count; ++i) total[i] = 1.0f / total[i];
  for (int64_t a = 0; a < s.axis; ++a) {
    float* row = y + a * s.inner;
    binary_span(BinaryOp::mul, row, false, total, false, row, count, Bounds{});
  }
}

void log_softmax_columns(const float* x, float* y, const AxisShape& s, int64_t count) {
  float largest[kAxisColumns];
  float total[kAxisColumns];
  find_largest(x, s, count, largest);
  std::fill_n(total, count, 0.0f);
  for (int64_t a = 0; a < s.axis; ++a) {
    exp_into_span(x + a * s.inner, largest, nullptr, total, count);
  }
  for (int64_t i = 0; i < count; ++i) total[i] = std::log(total[i]);
  for (int64_t a = 0; a < s.axis; ++a) {
    const int64_t row = a * s.inner;
    subtract_both(x + row, largest, total, false, y + row, count);
  }
}

template <typename Row, typename Columns>
void along_axis(const AxisShape& s, const float* x, float* y, Parallel& parallel, Row&& row,
                Columns&& columns) {
  if (s.inner == 1) {
    for_axis_rows(s.outer, s.axis, parallel,
                  [&](int64_t o) { row(x + o * s.axis, y + o * s.axis, s.axis); });
    return;
  }
  for_axis_columns(s, parallel, [&](int64_t outer, int64_t first, int64_t count) {
    const int64_t offset = outer * s.axis * s.inner + first;
    columns(x + offset, y + offset, s, count);
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
