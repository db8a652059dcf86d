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

// The finite points other than 0 of F(4x4, 3x3), +-kP and +-kQ.
constexpr float kP = 0.625f, kQ = 1.5f;
constexpr float kP2 = kP * kP, kQ2 = kQ * kQ;

// x * y + z with a constant x.
template <class V>
HWY_INLINE V axpy(float x, V y, V z) {
  return hn::MulAdd(hn::Set(hn::DFromV<V>(), x), y, z);
}

// v = B^T d.
template <int m>
HWY_INLINE void input_map(const Vec* d, Vec* v) {
  if constexpr (m == 2) {
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

// u = G g.
template <int m, class V>
HWY_INLINE void weight_map(const V* g, V* u) {
  const hn::DFromV<V> d;
  if constexpr (m == 2) {
    const V half = hn::Set(d, 0.5f);
    const V even = hn::Mul(half, hn::Add(g[0], g[2]));
    u[0] = g[0];
    u[1] = axpy(0.5f, g[1], even);
    u[2] = axpy(-0.5f, g[1], even);
    u[3] = g[2];
  } else {
    constexpr float kOverP = 1 / (2 * kP2 * (kP2 - kQ2)), kOverQ = 1 / (2 * kQ2 * (kQ2 - kP2));
    u[0] = hn::Mul(hn::Set(d, 1 / (kP2 * kQ2)), g[0]);
    const V even_p = axpy(kP2 * kOverP, g[2], hn::Mul(hn::Set(d, kOverP), g[0]));
    u[1] = axpy(kP * kOverP, g[1], even_p);
    u[2] = axpy(-kP * kOverP, g[1], even_p);
    const V even_q = axpy(kQ2 * kOverQ, g[2], hn::Mul(hn::Set(d, kOverQ), g[0]));
    u[3] = axpy(kQ * kOverQ, g[1], even_q);
    u[4] = axpy(-kQ * kOverQ, g[1], even_q);
    u[5] = g[2];
  }
}

// y = A^T p.
template <int m>
HWY_INLINE void output_map(const Vec* p, Vec* y) {
  if constexpr (m == 2) {
    y[0] = hn::Add(hn::Add(p[0], p[1]), p[2]);
    y[1] = hn::Sub(hn::Sub(p[1], p[2]), p[3]);
  } else {
    const Vec sum_p = hn::Add(p[1], p[2]);
    const Vec odd_p = hn::Sub(p[1], p[2]);
    const Vec sum_q = hn::Add(p[3], p[4]);
    const Vec odd_q = hn::Sub(p[3], p[4]);
    y[0] = hn::Add(p[0], hn::Add(sum_p, sum_q));
    y[1] = axpy(kQ, odd_q, hn::Mul(hn::Set(Tag(), kP), odd_p));
    y[2] = axpy(kQ2, sum_q, hn::Mul(hn::Set(Tag(), kP2), sum_p));
    y[3] = axpy(kQ2 * kQ, odd_q, axpy(kP2 * kP, odd_p, p[5]));
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

// Lines of the panel: for each of alpha rows, tile t's columns [0, m) at near[t * m], and its
// columns [m, 2 m) at far[t * m], of which the first two are used.
struct Lines {
  Lines(float* at, int64_t m, int64_t width)
      : near(at), pitch(width * m + 4 * kLanes), far(at + (m + 2) * pitch) {}
  float* near;
  int64_t pitch;
  float* far;
};

// B^T d of the rows of one run, along whole rows. Vectors reach beyond the run into what the next
// one, or nobody, uses.
template <int m>
HWY_INLINE void transform_rows(const Conv2dShape& s, const float* plane, const TileRun& run,
                               const Lines& lines) {
  constexpr int kAlpha = m + 2;
  const Tag d;
  const int64_t y = run.tile_y * m - s.pad_top;
  const int64_t x = run.tile_x * m - s.pad_left;
  for (int part = 0; part < 2; ++part) {
    float* line = (part == 0 ? lines.near : lines.far) + run.at * m;
    for (int64_t i = 0; i < run.tiles * m; i += kLanes) {
      Vec in[kAlpha];
      Vec out[kAlpha];
#pragma GCC unroll 8
      for (int r = 0; r < kAlpha; ++r) {
        in[r] = y + r >= 0 && y + r < s.in_h
                    ? load_inside(plane + (y + r) * s.in_w, x + part * m + i, s.in_w)
                    : hn::Zero(d);
      }
      input_map<m>(in, out);
#pragma GCC unroll 8
      for (int r = 0; r < kAlpha; ++r) hn::StoreU(out[r], d, line + r * lines.pitch + i);
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

// Columns of as many tiles as a vector has lanes: column j of tile t from near[t * m + j], or
// far[t * m + j - m].
template <int m>
HWY_INLINE void split_columns(const float* near, const float* far, Vec* d) {
#if HWY_TARGET == HWY_SCALAR
  const Tag tag;
  for (int j = 0; j < m; ++j) d[j] = hn::LoadU(tag, near + j);
  for (int j = 0; j < 2; ++j) d[m + j] = hn::LoadU(tag, far + j);
#else
  const Tag tag;
  if constexpr (m == 2) {
    split_pairs(near, d[0], d[1]);
    split_pairs(far, d[2], d[3]);
  } else {
    Vec even[2];
    Vec odd[2];
    for (int i = 0; i < 2; ++i) split_pairs(near + i * 2 * kLanes, even[i], odd[i]);
    d[0] = hn::ConcatEven(tag, even[1], even[0]);
    d[1] = hn::ConcatEven(tag, odd[1], odd[0]);
    d[2] = hn::ConcatOdd(tag, even[1], even[0]);
    d[3] = hn::ConcatOdd(tag, odd[1], odd[0]);
    for (int i = 0; i < 2; ++i) split_pairs(far + i * 2 * kLanes, even[i], odd[i]);
    d[4] = hn::ConcatEven(tag, even[1], even[0]);
    d[5] = hn::ConcatEven(tag, odd[1], odd[0]);
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

template <int m>
void transform_input(const Conv2dShape& s, const TilePanel& panel, const float* input,
                     Span channels, float* v, int64_t pitch, float* line_buffer) {
  constexpr int kAlpha = m + 2;
  const Lines lines(line_buffer, m, panel.width);
  std::fill_n(line_buffer, 2 * kAlpha * lines.pitch, 0.0f);
  const int64_t plane = s.in_h * s.in_w;
  for (int64_t c = channels.begin; c < channels.end; ++c) {
    for (int64_t r = 0; r < panel.run_count; ++r) {
      const TileRun& run = panel.runs[r];
      transform_rows<m>(s, input + (run.image * s.in_channels + c) * plane, run, lines);
    }
    float* to = v + c * panel.width;
    for (int64_t t = 0; t < panel.width; t += kLanes) {
#pragma GCC unroll 8
      for (int r = 0; r < kAlpha; ++r) {
        Vec in[kAlpha];
        Vec out[kAlpha];
        const int64_t at = r * lines.pitch + t * m;
        split_columns<m>(lines.near + at, lines.far + at, in);
        input_map<m>(in, out);
#pragma GCC unroll 8
        for (int j = 0; j < kAlpha; ++j) {
          store_upto(out[j], to + (r * kAlpha + j) * pitch + t, panel.width - t);
        }
      }
    }
  }
}

// One vector of filters, whichever channels and rows its lanes stand for.
template <int m, class V>
HWY_INLINE void transform_filters(const V* g, float* u, int64_t pitch) {
  constexpr int kAlpha = m + 2;
  const hn::DFromV<V> d;
  V half[3][kAlpha];  // G g, by column of g
#pragma GCC unroll 4
  for (int j = 0; j < 3; ++j) {
    const V column[3] = {g[j], g[3 + j], g[6 + j]};
    weight_map<m>(column, half[j]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kAlpha; ++i) {
    const V row[3] = {half[0][i], half[1][i], half[2][i]};
    V out[kAlpha];
    weight_map<m>(row, out);
#pragma GCC unroll 8
    for (int j = 0; j < kAlpha; ++j) hn::StoreU(out[j], d, u + (i * kAlpha + j) * pitch);
  }
}

template <int m>
void transform_weights(const float* weights, int64_t channels, int64_t rows, float* u) {
  constexpr int64_t kTaps = 9;
  const int64_t pitch = winograd_pitch(channels * rows);
  int64_t c = 0;
  if (rows % kLanes == 0) {
    // So many stores hide from the processor that these reads are in order.
    constexpr int64_t kAhead = 1024;
    for (; c < channels; ++c) {
      for (int64_t r = 0; r < rows; r += kLanes) {
        Vec g[kTaps];
#pragma GCC unroll 9
        for (int64_t tap = 0; tap < kTaps; ++tap) {
          g[tap] = hn::LoadU(Tag(), weights + (c * kTaps + tap) * rows + r);
          __builtin_prefetch(weights + (c * kTaps + tap) * rows + r + kAhead, 0, 2);
        }
        transform_filters<m>(g, u + c * rows + r, pitch);
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
#pragma GCC unroll 9
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const float* from = weights + (c * kTaps + tap) * rows;
        g[tap] = hn::Combine(d, hn::LoadU(half, from + kTaps * rows), hn::LoadU(half, from));
      }
      transform_filters<m>(g, u + c * rows, pitch);
    }
  }
#endif
  // A vector may reach into the next channel, which comes later, or into the room between matrices.
  const hn::CappedTag<float, 8> d;
  constexpr auto kStep = static_cast<int64_t>(hn::MaxLanes(d));
  for (; c < channels; ++c) {
    for (int64_t r = 0; r < rows; r += kStep) {
      hn::Vec<decltype(d)> g[kTaps];
#pragma GCC unroll 9
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const float* from = weights + (c * kTaps + tap) * rows + r;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
        const auto count = static_cast<size_t>(std::min(rows - r, kStep));
        g[tap] = hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else
        alignas(64) float lanes[kStep] = {};
        std::copy_n(from, std::min(rows - r, kStep), lanes);
        g[tap] = hn::Load(d, lanes);
#endif
      }
      transform_filters<m>(g, u + c * rows + r, pitch);
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
template <int m, class Store>
HWY_INLINE void transform_products(const float* at, int64_t pitch, Store&& store) {
  constexpr int kAlpha = m + 2;
  Vec half[m][kAlpha];  // A^T P, by column of P
#pragma GCC unroll 8
  for (int j = 0; j < kAlpha; ++j) {
    Vec column[kAlpha];
    Vec y[m];
#pragma GCC unroll 8
    for (int i = 0; i < kAlpha; ++i) column[i] = hn::LoadU(Tag(), at + (i * kAlpha + j) * pitch);
    output_map<m>(column, y);
#pragma GCC unroll 8
    for (int i = 0; i < m; ++i) half[i][j] = y[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < m; ++i) {
    Vec y[m];
    output_map<m>(half[i], y);
    store(i, y);
  }
}

template <int m>
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
      transform_products<m>(products + row * panel.width + t, pitch, [&](int i, Vec* y) HWY_ATTR {
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
    for (int64_t r = 0; r < panel.run_count; ++r) {
      const TileRun& run = panel.runs[r];
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
template <int m>
void transform_channels(const Conv2dShape& s, const TilePanel& panel, const float* products,
                        int64_t pitch, int64_t channel, int64_t width, const Epilogue& epilogue,
                        float* output, float* sums) {
  const int64_t plane = s.out_h * s.out_w;
  const int64_t channels = std::min(width, s.out_channels - channel);
  for (int64_t r = 0; r < panel.run_count; ++r) {
    const TileRun& run = panel.runs[r];
    const int64_t x = run.tile_x * m;
    const int64_t columns = std::min(run.tiles * m, s.out_w - x);
    const int64_t rows = std::min<int64_t>(m, s.out_h - run.tile_y * m);
    for (int64_t t = 0; t < run.tiles; ++t) {
      const int64_t count = std::min<int64_t>(m, columns - t * m);
      for (int64_t v = 0; v < width; v += kLanes) {
        transform_products<m>(products + (run.at + t) * width + v, pitch,
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

void input_by_size(const Conv2dShape& s, int64_t m, const TilePanel& panel, const float* input,
                   Span channels, float* v, int64_t pitch, float* lines) {
  (m == 2 ? transform_input<2> : transform_input<4>)(s, panel, input, channels, v, pitch, lines);
}

void weights_by_size(int64_t m, const float* weights, int64_t channels, int64_t rows, float* u) {
  (m == 2 ? transform_weights<2> : transform_weights<4>)(weights, channels, rows, u);
}

void output_by_size(const Conv2dShape& s, int64_t m, const TilePanel& panel, const float* products,
                    int64_t pitch, int64_t channel, int64_t rows, const Epilogue& epilogue,
                    float* output, float* lines) {
  (m == 2 ? transform_output<2> : transform_output<4>)(s, panel, products, pitch, channel, rows,
                                                       epilogue, output, lines);
}

void channels_by_size(const Conv2dShape& s, int64_t m, const TilePanel& panel,
                      const float* products, int64_t pitch, int64_t channel, int64_t width,
                      const Epilogue& epilogue, float* output, float* lines) {
  (m == 2 ? transform_channels<2> : transform_channels<4>)(s, panel, products, pitch, channel,
                                                           width, epilogue, output, lines);
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

int64_t winograd_line_elems(int64_t m, int64_t width, int64_t channels) {
  constexpr int64_t kMostLanes = 16;
  return std::max(2 * (m + 2) * (width * m + 4 * kMostLanes), m * m * width * channels);
}

void winograd_input(const Conv2dShape& shape, int64_t m, const TilePanel& panel, const float* input,
                    Span channels, float* v, int64_t pitch, float* lines) {
  TAOISM_DISPATCH(input_by_size)(shape, m, panel, input, channels, v, pitch, lines);
}

void winograd_weights(int64_t m, const float* weights, int64_t channels, int64_t rows, float* u) {
  TAOISM_DISPATCH(weights_by_size)(m, weights, channels, rows, u);
}

void winograd_output_from_tiles(const Conv2dShape& shape, int64_t m, const TilePanel& panel,
                                const float* products, int64_t pitch, int64_t channel, int64_t rows,
                                const Epilogue& epilogue, float* output, float* lines) {
  TAOISM_DISPATCH(output_by_size)
  (shape, m, panel, products, pitch, channel, rows, epilogue, output, lines);
}

void winograd_output_from_channels(const Conv2dShape& shape, int64_t m, const TilePanel& panel,
                                   const float* products, int64_t pitch, int64_t channel,
                                   int64_t width, const Epilogue& epilogue, float* output,
                                   float* lines) {
  TAOISM_DISPATCH(channels_by_size)
  (shape, m, panel, products, pitch, channel, width, epilogue, output, lines);
}

}  // namespace taoism::kernels
#endif
