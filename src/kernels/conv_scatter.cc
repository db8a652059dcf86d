#include "kernels/conv_scatter.h"

#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_scatter.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

// Pixel `i` of channel `c`, one by one.
HWY_INLINE void scatter_one(const Scatter& s, int64_t i, int64_t c) {
  const int64_t at = c * s.plane_elems + i;
  float y = s.sums[i * s.sum_pitch + c] + (s.bias != nullptr ? s.bias[c] : 0.0f);
  if (s.residual != nullptr) y += s.residual[at];
  y = y < s.bounds.low ? s.bounds.low : y;
  s.planes[at] = y > s.bounds.high ? s.bounds.high : y;
}

#if HWY_TARGET == HWY_SCALAR
void scatter(const Scatter& s) {
  for (int64_t c = 0; c < s.channels; ++c) {
    for (int64_t i = 0; i < s.pixels; ++i) scatter_one(s, i, c);
  }
}
#else
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 4>;
using Vec = hn::Vec<Tag>;

// Pixels [i, i + 4) of channels [c, c + 4).
HWY_INLINE void scatter_square(const Scatter& s, int64_t i, int64_t c, Vec low, Vec high) {
  const Tag d;
  const hn::Repartition<double, Tag> wide;
  const float* from = s.sums + i * s.sum_pitch + c;
  Vec row[4];
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) row[r] = hn::LoadU(d, from + r * s.sum_pitch);
  const Vec even = hn::InterleaveLower(d, row[0], row[1]);
  const Vec odd = hn::InterleaveLower(d, row[2], row[3]);
  const Vec even_high = hn::InterleaveUpper(d, row[0], row[1]);
  const Vec odd_high = hn::InterleaveUpper(d, row[2], row[3]);
  const auto pairs = [&](Vec a, Vec b, bool upper) HWY_ATTR {
    const auto x = hn::BitCast(wide, a);
    const auto y = hn::BitCast(wide, b);
    return hn::BitCast(d,
                       upper ? hn::InterleaveUpper(wide, x, y) : hn::InterleaveLower(wide, x, y));
  };
  const Vec column[4] = {pairs(even, odd, false), pairs(even, odd, true),
                         pairs(even_high, odd_high, false), pairs(even_high, odd_high, true)};
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const int64_t at = (c + j) * s.plane_elems + i;
    Vec y = hn::Add(column[j], hn::Set(d, s.bias != nullptr ? s.bias[c + j] : 0.0f));
    if (s.residual != nullptr) y = hn::Add(y, hn::LoadU(d, s.residual + at));
    hn::StoreU(limit(y, low, high), d, s.planes + at);
  }
}

void scatter(const Scatter& s) {
  const Tag d;
  const Vec low = hn::Set(d, s.bounds.low);
  const Vec high = hn::Set(d, s.bounds.high);
  int64_t c = 0;
  for (; c + 4 <= s.channels; c += 4) {
    int64_t i = 0;
    for (; i + 4 <= s.pixels; i += 4) scatter_square(s, i, c, low, high);
    if (i == s.pixels) continue;
    // Some pixels again, unless what they add may be what they wrote.
    if (s.pixels >= 4 && s.residual != s.planes) {
      scatter_square(s, s.pixels - 4, c, low, high);
      continue;
    }
    for (; i < s.pixels; ++i) {
      for (int64_t j = 0; j < 4; ++j) scatter_one(s, i, c + j);
    }
  }
  for (; c < s.channels; ++c) {
    for (int64_t i = 0; i < s.pixels; ++i) scatter_one(s, i, c);
  }
}
#endif

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

void scatter_channels(const Scatter& scatter) { TAOISM_DISPATCH(scatter)(scatter); }

}  // namespace taoism::kernels
#endif
