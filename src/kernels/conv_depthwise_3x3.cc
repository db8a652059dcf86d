#include "kernels/conv_depthwise_3x3.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_depthwise_3x3.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

constexpr int64_t kLanes = HWY_LANES(float);

// Lanes that stand for elements [at, at + lanes) of a row of `width`, where these are inside it.
HWY_INLINE hn::Mask<Tag> inside(int64_t at, int64_t width) {
  const Tag d;
  const auto begin = static_cast<float>(std::clamp<int64_t>(-at, 0, kLanes));
  const auto end = static_cast<float>(std::clamp<int64_t>(width - at, 0, kLanes));
  const Vec lane = hn::Iota(d, 0.0f);
  return hn::And(hn::Ge(lane, hn::Set(d, begin)), hn::Lt(lane, hn::Set(d, end)));
}

// What the three taps of a row see, for a vector of output columns.
template <int kStride>
struct Columns;

template <>
struct Columns<1> {
  Columns(int64_t at, int64_t width) {
    for (int j = 0; j < 3; ++j) masks[j] = inside(at + j, width);
  }
  HWY_INLINE void load(const float* row, Vec* taps) const {
    for (int j = 0; j < 3; ++j) taps[j] = hn::MaskedLoad(masks[j], Tag(), row + j);
  }
  hn::Mask<Tag> masks[3];
};

template <>
struct Columns<2> {
  Columns(int64_t at, int64_t width) {
    for (int j = 0; j < 2; ++j) {
      near[j] = inside(at + j * kLanes, width);
      far[j] = inside(at + 2 + j * kLanes, width);
    }
  }
  HWY_INLINE void load(const float* row, Vec* taps) const {
    const Tag d;
    const Vec low = hn::MaskedLoad(near[0], d, row);
    const Vec high = hn::MaskedLoad(near[1], d, row + kLanes);
    taps[0] = hn::ConcatEven(d, high, low);
    taps[1] = hn::ConcatOdd(d, high, low);
    taps[2] = hn::ConcatEven(d, hn::MaskedLoad(far[1], d, row + 2 + kLanes),
                             hn::MaskedLoad(far[0], d, row + 2));
  }
  hn::Mask<Tag> near[2], far[2];
};

template <int kStride>
void plane_of_stride(const Conv2dShape& s, const float* plane, const float* weights, float bias,
                     const float* residual, const Bounds& bounds, float* output) {
  const Tag d;
  const Vec low = hn::Set(d, bounds.low);
  const Vec high = hn::Set(d, bounds.high);
  for (int64_t x = 0; x < s.out_w; x += kLanes) {
    const int64_t count = std::min(kLanes, s.out_w - x);
    const int64_t at = x * kStride - s.pad_left;
    const Columns<kStride> columns(at, s.in_w);
    for (int64_t y = 0; y < s.out_h; ++y) {
      Vec sum = hn::Set(d, bias);
      const int64_t top = y * kStride - s.pad_top;
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) {
        if (top + i < 0 || top + i >= s.in_h) continue;
        Vec taps[3];
        columns.load(plane + (top + i) * s.in_w + at, taps);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) {
          sum = hn::MulAdd(hn::Set(d, weights[i * 3 + j]), taps[j], sum);
        }
      }
      const int64_t to = y * s.out_w + x;
      if (residual != nullptr) sum = hn::Add(sum, load_first(residual + to, count));
      sum = limit(sum, low, high);
      if (count == kLanes) {
        hn::StoreU(sum, d, output + to);
      } else {
        store_first(sum, output + to, count);
      }
    }
  }
}

void plane_3x3(const Conv2dShape& s, const float* plane, const float* weights, float bias,
               const float* residual, const Bounds& bounds, float* output) {
  (s.stride_w == 1 ? plane_of_stride<1> : plane_of_stride<2>)(s, plane, weights, bias, residual,
                                                              bounds, output);
}
bool has_plane_3x3() { return true; }
#else
void plane_3x3(const Conv2dShape&, const float*, const float*, float, const float*, const Bounds&,
               float*) {}
bool has_plane_3x3() { return false; }
#endif

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

bool is_depthwise_3x3(const Conv2dShape& s) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.stride_h == s.stride_w && s.stride_w <= 2 && TAOISM_DISPATCH(has_plane_3x3)();
}

void conv_depthwise_3x3(const Conv2dShape& shape, const float* plane, const float* weights,
                        float bias, const float* residual, const Activation& activation,
                        float* output) {
  TAOISM_DISPATCH(plane_3x3)
  (shape, plane, weights, bias, residual, bounds_of(activation), output);
  if (!is_clamp(activation)) {
    activate_span(output, output, shape.out_h * shape.out_w, activation);
  }
}

}  // namespace taoism::kernels
#endif
