#include "kernels/pool.h"

#include <algorithm>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/spans.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr int64_t kLanes = HWY_LANES(float);

template <bool kMax>
HWY_INLINE Vec combine(Vec x, Vec y) {
  if constexpr (!kMax) return hn::Add(x, y);
  return max_or_nan(x, y);
}

HWY_INLINE Vec load_stride2(const float* from) {
  const Tag d;
#if HWY_TARGET == HWY_SCALAR
  return hn::LoadU(d, from);
#else
  return hn::ConcatEven(d, hn::LoadU(d, from + kLanes), hn::LoadU(d, from));
#endif
}

// to[i] = combination of from[i * stride + k * dilation] over k: whole vectors are read and
// written.
template <bool kMax>
HWY_INLINE void combine_row(const float* from, int64_t taps, int64_t stride, int64_t dilation,
                            int64_t count, float* to) {
  const Tag d;
  for (int64_t i = 0; i < count; i += kLanes) {
    const float* first = from + i * stride;
    Vec sum = stride == 1 ? hn::LoadU(d, first) : load_stride2(first);
    for (int64_t k = 1; k < taps; ++k) {
      const float* tap = first + k * dilation;
      sum = combine<kMax>(sum, stride == 1 ? hn::LoadU(d, tap) : load_stride2(tap));
    }
    hn::StoreU(sum, d, to + i);
  }
}

void combine_rows(bool max, const float* from, int64_t taps, int64_t stride, int64_t dilation,
                  int64_t count, float* to) {
  if (max) return combine_row<true>(from, taps, stride, dilation, count, to);
  combine_row<false>(from, taps, stride, dilation, count, to);
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {
namespace {

constexpr int64_t kTaskElems = 16 * 1024;
// Columns of input gathered at a time, and what whole vectors may read or write past the end.
constexpr int64_t kBuffer = 2048;
constexpr int64_t kSlack = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How many of the positions start, start + step, ... (count of them) lie in [low, high).
int64_t count_inside(int64_t start, int64_t step, int64_t count, int64_t low, int64_t high) {
  const int64_t begin = start >= low ? 0 : ceil_div(low - start, step);
  const int64_t end = start >= high ? 0 : std::min(count, ceil_div(high - start, step));
  return std::max<int64_t>(0, end - begin);
}

float combine_one(bool max, float x, float y) {
  if (!max) return x + y;
  return x != x || x > y ? x : y;
}

// One output row at a time: the rows of the window are combined over the width of the input, then
// the columns of the window over what that gave.
class PlanePool {
 public:
  PlanePool(const Pool2dShape& shape, bool max)
      : s_(shape),
        max_(max),
        reach_((shape.kernel_w - 1) * shape.dilation_w + 1),
        neutral_(max ? -std::numeric_limits<float>::infinity() : 0.0f) {}

  void row(const float* plane, int64_t y, float* to) {
    const int64_t span = kBuffer - reach_;
    const int64_t stretch = span < 0 ? 1 : span / s_.stride_w + 1;
    for (int64_t x = 0; x < s_.out_w; x += stretch) {
      stretch_of_row(plane, y, x, std::min(stretch, s_.out_w - x), to + x);
    }
  }

 private:
  void stretch_of_row(const float* plane, int64_t y, int64_t x, int64_t count, float* to) {
    const int64_t first = x * s_.stride_w - s_.pad_left;
    if (reach_ > kBuffer) {
      *to = window(plane, y, first);
      return;
    }
    const int64_t length = (count - 1) * s_.stride_w + reach_;
    const int64_t begin = std::clamp<int64_t>(first, 0, s_.in_w);
    const int64_t end = std::clamp<int64_t>(first + length, begin, s_.in_w);
    // The rows of the window that are inside the map.
    const int64_t top = y * s_.stride_h - s_.pad_top, step = s_.dilation_h;
    const int64_t before = top >= 0 ? 0 : ceil_div(-top, step);
    const int64_t rows = count_inside(top, step, s_.kernel_h, 0, s_.in_h);
    float* into = rows_ + (begin - first);
    const int64_t given = rows > 0 ? end - begin : 0;
    std::fill(rows_, into, neutral_);
    std::fill(into + given, rows_ + length + kSlack, neutral_);
    if (given > 0) {
      const float* from = plane + (top + before * step) * s_.in_w + begin;
      const int64_t stride = step * s_.in_w;
      std::copy_n(from, given, into);
      fold_into_span(max_ ? Fold::max : Fold::sum, from + stride, {rows - 1, stride}, into, given);
    }
    if (s_.stride_w <= 2) {
      TAOISM_DISPATCH(combine_rows)
      (max_, rows_, s_.kernel_w, s_.stride_w, s_.dilation_w, count, result_);
      std::copy_n(result_, count, to);
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      float sum = rows_[i * s_.stride_w];
      for (int64_t k = 1; k < s_.kernel_w; ++k) {
        sum = combine_one(max_, sum, rows_[i * s_.stride_w + k * s_.dilation_w]);
      }
      to[i] = sum;
    }
  }

  // A window wider than the buffer, element by element.
  float window(const float* plane, int64_t y, int64_t first) const {
    float sum = neutral_;
    for (int64_t ky = 0; ky < s_.kernel_h; ++ky) {
      const int64_t in_y = y * s_.stride_h - s_.pad_top + ky * s_.dilation_h;
      if (in_y < 0 || in_y >= s_.in_h) continue;
      for (int64_t kx = 0; kx < s_.kernel_w; ++kx) {
        const int64_t in_x = first + kx * s_.dilation_w;
        if (in_x < 0 || in_x >= s_.in_w) continue;
        sum = combine_one(max_, sum, plane[in_y * s_.in_w + in_x]);
      }
    }
    return sum;
  }

  const Pool2dShape& s_;
  bool max_;
  int64_t reach_;
  float neutral_;
  alignas(64) float rows_[kBuffer + kSlack];
  alignas(64) float result_[kBuffer + kSlack];
};

// finish(y, row) after each output row of each plane.
template <typename Finish>
void pool(const Pool2dShape& s, bool max, const float* input, float* output, Parallel& parallel,
          Finish&& finish) {
  const int64_t rows = s.batch * s.channels * s.out_h;
  const int64_t cost = std::max<int64_t>(1, s.out_w * s.stride_w * s.kernel_h);
  const int64_t batch = std::max<int64_t>(1, kTaskElems / cost);
  parallel_for(parallel, static_cast<size_t>(ceil_div(rows, batch)), [&](size_t task, size_t) {
    PlanePool plane_pool(s, max);
    const int64_t begin = static_cast<int64_t>(task) * batch;
    for (int64_t i = begin; i < std::min(begin + batch, rows); ++i) {
      const int64_t y = i % s.out_h;
      float* to = output + i * s.out_w;
      plane_pool.row(input + i / s.out_h * s.in_h * s.in_w, y, to);
      finish(y, to);
    }
  });
}

}  // namespace

void max_pool2d(const Pool2dShape& shape, const float* input, float* output, Parallel& parallel) {
  pool(shape, true, input, output, parallel, [](int64_t, float*) {});
}

void average_pool2d(const Pool2dShape& s, bool count_include_pad, const float* input, float* output,
                    Parallel& parallel) {
  const int64_t low_y = count_include_pad ? -s.pad_top : 0;
  const int64_t low_x = count_include_pad ? -s.pad_left : 0;
  const int64_t high_y = s.in_h + (count_include_pad ? s.pad_bottom : 0);
  const int64_t high_x = s.in_w + (count_include_pad ? s.pad_right : 0);
  pool(s, false, input, output, parallel, [&](int64_t y, float* row) {
    const int64_t tall = count_inside(y * s.stride_h - s.pad_top, 1, s.kernel_h, low_y, high_y);
    for (int64_t x = 0; x < s.out_w; ++x) {
      const int64_t wide = count_inside(x * s.stride_w - s.pad_left, 1, s.kernel_w, low_x, high_x);
      row[x] = tall * wide == 0 ? 0.0f : row[x] / static_cast<float>(tall * wide);
    }
  });
}

}  // namespace taoism::kernels
#endif
