#include "kernels/normalize.h"

#include <cmath>

#include "kernels/axis.h"
#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

// What a row is less, and what times.
struct Moments {
  float mean = 0, factor = 1;
};

Moments moments_of(const NormalizeShape& s, const float* x) {
  const auto count = static_cast<float>(s.count);
  const float mean = s.centered ? fold_span(Fold::sum, x, s.count) / count : 0.0F;
  const float variance = squares_span(x, mean, s.count) / count;
  return {mean, static_cast<float>(1 / std::sqrt(static_cast<double>(variance) + s.epsilon))};
}

}  // namespace

void normalize_rows(const NormalizeShape& s, const float* x, const float* scale, const float* shift,
                    float* y, Parallel& parallel) {
  for_axis_rows(s.rows, s.count, parallel, [&](int64_t row) {
    const float* from = x + row * s.count;
    const Moments m = moments_of(s, from);
    normalize_span(from, m.mean, m.factor, scale, shift, y + row * s.count, s.count);
  });
}

void normalize_groups(const NormalizeShape& s, int64_t groups, int64_t pixels, const float* x,
                      const float* scale, const float* shift, float* y, Parallel& parallel) {
  const int64_t channels = s.count / pixels;
  for_axis_rows(s.rows, s.count, parallel, [&](int64_t row) {
    const Moments m = moments_of(s, x + row * s.count);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t channel = row % groups * channels + c;
      const float factor = m.factor * scale[channel];
      const float offset = shift[channel] - m.mean * factor;
      const int64_t at = row * s.count + c * pixels;
      affine_span(x + at, &factor, &offset, true, y + at, pixels, Bounds{});
    }
  });
}

}  // namespace taoism::kernels
