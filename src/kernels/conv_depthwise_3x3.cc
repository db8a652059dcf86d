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
  Columns() = default;
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
  Columns() = default;
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

// Vectors of a row that are computed one after the other before the next row is.
constexpr int64_t kBlocks = 8;

struct Plane {
  Plane(const Conv2dShape& s, const float* in, const float* w, float bias_of, const float* add,
        const Bounds& bounds, float* out)
      : in_h(s.in_h),
        in_w(s.in_w),
        out_h(s.out_h),
        out_w(s.out_w),
        pad_top(s.pad_top),
        pad_left(s.pad_left),
        input(in),
        residual(add),
        output(out),
        bias(hn::Set(Tag(), bias_of)),
        low(hn::Set(Tag(), bounds.low)),
        high(hn::Set(Tag(), bounds.high)) {
    for (int i = 0; i < 9; ++i) weights[i] = hn::Set(Tag(), w[i]);
  }
  const int64_t in_h, in_w, out_h, out_w, pad_top, pad_left;
  const float* const input;
  const float* const residual;
  float* const output;
  const Vec bias, low, high;
  Vec weights[9];
};

// The vector of row `y` from column `x` on.
template <int kStride>
HWY_INLINE void run_vector(const Plane& p, const Columns<kStride>& columns, int64_t y, int64_t x) {
  const Tag d;
  Vec sum = p.bias;
  const int64_t top = y * kStride - p.pad_top;
  const float* row = p.input + top * p.in_w + x * kStride - p.pad_left;
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i, row += p.in_w) {
    if (top + i < 0 || top + i >= p.in_h) continue;
    Vec taps[3];
    columns.load(row, taps);
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) sum = hn::MulAdd(p.weights[i * 3 + j], taps[j], sum);
  }
  const int64_t count = std::min(kLanes, p.out_w - x);
  const int64_t to = y * p.out_w + x;
  if (p.residual != nullptr) sum = hn::Add(sum, load_first(p.residual + to, count));
  sum = limit(sum, p.low, p.high);
  if (count == kLanes) {
    hn::StoreU(sum, d, p.output + to);
  } else {
    store_first(sum, p.output + to, count);
  }
}

// By columns where the plane stays in the first-level cache, so that masks stay in registers; else
// by rows.
template <int kStride>
HWY_INLINE void run_plane(const Plane& p) {
  constexpr int64_t kCacheElems = 4096, kMostVectors = 16;
  const auto columns_at = [&](int64_t x) HWY_ATTR {
    return Columns<kStride>(x * kStride - p.pad_left, p.in_w);
  };
  if (p.in_h * p.in_w <= kCacheElems || p.out_w > kMostVectors * kLanes) {
    for (int64_t x = 0; x < p.out_w; x += kLanes) {
      const Columns<kStride> columns = columns_at(x);
      for (int64_t y = 0; y < p.out_h; ++y) run_vector(p, columns, y, x);
    }
    return;
  }
  Columns<kStride> columns[kMostVectors];
  for (int64_t x = 0; x < p.out_w; x += kLanes) columns[x / kLanes] = columns_at(x);
  for (int64_t y = 0; y < p.out_h; ++y) {
    for (int64_t x = 0; x < p.out_w; x += kLanes) run_vector(p, columns[x / kLanes], y, x);
  }
}

void plane_3x3(const Conv2dShape& s, const float* plane, const float* weights, float bias,
               const float* residual, const Bounds& bounds, float* output) {
  const Plane p(s, plane, weights, bias, residual, bounds, output);
  if (s.stride_w == 1) return run_plane<1>(p);
  run_plane<2>(p);
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
