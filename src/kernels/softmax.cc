#include "kernels/softmax.h"

#include <algorithm>
#include <limits>

#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

constexpr int64_t kTaskElems = 16 * 1024;
// Columns worked on together when the axis is not the last: fits the first-level cache.
constexpr int64_t kColumns = 256;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

void softmax_row(const float* x, float* y, int64_t count) {
  const float total = exp_span(x, max_span(x, count), y, count);
  const float scale = 1.0f / total;
  const float zero = 0.0f;
  affine_span(y, &scale, &zero, true, y, count, Bounds{});
}

void softmax_columns(const float* x, float* y, int64_t axis, int64_t stride, int64_t count) {
  float largest[kColumns];
  float total[kColumns];
  std::fill_n(largest, count, -std::numeric_limits<float>::infinity());
  std::fill_n(total, count, 0.0f);
  for (int64_t a = 0; a < axis; ++a) max_into_span(x + a * stride, largest, count);
  for (int64_t a = 0; a < axis; ++a) {
    exp_into_span(x + a * stride, largest, y + a * stride, total, count);
  }
  for (int64_t i = 0; i < count; ++i) total[i] = 1.0f / total[i];
  for (int64_t a = 0; a < axis; ++a) {
    float* row = y + a * stride;
    binary_span(BinaryOp::mul, row, false, total, false, row, count, Bounds{});
  }
}

// function(outer index, first column, columns) over all, in parallel.
template <typename Function>
void for_columns(const AxisShape& s, Parallel& parallel, Function&& function) {
  const int64_t pieces = ceil_div(s.inner, kColumns);
  parallel_for(parallel, static_cast<size_t>(s.outer * pieces), [&](size_t index, size_t) {
    const int64_t outer = static_cast<int64_t>(index) / pieces;
    const int64_t first = static_cast<int64_t>(index) % pieces * kColumns;
    function(outer, first, std::min(kColumns, s.inner - first));
  });
}

// function(outer index) over all, in parallel, several to a task.
template <typename Function>
void for_rows(const AxisShape& s, Parallel& parallel, Function&& function) {
  const int64_t batch = std::max<int64_t>(1, kTaskElems / std::max<int64_t>(1, s.axis));
  parallel_for(parallel, static_cast<size_t>(ceil_div(s.outer, batch)), [&](size_t index, size_t) {
    const int64_t begin = static_cast<int64_t>(index) * batch;
    for (int64_t o = begin; o < std::min(begin + batch, s.outer); ++o) function(o);
  });
}

}  // namespace

void softmax(const AxisShape& s, const float* x, float* y, Parallel& parallel) {
  if (s.inner == 1) {
    for_rows(s, parallel,
             [&](int64_t outer) { softmax_row(x + outer * s.axis, y + outer * s.axis, s.axis); });
    return;
  }
  for_columns(s, parallel, [&](int64_t outer, int64_t first, int64_t count) {
    const int64_t offset = outer * s.axis * s.inner + first;
    softmax_columns(x + offset, y + offset, s.axis, s.inner, count);
  });
}

void reduce_mean(const AxisShape& s, const float* x, float* y, Parallel& parallel) {
  const float scale = 1.0f / static_cast<float>(s.axis);
  if (s.inner == 1) {
    for_rows(s, parallel,
             [&](int64_t outer) { y[outer] = sum_span(x + outer * s.axis, s.axis) * scale; });
    return;
  }
  for_columns(s, parallel, [&](int64_t outer, int64_t first, int64_t count) {
    float* to = y + outer * s.inner + first;
    std::fill_n(to, count, 0.0f);
    for (int64_t a = 0; a < s.axis; ++a) {
      axpy_span(1.0f, x + (outer * s.axis + a) * s.inner + first, to, count);
    }
    const float zero = 0.0f;
    affine_span(to, &scale, &zero, true, to, count, Bounds{});
  });
}

}  // namespace taoism::kernels
