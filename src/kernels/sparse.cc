#include "kernels/sparse.h"

#include <algorithm>

#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

constexpr int64_t kTaskElems = 16 * 1024;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The i in [0, count) for which 0 <= start + i * stride < extent.
struct Range {
  int64_t begin, end;
};
Range inside(int64_t start, int64_t stride, int64_t extent, int64_t count) {
  const int64_t begin = start >= 0 ? 0 : ceil_div(-start, stride);
  const int64_t end = start >= extent ? 0 : ceil_div(extent - start, stride);
  return {std::min(begin, count), std::clamp<int64_t>(end, 0, count)};
}

// plane += weight * the input plane seen through tap (ky, kx).
void add_tap(const Conv2dShape& s, const float* input, int64_t ky, int64_t kx, float weight,
             float* plane) {
  const int64_t first_y = ky * s.dilation_h - s.pad_top;
  const int64_t first_x = kx * s.dilation_w - s.pad_left;
  const Range rows = inside(first_y, s.stride_h, s.in_h, s.out_h);
  const Range columns = inside(first_x, s.stride_w, s.in_w, s.out_w);
  const int64_t count = columns.end - columns.begin;
  if (count <= 0 || rows.end <= rows.begin) return;
  const int64_t x = first_x + columns.begin * s.stride_w;
  if (s.stride_w == 1 && s.stride_h == 1 && count == s.out_w && s.in_w == s.out_w) {
    axpy_span(weight, input + (first_y + rows.begin) * s.in_w, plane + rows.begin * s.out_w,
              (rows.end - rows.begin) * s.out_w);
    return;
  }
  for (int64_t y = rows.begin; y < rows.end; ++y) {
    const float* from = input + (first_y + y * s.stride_h) * s.in_w + x;
    float* to = plane + y * s.out_w + columns.begin;
    if (s.stride_w == 1) {
      axpy_span(weight, from, to, count);
    } else {
      for (int64_t i = 0; i < count; ++i) to[i] += weight * from[i * s.stride_w];
    }
  }
}

}  // namespace

bool sparse_rows_valid(const SparseRows& sparse, uint64_t entries, uint64_t columns) {
  if (sparse.rows < 0 || sparse.row_begin[0] != 0) return false;
  for (int64_t r = 0; r < sparse.rows; ++r) {
    if (sparse.row_begin[r + 1] < sparse.row_begin[r]) return false;
  }
  if (sparse.row_begin[sparse.rows] != entries) return false;
  return std::all_of(sparse.columns, sparse.columns + entries,
                     [columns](uint32_t column) { return column < columns; });
}

void sparse_conv2d_add(const Conv2dShape& s, const float* input, const SparseRows& sparse,
                       float* output, Parallel& parallel) {
  const int64_t group_in = s.in_channels / s.groups;
  const int64_t group_out = s.out_channels / s.groups;
  const int64_t taps = s.kernel_h * s.kernel_w;
  const int64_t in_plane = s.in_h * s.in_w;
  const int64_t out_plane = s.out_h * s.out_w;
  parallel_for(parallel, static_cast<size_t>(s.batch * s.out_channels), [&](size_t task, size_t) {
    const int64_t image = static_cast<int64_t>(task) / s.out_channels;
    const int64_t channel = static_cast<int64_t>(task) % s.out_channels;
    const float* first =
        input + (image * s.in_channels + channel / group_out * group_in) * in_plane;
    float* plane = output + static_cast<int64_t>(task) * out_plane;
    for (uint32_t e = sparse.row_begin[channel]; e < sparse.row_begin[channel + 1]; ++e) {
      const int64_t tap = sparse.columns[e] % taps;
      add_tap(s, first + sparse.columns[e] / taps * in_plane, tap / s.kernel_w, tap % s.kernel_w,
              sparse.values[e], plane);
    }
  });
}

void sparse_linear_add(const LinearShape& s, const float* x, const SparseRows& sparse, float* y,
                       Parallel& parallel) {
  const int64_t per_row = std::max<int64_t>(
      1, s.rows * sparse.row_begin[sparse.rows] / std::max<int64_t>(1, sparse.rows));
  const int64_t batch = std::max<int64_t>(1, kTaskElems / per_row);
  parallel_for(parallel, static_cast<size_t>(ceil_div(sparse.rows, batch)),
               [&](size_t task, size_t) {
                 const int64_t begin = static_cast<int64_t>(task) * batch;
                 for (int64_t out = begin; out < std::min(begin + batch, sparse.rows); ++out) {
                   for (int64_t r = 0; r < s.rows; ++r) {
                     const float* row = x + r * s.in_features;
                     float sum = y[r * s.out_features + out];
                     for (uint32_t e = sparse.row_begin[out]; e < sparse.row_begin[out + 1]; ++e) {
                       sum += sparse.values[e] * row[sparse.columns[e]];
                     }
                     y[r * s.out_features + out] = sum;
                   }
                 }
               });
}

}  // namespace taoism::kernels
