#include "kernels/normalize.h"

#include <cmath>

#include "kernels/axis.h"
#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

// What a row is multiplied by and then added.
struct Factors {
  float scale = 1, shift = 0;
};

Factors factors_of(const NormalizeShape& s, const float* x) {
  const auto count = static_cast<float>(s.count);
  const float mean = s.centered ? fold_span(Fold::sum, x, s.count) / count : 0.0F;
  const float variance = squares_span(x, mean, s.count) / count;
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(variance) + s.epsilon));
  return {scale, -mean * scale};
}

}  // namespace

void normalize_rows(const NormalizeShape& s, const float* x, const float* scale, const float* shift,
                    float* y, Parallel& parallel) {
  for_axis_rows(s.rows, s.count, parallel, [&](int64_t row) {
    const float* from = x + row * s.count;
    const Factors f = factors_of(s, from);
    normalize_span(from, f.scale, f.shift, scale, shift, y + row * s.count, s.count);
  });
}

void normalize_groups(const NormalizeShape& s, int64_t groups, int64_t pixels, const float* x,
                      const float* scale, const float* shift, float* y, Parallel& parallel) {
  const int64_t channels = s.count / pixels;
  for_axis_rows(s.rows, s.count, parallel, [&](int64_t row) {
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
