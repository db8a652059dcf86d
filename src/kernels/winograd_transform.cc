#include "kernels/winograd_transform.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/conv_scatter.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_transform.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

constexpr int64_t kLanes = HWY_LANES(float);

// The finite points other than 0 for alpha = 6, +-kP and +-kQ.
constexpr float kP = 0.625f, kQ = 1.5f;
constexpr float kP2 = kP * kP, kQ2 = kQ * kQ;

// x * y + z with a constant x.
template <class V>
HWY_INLINE V axpy(float x, V y, V z) {
  return hn::MulAdd(hn::Set(hn::DFromV<V>(), x), y, z);
}

// v = B^T d.
template <int alpha>
HWY_INLINE void input_map(const Vec* d, Vec* v) {
  if constexpr (alpha == 4) {
    v[0] = hn::Sub(d[0], d[2]);
    v[1] = hn::Add(d[1], d[2]);
    v[2] = hn::Sub(d[2], d[1]);
    v[3] = hn::Sub(d[1], d[3]);
  } else {
    v[0] = axpy(kP2 * kQ2, d[0], axpy(-(kP2 + kQ2), d[2], d[4]));
    const Vec even_p = axpy(-kQ2, d[2], d[4]);
    const Vec odd_p = axpy(-kQ2, d[1], d[3]);
    v[1] = axpy(kP, odd_p, even_p);
    v[2] = axpy(-kP, odd_p, even_p);
    const Vec even_q = axpy(-kP2, d[2], d[4]);
    const Vec odd_q = axpy(-kP2, d[1], d[3]);
    v[3] = axpy(kQ, odd_q, even_q);
    v[4] = axpy(-kQ, odd_q, even_q);
    v[5] = axpy(kP2 * kQ2, d[1], axpy(-(kP2 + kQ2), d[3], d[5]));
  }
}

// u[0] and u[1] = (even + odd) / n and (even - odd) / n, where a filter's polynomial has the even
// and odd parts `even` and `odd` at the points x and -x.
template <int r, class V>
HWY_INLINE void weights_at(float x, float n, const V* g, V* u) {
  const hn::DFromV<V> d;
  V even = axpy(x * x / n, g[2], hn::Mul(hn::Set(d, 1 / n), g[0]));
  V odd = hn::Mul(hn::Set(d, x / n), g[1]);
  if constexpr (r == 5) {
    even = axpy(x * x * x * x / n, g[4], even);
    odd = axpy(x * x * x / n, g[3], odd);
  }
  u[0] = hn::Add(even, odd);
  u[1] = hn::Sub(even, odd);
}

// u = G g.
template <int m, int r, class V>
HWY_INLINE void weight_map(const V* g, V* u) {
  constexpr int kAlpha = m + r - 1;
  if constexpr (kAlpha == 4) {
    u[0] = g[0];
    weights_at<r>(1, 2, g, u + 1);
  } else {
    u[0] = hn::Mul(hn::Set(hn::DFromV<V>(), 1 / (kP2 * kQ2)), g[0]);
    weights_at<r>(kP, 2 * kP2 * (kP2 - kQ2), g, u + 1);
    weights_at<r>(kQ, 2 * kQ2 * (kQ2 - kP2), g, u + 3);
  }
  u[kAlpha - 1] = g[r - 1];
}

// y = A^T p.
template <int m, int r>
HWY_INLINE void output_map(const Vec* p, Vec* y) {
  if constexpr (m + r - 1 == 4) {
    y[0] = hn::Add(hn::Add(p[0], p[1]), p[2]);
    y[1] = hn::Sub(hn::Sub(p[1], p[2]), p[3]);
  } else {
    const Vec sum_p = hn::Add(p[1], p[2]);
    const Vec odd_p = hn::Sub(p[1], p[2]);
    const Vec sum_q = hn::Add(p[3], p[4]);
    const Vec odd_q = hn::Sub(p[3], p[4]);
    y[0] = hn::Add(p[0], hn::Add(sum_p, sum_q));
    y[1] = axpy(kQ, odd_q, hn::Mul(hn::Set(Tag(), kP), odd_p));
    if constexpr (m == 2) {
      y[1] = hn::Add(y[1], p[5]);
    } else {
      y[2] = axpy(kQ2, sum_q, hn::Mul(hn::Set(Tag(), kP2), sum_p));
      y[3] = axpy(kQ2 * kQ, odd_q, axpy(kP2 * kP, odd_p, p[5]));
    }
  }
}

// Elements [x, x + lanes) of a row of `width`; those outside are zero and not read.
HWY_INLINE Vec load_inside(const float* row, int64_t x, int64_t width) {
  const Tag d;
  if (x >= 0 && x + kLanes <= width) return hn::LoadU(d, row + x);
#if HWY_TARGET == HWY_AVX3
  const int64_t begin = std::clamp<int64_t>(-x, 0, kLanes);
  const int64_t end = std::clamp<int64_t>(width - x, begin, kLanes);
  const auto mask = static_cast<uint32_t>((uint64_t{1} << end) - (uint64_t{1} << begin));
  return Vec{_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), row + x)};
#else
  alignas(64) float lanes[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    lanes[i] = x + i >= 0 && x + i < width ? row[x + i] : 0.0f;
  }
  return hn::Load(d, lanes);
#endif
}

// Lines of the panel: for each of alpha rows, column `part * m + j` of tile t at
// at(part)[t * m + j], for as many parts of m columns as make alpha.
template <int m, int r>
struct Lines {
  static constexpr int kAlpha = m + r - 1;
  static constexpr int kParts = (kAlpha + m - 1) / m;

  Lines(float* buffer, int64_t width) : begin(buffer), pitch(width * m + 4 * kLanes) {}
  float* at(int part) const { return begin + part * kAlpha * pitch; }
  int64_t elems() const { return kParts * kAlpha * pitch; }

  float* begin;
  int64_t pitch;
};

// B^T d of the rows of one run, along whole rows. Vectors reach beyond the run into what the next
// one, or nobody, uses.
template <int m, int r>
HWY_INLINE void transform_rows(const Conv2dShape& s, const float* plane, const TileRun& run,
                               const Lines<m, r>& lines) {
  constexpr int kAlpha = m + r - 1;
  const Tag d;
  const int64_t y = run.tile_y * m - s.pad_top;
  const int64_t x = run.tile_x * m - s.pad_left;
  for (int part = 0; part < lines.kParts; ++part) {
    float* line = lines.at(part) + run.at * m;
    for (int64_t i = 0; i < run.tiles * m; i += kLanes) {
      Vec in[kAlpha];
      Vec out[kAlpha];
#pragma GCC unroll 8
      for (int row = 0; row < kAlpha; ++row) {
        in[row] = y + row >= 0 && y + row < s.in_h
                      ? load_inside(plane + (y + row) * s.in_w, x + part * m + i, s.in_w)
                      : hn::Zero(d);
      }
      input_map<kAlpha>(in, out);
#pragma GCC unroll 8
      for (int row = 0; row < kAlpha; ++row) hn::StoreU(out[row], d, line + row * lines.pitch + i);
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
HWY_INLINE void split_pairs(const float* from, Vec& even, Vec& odd) {
  const Tag d;
  const Vec low = hn::LoadU(d, from);
  const Vec high = hn::LoadU(d, from + kLanes);
  even = hn::ConcatEven(d, high, low);
  odd = hn::ConcatOdd(d, high, low);
}
#endif

// Columns [0, m) of as many tiles as a vector has lanes, tile t's from line[t * m] on; when fewer
// are wanted, these alone.
template <int m, int wanted = m>
HWY_INLINE void split_columns(const float* line, Vec* d) {
#if HWY_TARGET == HWY_SCALAR
  for (int j = 0; j < wanted; ++j) d[j] = hn::LoadU(Tag(), line + j);
#else
  const Tag tag;
  if constexpr (m == 2) {
    split_pairs(line, d[0], d[1]);
  } else {
    Vec even[2];
    Vec odd[2];
    for (int i = 0; i < 2; ++i) split_pairs(line + i * 2 * kLanes, even[i], odd[i]);
    d[0] = hn::ConcatEven(tag, even[1], even[0]);
    d[1] = hn::ConcatEven(tag, odd[1], odd[0]);
    if constexpr (wanted == 4) {
      d[2] = hn::ConcatOdd(tag, even[1], even[0]);
      d[3] = hn::ConcatOdd(tag, odd[1], odd[0]);
    }
  }
#endif
}

// The elements that belong to the `count` from here on.
HWY_INLINE void store_upto(Vec v, float* to, int64_t count) {
  if (count >= kLanes) {
    hn::StoreU(v, Tag(), to);
  } else {
    store_first(v, to, count);
  }
}

template <int m, int r>
void transform_input(const Conv2dShape& s, const TilePanel& panel, const float* input,
                     Span channels, float* v, int64_t pitch, float* line_buffer) {
  const Lines<m, r> lines(line_buffer, panel.width);
  constexpr int kAlpha = lines.kAlpha;
  constexpr int kLast = lines.kParts - 1;
  std::fill_n(line_buffer, lines.elems(), 0.0f);
  const int64_t plane = s.in_h * s.in_w;
  for (int64_t c = channels.begin; c < channels.end; ++c) {
    for (int64_t i = 0; i < panel.run_count; ++i) {
      const TileRun& run = panel.runs[i];
      transform_rows(s, input + (run.image * s.in_channels + c) * plane, run, lines);
    }
    float* to = v + c * panel.width;
    for (int64_t t = 0; t < panel.width; t += kLanes) {
#pragma GCC unroll 8
      for (int row = 0; row < kAlpha; ++row) {
        Vec in[kAlpha];
        Vec out[kAlpha];
        const int64_t at = row * lines.pitch + t * m;
        for (int part = 0; part < kLast; ++part)
          split_columns<m>(lines.at(part) + at, in + part * m);
        split_columns<m, kAlpha - kLast * m>(lines.at(kLast) + at, in + kLast * m);
        input_map<kAlpha>(in, out);
#pragma GCC unroll 8
        for (int j = 0; j < kAlpha; ++j) {
          store_upto(out[j], to + (row * kAlpha + j) * pitch + t, panel.width - t);
        }
      }
    }
  }
}

// One vector of filters, whichever channels and rows its lanes stand for.
template <int m, int r, class V>
HWY_INLINE void transform_filters(const V* g, float* u, int64_t pitch) {
  constexpr int kAlpha = m + r - 1;
  const hn::DFromV<V> d;
  V half[r][kAlpha];  // G g, by column of g
#pragma GCC unroll 8
  for (int j = 0; j < r; ++j) {
    V column[r];
#pragma GCC unroll 8
    for (int i = 0; i < r; ++i) column[i] = g[i * r + j];
    weight_map<m, r>(column, half[j]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kAlpha; ++i) {
    V row[r];
#pragma GCC unroll 8
    for (int j = 0; j < r; ++j) row[j] = half[j][i];
    V out[kAlpha];
    weight_map<m, r>(row, out);
#pragma GCC unroll 8
    for (int j = 0; j < kAlpha; ++j) hn::StoreU(out[j], d, u + (i * kAlpha + j) * pitch);
  }
}

template <int m, int r>
void transform_weights(const float* weights, int64_t channels, int64_t rows, float* u) {
  constexpr int64_t kTaps = r * r;
  const int64_t pitch = winograd_pitch(channels * rows);
  int64_t c = 0;
  if (rows % kLanes == 0) {
    // So many stores hide from the processor that these reads are in order.
    constexpr int64_t kAhead = 1024;
    for (; c < channels; ++c) {
      for (int64_t row = 0; row < rows; row += kLanes) {
        Vec g[kTaps];
#pragma GCC unroll 25
        for (int64_t tap = 0; tap < kTaps; ++tap) {
          g[tap] = hn::LoadU(Tag(), weights + (c * kTaps + tap) * rows + row);
          __builtin_prefetch(weights + (c * kTaps + tap) * rows + row + kAhead, 0, 2);
        }
        transform_filters<m, r>(g, u + c * rows + row, pitch);
      }
    }
  }
#if HWY_TARGET == HWY_AVX3
  // Two channels of a full tile are one vector.
  if (rows == kLanes / 2) {
    const Tag d;
    const hn::Half<Tag> half;
    for (; c + 2 <= channels; c += 2) {
      Vec g[kTaps];
#pragma GCC unroll 25
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const float* from = weights + (c * kTaps + tap) * rows;
        g[tap] = hn::Combine(d, hn::LoadU(half, from + kTaps * rows), hn::LoadU(half, from));
      }
      transform_filters<m, r>(g, u + c * rows, pitch);
    }
  }
#endif
  // A vector may reach into the next channel, which comes later, or into the room between matrices.
  const hn::CappedTag<float, 8> d;
  constexpr auto kStep = static_cast<int64_t>(hn::MaxLanes(d));
  for (; c < channels; ++c) {
    for (int64_t row = 0; row < rows; row += kStep) {
      hn::Vec<decltype(d)> g[kTaps];
#pragma GCC unroll 25
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const float* from = weights + (c * kTaps + tap) * rows + row;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
        const auto count = static_cast<size_t>(std::min(rows - row, kStep));
        g[tap] = hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else
        alignas(64) float lanes[kStep] = {};
        std::copy_n(from, std::min(rows - row, kStep), lanes);
        g[tap] = hn::Load(d, lanes);
#endif
      }
      transform_filters<m, r>(g, u + c * rows + row, pitch);
    }
  }
}

// out[i] = limited(line[i] + bias + residual[i]).
HWY_INLINE void store_line(const float* line, int64_t count, Vec bias, const float* residual,
                           Vec low, Vec high, float* out) {
  const Tag d;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Vec y = hn::Add(hn::LoadU(d, line + i), bias);
    if (residual != nullptr) y = hn::Add(y, hn::LoadU(d, residual + i));
    hn::StoreU(limit(y, low, high), d, out + i);
  }
  if (i == count) return;
  Vec y = hn::Add(hn::LoadU(d, line + i), bias);
  if (residual != nullptr) y = hn::Add(y, load_first(residual + i, count - i));
  store_first(limit(y, low, high), out + i, count - i);
}

// Y = A^T P A of as many tiles or channels as a vector has lanes; product i from at[i * pitch].
template <int m, int r, class Store>
HWY_INLINE void transform_products(const float* at, int64_t pitch, Store&& store) {
  constexpr int kAlpha = m + r - 1;
  Vec half[m][kAlpha];  // A^T P, by column of P
#pragma GCC unroll 8
  for (int j = 0; j < kAlpha; ++j) {
    Vec column[kAlpha];
    Vec y[m];
#pragma GCC unroll 8
    for (int i = 0; i < kAlpha; ++i) column[i] = hn::LoadU(Tag(), at + (i * kAlpha + j) * pitch);
    output_map<m, r>(column, y);
#pragma GCC unroll 8
    for (int i = 0; i < m; ++i) half[i][j] = y[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < m; ++i) {
    Vec y[m];
    output_map<m, r>(half[i], y);
    store(i, y);
  }
}

template <int m, int r>
void transform_output(const Conv2dShape& s, const TilePanel& panel, const float* products,
                      int64_t pitch, int64_t channel, int64_t rows, const Epilogue& epilogue,
                      float* output, float* lines) {
  const Tag d;
  const int64_t line_pitch = panel.width * m + kLanes;
  const int64_t plane = s.out_h * s.out_w;
  const Bounds bounds = bounds_of(epilogue.activation);
  const Vec low = hn::Set(d, bounds.low);
  const Vec high = hn::Set(d, bounds.high);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t t = 0; t < panel.width; t += kLanes) {
      transform_products<m, r>(products + row * panel.width + t, pitch,
                               [&](int i, Vec* y) HWY_ATTR {
                                 float* to = lines + i * line_pitch + t * m;
                                 if constexpr (m == 2) {
                                   hn::StoreInterleaved2(y[0], y[1], d, to);
                                 } else {
                                   hn::StoreInterleaved4(y[0], y[1], y[2], y[3], d, to);
                                 }
                               });
    }
    const int64_t c = channel + row;
    const Vec bias = hn::Set(d, epilogue.bias != nullptr ? epilogue.bias[c] : 0.0f);
    for (int64_t k = 0; k < panel.run_count; ++k) {
      const TileRun& run = panel.runs[k];
      const int64_t x = run.tile_x * m;
      const int64_t count = std::min(run.tiles * m, s.out_w - x);
      for (int64_t i = 0; i < m && run.tile_y * m + i < s.out_h; ++i) {
        const int64_t at =
            (run.image * s.out_channels + c) * plane + (run.tile_y * m + i) * s.out_w + x;
        const float* residual = epilogue.residual != nullptr ? epilogue.residual + at : nullptr;
        store_line(lines + i * line_pitch + run.at * m, count, bias, residual, low, high,
                   output + at);
        if (!is_clamp(epilogue.activation)) {
          activate_span(output + at, output + at, count, epilogue.activation);
        }
      }
    }
  }
}

// `sums`: the pixels of one run with their channels side by side.
template <int m, int r>
void transform_channels(const Conv2dShape& s, const TilePanel& panel, const float* products,
                        int64_t pitch, int64_t channel, int64_t width, const Epilogue& epilogue,
                        float* output, float* sums) {
  const int64_t plane = s.out_h * s.out_w;
  const int64_t channels = std::min(width, s.out_channels - channel);
  for (int64_t k = 0; k < panel.run_count; ++k) {
    const TileRun& run = panel.runs[k];
    const int64_t x = run.tile_x * m;
    const int64_t columns = std::min(run.tiles * m, s.out_w - x);
    const int64_t rows = std::min<int64_t>(m, s.out_h - run.tile_y * m);
    for (int64_t t = 0; t < run.tiles; ++t) {
      const int64_t count = std::min<int64_t>(m, columns - t * m);
      for (int64_t v = 0; v < width; v += kLanes) {
        transform_products<m, r>(products + (run.at + t) * width + v, pitch,
                                 [&](int i, Vec* y) HWY_ATTR {
                                   float* to = sums + (i * columns + t * m) * width + v;
#pragma GCC unroll 4
                                   for (int j = 0; j < m; ++j) {
                                     if (j < count) hn::StoreU(y[j], Tag(), to + j * width);
                                   }
                                 });
      }
    }
    // Rows that are as wide as the map adjoin in it.
    const int64_t joined = columns == s.out_w ? rows : 1;
    for (int64_t i = 0; i < rows; i += joined) {
      const int64_t first =
          (run.image * s.out_channels + channel) * plane + (run.tile_y * m + i) * s.out_w + x;
      scatter_channels({sums + i * columns * width, width, joined * columns, channels,
                        epilogue.bias != nullptr ? epilogue.bias + channel : nullptr,
                        epilogue.residual != nullptr ? epilogue.residual + first : nullptr,
                        bounds_of(epilogue.activation), output + first, plane});
      if (is_clamp(epilogue.activation)) continue;
      for (int64_t c = 0; c < channels; ++c) {
        float* row = output + first + c * plane;
        activate_span(row, row, joined * columns, epilogue.activation);
      }
    }
  }
}

// Calls one of the functions of the sizes that there are.
#define TAOISM_BY_SIZE(FUNCTION) \
  (size.r == 5 ? FUNCTION<2, 5> : size.m == 2 ? FUNCTION<2, 3> : FUNCTION<4, 3>)

void input_by_size(const Conv2dShape& s, const WinogradSize& size, const TilePanel& panel,
                   const float* input, Span channels, float* v, int64_t pitch, float* lines) {
  TAOISM_BY_SIZE(transform_input)(s, panel, input, channels, v, pitch, lines);
}

void weights_by_size(const WinogradSize& size, const float* weights, int64_t channels, int64_t rows,
                     float* u) {
  TAOISM_BY_SIZE(transform_weights)(weights, channels, rows, u);
}

void output_by_size(const Conv2dShape& s, const WinogradSize& size, const TilePanel& panel,
                    const float* products, int64_t pitch, int64_t channel, int64_t rows,
                    const Epilogue& epilogue, float* output, float* lines) {
  TAOISM_BY_SIZE(transform_output)
  (s, panel, products, pitch, channel, rows, epilogue, output, lines);
}

void channels_by_size(const Conv2dShape& s, const WinogradSize& size, const TilePanel& panel,
                      const float* products, int64_t pitch, int64_t channel, int64_t width,
                      const Epilogue& epilogue, float* output, float* lines) {
  TAOISM_BY_SIZE(transform_channels)
  (s, panel, products, pitch, channel, width, epilogue, output, lines);
}

#undef TAOISM_BY_SIZE

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

int64_t winograd_line_elems(const WinogradSize& size, int64_t width, int64_t channels) {
  constexpr int64_t kMostLanes = 16;
  const int64_t m = size.m;
  const int64_t lines = ceil_div(size.alpha(), m) * size.alpha();
  return std::max(lines * (width * m + 4 * kMostLanes), m * m * width * channels);
}

void winograd_input(const Conv2dShape& shape, const WinogradSize& size, const TilePanel& panel,
                    const float* input, Span channels, float* v, int64_t pitch, float* lines) {
  TAOISM_DISPATCH(input_by_size)(shape, size, panel, input, channels, v, pitch, lines);
}

void winograd_weights(const WinogradSize& size, const float* weights, int64_t channels,
                      int64_t rows, float* u) {
  TAOISM_DISPATCH(weights_by_size)(size, weights, channels, rows, u);
}

void winograd_output_from_tiles(const Conv2dShape& shape, const WinogradSize& size,
                                const TilePanel& panel, const float* products, int64_t pitch,
                                int64_t channel, int64_t rows, const Epilogue& epilogue,
                                float* output, float* lines) {
  TAOISM_DISPATCH(output_by_size)
  (shape, size, panel, products, pitch, channel, rows, epilogue, output, lines);
}

void winograd_output_from_channels(const Conv2dShape& shape, const WinogradSize& size,
                                   const TilePanel& panel, const float* products, int64_t pitch,
                                   int64_t channel, int64_t width, const Epilogue& epilogue,
                                   float* output, float* lines) {
  TAOISM_DISPATCH(channels_by_size)
  (shape, size, panel, products, pitch, channel, width, epilogue, output, lines);
}

}  // namespace taoism::kernels
#endif
