#include "kernels/tile.h"

#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/tile.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

// Rows and vectors of the full tile: the sums, one row of B and one broadcast fill the registers.
#if HWY_TARGET == HWY_AVX3
constexpr int kRows = 8, kVectors = 3;
#elif HWY_TARGET == HWY_AVX2
constexpr int kRows = 6, kVectors = 2;
#elif HWY_TARGET == HWY_SCALAR
constexpr int kRows = 4, kVectors = 4;
#else
constexpr int kRows = 4, kVectors = 2;
#endif

template <int kR, int kV, bool kOffsets>
void tile(const TileArgs& args) {
  const Tag d;
  constexpr int64_t kLanes = HWY_LANES(float);
  Vec sum[kR][kV];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
    const Vec bias = hn::Set(d, args.row_bias ? args.row_bias[r] : 0.0f);
#pragma GCC unroll 16
    for (int v = 0; v < kV; ++v) sum[r][v] = bias;
  }
  const float* HWY_RESTRICT a = args.a;
  const float* HWY_RESTRICT b = args.b;
  const int64_t a_stride = args.a_stride != 0 ? args.a_stride : kR;
  for (int64_t k = 0; k < args.k; ++k) {
    if constexpr (kOffsets) b = args.b + args.b_offsets[k];
    Vec row[kV];
#pragma GCC unroll 16
    for (int v = 0; v < kV; ++v) row[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const Vec x = hn::Set(d, a[r]);
#pragma GCC unroll 16
      for (int v = 0; v < kV; ++v) sum[r][v] = hn::MulAdd(x, row[v], sum[r][v]);
    }
    a += a_stride;
    if constexpr (!kOffsets) b += kV * kLanes;
  }
  // At the end: the products need not wait for it.
  if (const float* start = args.start) {
    const int64_t stride = args.start_stride;
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kV; ++v) {
        sum[r][v] = hn::Add(sum[r][v], hn::LoadU(d, start + r * stride + v * kLanes));
      }
    }
  }
  if (const float* bias = args.column_bias) {
#pragma GCC unroll 16
    for (int v = 0; v < kV; ++v) {
      const Vec x = hn::LoadU(d, bias + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kR; ++r) sum[r][v] = hn::Add(sum[r][v], x);
    }
  }
  float* c = args.c;
  const int64_t stride = args.c_stride;
  const Vec low = hn::Set(d, args.low);
  const Vec high = hn::Set(d, args.high);
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kV; ++v) {
      hn::StoreU(limit(sum[r][v], low, high), d, c + r * stride + v * kLanes);
    }
  }
}

template <int kR, int kV>
constexpr void fill_one(TileSet& set) {
  if constexpr (kR <= kRows && kV <= kVectors) {
    set.function[kR][kV] = &tile<kR, kV, false>;
    set.offset_function[kR][kV] = &tile<kR, kV, true>;
  }
}

template <int kR>
constexpr void fill_row(TileSet& set) {
  fill_one<kR, 1>(set);
  fill_one<kR, 2>(set);
  fill_one<kR, 3>(set);
  fill_one<kR, 4>(set);
}

constexpr TileSet make_tile_set() {
  TileSet set{HWY_LANES(float), kRows, kVectors, {}, {}};
  fill_row<1>(set);
  fill_row<2>(set);
  fill_row<3>(set);
  fill_row<4>(set);
  fill_row<5>(set);
  fill_row<6>(set);
  fill_row<7>(set);
  fill_row<8>(set);
  return set;
}

const TileSet& get_tile_set() {
  static constexpr TileSet kSet = make_tile_set();
  return kSet;
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

const TileSet& tile_set() { return TAOISM_DISPATCH(get_tile_set)(); }

}  // namespace taoism::kernels
#endif
