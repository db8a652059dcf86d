#include "kernels/conv_depthwise.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/conv_depthwise_3x3.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_depthwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <int kVectors, bool kNine>
HWY_INLINE void filter_block(const float* from, const int64_t* offsets, const float* weights,
                             int64_t taps, float bias, float* to) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  hn::Vec<decltype(d)> sum[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Set(d, bias);
  const int64_t count = kNine ? 9 : taps;
  for (int64_t t = 0; t < count; ++t) {
    const auto w = hn::Set(d, weights[t]);
    const float* tap = from + offsets[t];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = hn::MulAdd(w, hn::LoadU(d, tap + v * kLanes), sum[v]);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, to + v * kLanes);
}

// to[i] = bias + sum over taps of weights[t] * from[offsets[t] + i]; reads and writes whole
// vectors.
template <bool kNine>
HWY_INLINE void filter_taps(const float* from, const int64_t* offsets, const float* weights,
                            int64_t taps, float bias, int64_t count, float* to) {
  constexpr int64_t kLanes = HWY_LANES(float);
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    filter_block<4, kNine>(from + i, offsets, weights, taps, bias, to + i);
  }
  for (; i + kLanes < count; i += 2 * kLanes) {
    filter_block<2, kNine>(from + i, offsets, weights, taps, bias, to + i);
  }
  for (; i < count; i += kLanes) {
    filter_block<1, kNine>(from + i, offsets, weights, taps, bias, to + i);
  }
}

void filter(const float* from, const int64_t* offsets, const float* weights, int64_t taps,
            float bias, int64_t count, float* to) {
  if (taps == 9) return filter_taps<true>(from, offsets, weights, taps, bias, count, to);
  filter_taps<false>(from, offsets, weights, taps, bias, count, to);
}

void copy_row(const float* from, int64_t count, float* to) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < count) store_first(load_first(from + i, count - i), to + i, count - i);
}

// Every second element to `even`, the others to `odd`.
void split_row(const float* from, int64_t count, float* even, float* odd) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  for (; i < count; i += 2 * kLanes) {
    const int64_t rest = count - i;
    const auto low = rest >= kLanes ? hn::LoadU(d, from + i) : load_first(from + i, rest);
    auto high = hn::Zero(d);
    if (rest >= 2 * kLanes) {
      high = hn::LoadU(d, from + i + kLanes);
    } else if (rest > kLanes) {
      high = load_first(from + i + kLanes, rest - kLanes);
    }
    store_first(hn::ConcatEven(d, high, low), even + i / 2,
                (rest + 1) / 2 < kLanes ? (rest + 1) / 2 : kLanes);
    store_first(hn::ConcatOdd(d, high, low), odd + i / 2, rest / 2 < kLanes ? rest / 2 : kLanes);
  }
#else
  for (; i < count; ++i) (i % 2 == 0 ? even : odd)[i / 2] = from[i];
#endif
}

// Rows of sums, `pitch` apart, to rows of the output: residual added, limited.
void finish(const float* sums, int64_t pitch, const float* residual, const Bounds& bounds,
            int64_t rows, int64_t count, float* to) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  const auto low = hn::Set(d, bounds.low);
  const auto high = hn::Set(d, bounds.high);
  for (int64_t r = 0; r < rows; ++r, sums += pitch, to += count) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t n = count - i;
      auto y = hn::LoadU(d, sums + i);
      if (residual != nullptr) {
        const float* from = residual + r * count + i;
        y = hn::Add(y, n >= kLanes ? hn::LoadU(d, from) : load_first(from, n));
      }
      y = limit(y, low, high);
      if (n >= kLanes) {
        hn::StoreU(y, d, to + i);
      } else {
        store_first(y, to + i, n);
      }
    }
  }
}

int64_t lanes() { return HWY_LANES(float); }

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {
namespace {

// Rows filtered before they are finished and stored: their sums stay in the first-level cache.
constexpr int64_t kStretchElems = 2048;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The padded, phase-split plane: element (y, x) of the padded image is at phase (y % stride_h,
// x % stride_w), row y / stride_h, column x / stride_w.
struct Layout {
  explicit Layout(const Conv2dShape& s) {
    const int64_t padded_h = (s.out_h - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1;
    const int64_t padded_w = (s.out_w - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1;
    rows = ceil_div(padded_h, s.stride_h);
    pitch = ceil_div(padded_w, s.stride_w);
    copied_rows = std::clamp<int64_t>(padded_h - s.pad_top, 0, s.in_h);
    copied_columns = std::clamp<int64_t>(padded_w - s.pad_left, 0, s.in_w);
    taps = s.kernel_h * s.kernel_w;
    stretch_rows = std::clamp<int64_t>(kStretchElems / pitch, 1, s.out_h);
    const int64_t lanes = TAOISM_DISPATCH(lanes)();
    plane_elems = s.stride_h * s.stride_w * rows * pitch + lanes;
    sum_elems = stretch_rows * pitch + lanes;
  }
  int64_t at(const Conv2dShape& s, int64_t y, int64_t x) const {
    const int64_t phase = y % s.stride_h * s.stride_w + x % s.stride_w;
    return (phase * rows + y / s.stride_h) * pitch + x / s.stride_w;
  }
  size_t thread_bytes() const {
    return round_up(static_cast<size_t>(plane_elems) * sizeof(float), kAlignment) +
           round_up(static_cast<size_t>(sum_elems) * sizeof(float), kAlignment) +
           round_up(static_cast<size_t>(taps) * sizeof(int64_t), kAlignment);
  }

  int64_t rows, pitch, copied_rows, copied_columns, taps, stretch_rows, plane_elems, sum_elems;
};

// One thread's scratch.
struct Buffers {
  Buffers() = default;
  Buffers(const Conv2dShape& s, const Layout& layout, std::byte* at) {
    padded = reinterpret_cast<float*>(at);
    at += round_up(static_cast<size_t>(layout.plane_elems) * sizeof(float), kAlignment);
    sums = reinterpret_cast<float*>(at);
    at += round_up(static_cast<size_t>(layout.sum_elems) * sizeof(float), kAlignment);
    offsets = reinterpret_cast<int64_t*>(at);
    // Every plane overwrites the same inside, so the padding is cleared once.
    std::fill_n(padded, layout.plane_elems, 0.0f);
    for (int64_t t = 0; t < layout.taps; ++t) {
      offsets[t] = layout.at(s, t / s.kernel_w * s.dilation_h, t % s.kernel_w * s.dilation_w);
    }
  }
  float* padded = nullptr;
  float* sums = nullptr;
  int64_t* offsets = nullptr;
};

void lay_out(const Conv2dShape& s, const Layout& layout, const float* plane, float* padded) {
  for (int64_t y = 0; y < layout.copied_rows; ++y) {
    const float* from = plane + y * s.in_w;
    const auto to = [&](int64_t x) { return padded + layout.at(s, y + s.pad_top, s.pad_left + x); };
    if (s.stride_w == 1) {
      TAOISM_DISPATCH(copy_row)(from, layout.copied_columns, to(0));
    } else if (s.stride_w == 2) {
      TAOISM_DISPATCH(split_row)(from, layout.copied_columns, to(0), to(1));
    } else {
      for (int64_t x = 0; x < layout.copied_columns; ++x) *to(x) = from[x];
    }
  }
}

void run_plane(const Conv2dShape& s, const Layout& layout, const Buffers& buffers,
               const float* weights, int64_t channel, const Epilogue& epilogue, int64_t first,
               float* output) {
  const float bias = epilogue.bias != nullptr ? epilogue.bias[channel] : 0.0f;
  const Bounds bounds = bounds_of(epilogue.activation);
  for (int64_t y = 0; y < s.out_h; y += layout.stretch_rows) {
    const int64_t rows = std::min(layout.stretch_rows, s.out_h - y);
    const int64_t count = (rows - 1) * layout.pitch + s.out_w;
    TAOISM_DISPATCH(filter)
    (buffers.padded + y * layout.pitch, buffers.offsets, weights, layout.taps, bias, count,
     buffers.sums);
    const int64_t at = first + y * s.out_w;
    const float* residual = epilogue.residual != nullptr ? epilogue.residual + at : nullptr;
    TAOISM_DISPATCH(finish)
    (buffers.sums, layout.pitch, residual, bounds, rows, s.out_w, output + at);
    if (!is_clamp(epilogue.activation)) {
      activate_span(output + at, output + at, rows * s.out_w, epilogue.activation);
    }
  }
}

}  // namespace

int64_t conv_depthwise_packed_elems(const Conv2dShape& shape) {
  return shape.out_channels * shape.kernel_h * shape.kernel_w;
}

void conv_depthwise_pack(const Conv2dShape& shape, const float* weights, float* packed) {
  std::copy_n(weights, conv_depthwise_packed_elems(shape), packed);
}

size_t conv_depthwise_piece_end(const Conv2dShape& shape, size_t begin, size_t target_bytes) {
  const size_t all = static_cast<size_t>(conv_depthwise_packed_elems(shape)) * sizeof(float);
  if (begin >= all || target_bytes >= all - begin) return all;
  const size_t channel = all / static_cast<size_t>(shape.in_channels);
  return begin + std::max<size_t>(1, target_bytes / channel) * channel;
}

size_t conv_depthwise_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  if (is_depthwise_3x3(shape)) return 0;
  return threads * Layout(shape).thread_bytes();
}

void conv_depthwise(const Conv2dShape& s, int64_t begin, int64_t end, const float* input,
                    const float* packed, const Epilogue& epilogue, float* output, ByteSpan scratch,
                    Parallel& parallel) {
  const Layout layout(s);
  const bool in_place = is_depthwise_3x3(s);
  const size_t thread_bytes = in_place ? 0 : layout.thread_bytes();
  TAOISM_CHECK(scratch.size() >= parallel.threads() * thread_bytes);
  const int64_t multiplier = s.out_channels / s.in_channels;
  const int64_t first_channel = begin / (multiplier * layout.taps);
  const int64_t channels = end / (multiplier * layout.taps) - first_channel;
  const int64_t planes = s.batch * channels;
  const int64_t out_plane = s.out_h * s.out_w;
  const int64_t tasks = std::min<int64_t>(planes, static_cast<int64_t>(parallel.threads()) * 4);
  parallel_for(parallel, static_cast<size_t>(tasks), [&](size_t task, size_t thread) {
    Buffers buffers;
    if (!in_place) buffers = Buffers(s, layout, scratch.data() + thread * thread_bytes);
    const int64_t first = planes * static_cast<int64_t>(task) / tasks;
    const int64_t last = planes * static_cast<int64_t>(task + 1) / tasks;
    for (int64_t plane = first; plane < last; ++plane) {
      const int64_t image = plane / channels;
      const int64_t in_part = plane % channels;
      const int64_t in_channel = first_channel + in_part;
      const float* from = input + (image * s.in_channels + in_channel) * s.in_h * s.in_w;
      if (!in_place) lay_out(s, layout, from, buffers.padded);
      for (int64_t m = 0; m < multiplier; ++m) {
        const int64_t channel = in_channel * multiplier + m;
        const float* weights = packed + (in_part * multiplier + m) * layout.taps;
        const int64_t at = (image * s.out_channels + channel) * out_plane;
        if (in_place) {
          const float bias = epilogue.bias != nullptr ? epilogue.bias[channel] : 0.0f;
          const float* residual = epilogue.residual != nullptr ? epilogue.residual + at : nullptr;
          conv_depthwise_3x3(s, from, weights, bias, residual, epilogue.activation, output + at);
        } else {
          run_plane(s, layout, buffers, weights, channel, epilogue, at, output);
        }
      }
    }
  });
}

}  // namespace taoism::kernels
#endif
