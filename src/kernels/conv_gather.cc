#include "kernels/conv_gather.h"

#include <algorithm>

#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_gather.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kLanes = HWY_LANES(float);

// Element i of the run, one by one: any stride, any target.
HWY_INLINE void copy_scalar(const GatherRun& run, const float* plane, int64_t stride,
                            float* target) {
  for (int64_t i = 0; i < kLanes; ++i) {
    target[i] = (run.mask >> i & 1) != 0 ? plane[run.source + i * stride] : 0.0f;
  }
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
using Tag = hn::ScalableTag<float>;

// Lanes that are off are not read: their address may be outside the image.
HWY_INLINE hn::Vec<Tag> masked_load(uint32_t mask, const float* from) {
  const Tag d;
#if HWY_TARGET == HWY_AVX3
  return hn::Vec<Tag>{_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from)};
#else
  const uint8_t bits[8] = {static_cast<uint8_t>(mask)};
  return hn::MaskedLoad(hn::LoadMaskBits(d, bits), d, from);
#endif
}

HWY_INLINE void copy_run(const GatherRun& run, const float* plane, float* target) {
  const Tag d;
  if (run.full) {
    hn::StoreU(hn::LoadU(d, plane + run.source), d, target);
  } else if (run.mask == 0) {
    hn::StoreU(hn::Zero(d), d, target);
  } else {
    hn::StoreU(masked_load(run.mask, plane + run.source), d, target);
  }
}

HWY_INLINE void copy_run_stride2(const GatherRun& run, const float* plane, float* target) {
  const Tag d;
  constexpr uint32_t kHalf = kLanes == 16 ? 0xFFFFu : (1u << kLanes) - 1;
  const float* from = plane + run.source;
  const auto low = masked_load(run.wide_mask & kHalf, from);
  const auto high = masked_load(run.wide_mask >> kLanes, from + kLanes);
  hn::StoreU(hn::ConcatEven(d, high, low), d, target);
}
#else
HWY_INLINE void copy_run(const GatherRun& run, const float* plane, float* target) {
  copy_scalar(run, plane, 1, target);
}
HWY_INLINE void copy_run_stride2(const GatherRun& run, const float* plane, float* target) {
  copy_scalar(run, plane, 2, target);
}
#endif

void gather(const GatherPattern& pattern, const float* plane, int64_t plane_elems, int64_t channels,
            int64_t stride, int64_t width, float* packed) {
  for (int64_t c = 0; c < channels; ++c, plane += plane_elems) {
    for (int64_t tap = 0; tap < pattern.taps; ++tap, packed += width) {
      const GatherRun* run = pattern.runs + pattern.tap_begin[tap];
      const GatherRun* end = pattern.runs + pattern.tap_begin[tap + 1];
      if (stride == 1) {
        for (; run != end; ++run) copy_run(*run, plane, packed + run->target);
      } else if (stride == 2) {
        for (; run != end; ++run) copy_run_stride2(*run, plane, packed + run->target);
      } else {
        for (; run != end; ++run) copy_scalar(*run, plane, stride, packed + run->target);
      }
    }
  }
}

void copy_panels(const float* pixels, int64_t plane_elems, int64_t channels, int64_t tiles,
                 int64_t width, int64_t tile_elems, float* packed) {
  const hn::ScalableTag<float> d;
  for (int64_t c = 0; c < channels; ++c) {
    const float* from = pixels + c * plane_elems;
    float* to = packed + c * width;
    for (int64_t tile = 0; tile < tiles; ++tile, to += tile_elems) {
      for (int64_t i = 0; i < width; i += kLanes, from += kLanes) {
        hn::StoreU(hn::LoadU(d, from), d, to + i);
      }
    }
  }
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Bit i of the lower half to bit 2 * i.
uint32_t spread(uint32_t mask) {
  mask = (mask | mask << 8) & 0x00FF00FFu;
  mask = (mask | mask << 4) & 0x0F0F0F0Fu;
  mask = (mask | mask << 2) & 0x33333333u;
  return (mask | mask << 1) & 0x55555555u;
}

// The i for which 0 <= start + i * stride < extent, cut to [0, count).
struct Range {
  int64_t begin, end;
};
Range inside(int64_t start, int64_t stride, int64_t extent, int64_t count) {
  if (stride == 1)
    return {std::clamp<int64_t>(-start, 0, count), std::clamp<int64_t>(extent - start, 0, count)};
  const int64_t begin = start >= 0 ? 0 : ceil_div(-start, stride);
  const int64_t end = start >= extent ? 0 : ceil_div(extent - start, stride);
  return {std::min(begin, count), std::clamp<int64_t>(end, 0, count)};
}

}  // namespace

int64_t gather_run_capacity(const Conv2dShape& shape, int64_t columns, int64_t width,
                            int64_t lanes) {
  const int64_t rows = columns / shape.out_w + 2;
  const int64_t per_tap = std::min(columns, columns / lanes + rows) + ceil_div(width, lanes);
  return per_tap * shape.kernel_h * shape.kernel_w;
}

void build_gather(const Conv2dShape& s, int64_t first, int64_t columns, int64_t width,
                  int64_t lanes, GatherPattern& pattern) {
  const int64_t out_plane = s.out_h * s.out_w;
  const int64_t image_elems = s.in_channels * s.in_h * s.in_w;
  const int64_t first_image = first / out_plane;
  const int64_t first_y = first % out_plane / s.out_w;
  const int64_t first_x = first % out_plane % s.out_w;
  int32_t count = 0;
  int64_t tap = 0;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
      pattern.tap_begin[tap++] = count;
      const int64_t tap_x = kx * s.dilation_w - s.pad_left;
      const Range across = inside(tap_x, s.stride_w, s.in_w, s.out_w);
      int64_t image = first_image;
      int64_t y = first_y;
      int64_t x = first_x;
      int64_t column = 0;
      while (column < columns) {
        const int64_t length = std::min(s.out_w - x, columns - column);
        const int64_t in_y = y * s.stride_h - s.pad_top + ky * s.dilation_h;
        const int64_t in_x = x * s.stride_w + tap_x;
        Range valid{0, 0};
        if (in_y >= 0 && in_y < s.in_h) valid = {across.begin - x, across.end - x};
        for (int64_t i = 0; i < length; i += lanes) {
          const int64_t n = std::min(lanes, length - i);
          const int64_t begin = std::clamp<int64_t>(valid.begin - i, 0, n);
          const int64_t end = std::clamp<int64_t>(valid.end - i, begin, n);
          const auto mask = static_cast<uint32_t>((uint64_t{1} << end) - (uint64_t{1} << begin));
          pattern.runs[count++] = {image * image_elems + in_y * s.in_w + in_x + i * s.stride_w,
                                   mask, spread(mask), static_cast<int32_t>(column + i),
                                   end - begin == lanes};
        }
        column += length;
        x = 0;
        if (++y == s.out_h) {
          y = 0;
          ++image;
        }
      }
      for (; column < width; column += lanes) {
        pattern.runs[count++] = {0, 0, 0, static_cast<int32_t>(column), 0};
      }
    }
  }
  pattern.taps = tap;
  pattern.tap_begin[tap] = count;
}

void gather_rows(const GatherPattern& pattern, const float* plane, int64_t plane_elems,
                 int64_t channels, int64_t stride_w, int64_t width, float* packed) {
  TAOISM_DISPATCH(gather)(pattern, plane, plane_elems, channels, stride_w, width, packed);
}

void copy_pixels(const float* pixels, int64_t plane_elems, int64_t channels, int64_t tiles,
                 int64_t width, int64_t tile_elems, float* packed) {
  TAOISM_DISPATCH(copy_panels)(pixels, plane_elems, channels, tiles, width, tile_elems, packed);
}

}  // namespace taoism::kernels
#endif
