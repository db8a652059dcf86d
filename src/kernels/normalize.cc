#include "kernels/normalize.h"

#include <algorithm>
#include <cmath>

#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

constexpr int64_t kTaskElems = 16 * 1024;

// What a row is multiplied by and then added.
struct Factors {
  float scale = 1, shift = 0;
};

Factors factors_of(const NormalizeShape& s, const float* x) {
  const auto count = static_cast<float>(s.count);
  const float mean = s.centered ? sum_span(x, s.count) / count : 0.0F;
  const float variance = squares_span(x, mean, s.count) / count;
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(variance) + s.epsilon));
  return {scale, -mean * scale};
}

// function(row) over all, several rows to a task.
template <typename Function>
void for_rows(const NormalizeShape& s, Parallel& parallel, Function&& function) {
  const int64_t batch = std::max<int64_t>(1, kTaskElems / std::max<int64_t>(1, s.count));
  const auto tasks = static_cast<size_t>((s.rows + batch - 1) / batch);
  parallel_for(parallel, tasks, [&](size_t task, size_t) {
    const int64_t begin = static_cast<int64_t>(task) * batch;
    for (int64_t row = begin; row < std::min(begin + batch, s.rows); ++row) function(row);
  });
}

}  // namespace

void normalize_rows(const NormalizeShape& s, const float* x, const float* scale, const float* shift,
                    float* y, Parallel& parallel) {
  for_rows(s, parallel, [&](int64_t row) {
    const float* from = x + row * s.count;
    float* to = y + row * s.count;
    const Factors f = factors_of(s, from);
    affine_span(from, &f.scale, &f.shift, true, to, s.count, Bounds{});
    if (scale != nullptr && shift != nullptr) {
      affine_span(to, scale, shift, false, to, s.count, Bounds{});
    } else if (scale != nullptr) {
      binary_span(BinaryOp::mul, to, false, scale, false, to, s.count, Bounds{});
    } else if (shift != nullptr) {
      binary_span(BinaryOp::add, to, false, shift, false, to, s.count, Bounds{});
    }
  });
}

void normalize_groups(const NormalizeShape& s, int64_t groups, int64_t pixels, const float* x,
                      const float* scale, const float* shift, float* y, Parallel& parallel) {
  const int64_t channels = s.count / pixels;
  for_rows(s, parallel, [&](int64_t row) {
    const Factors f = factors_of(s, x + row * s.count);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t channel = row % groups * channels + c;
      const float factor = f.scale * scale[channel];
      const float offset = f.shift * scale[channel] + shift[channel];
      const int64_t at = row * s.count + c * pixels;
      affine_span(x + at, &factor, &offset, true, y + at, pixels, Bounds{});
    }
  });
}

}  // namespace taoism::kernels
