#include "kernels/conv_choice.h"

#include <algorithm>
#include <cmath>

#include "kernels/conv_stem.h"
#include "kernels/tile.h"
#include "kernels/weight_tiles.h"
#include "kernels/winograd.h"
#include "kernels/winograd_transform.h"

namespace taoism::kernels {
namespace {

// Rows of k that a matrix product multiplies in one go. Measured; see bench/.
constexpr int64_t kDepth = 600;
// A map is too small for vectors along pixels when they would be filled less than this, in
// comparison with vectors along channels.
constexpr double kFillRatio = 0.9;
// Output channels in a tile of Winograd's channels form: their transformed weights stay in the
// second-level cache.
constexpr int64_t kUnitChannels = 16;

double fill(int64_t count, int64_t lanes) {
  return static_cast<double>(count) / static_cast<double>(ceil_to(count, lanes));
}

ConvKernel matrix_product(const Conv2dShape& shape) {
  const int64_t lanes = tile_set().lanes;
  const double channels = fill(shape.out_channels / shape.groups, lanes);
  return fill(shape.out_h * shape.out_w, lanes) < kFillRatio * channels ? ConvKernel::gemm_channels
                                                                        : ConvKernel::gemm_pixels;
}

// Operations of the register tile and of what goes with it, in vectors, for one image: of the
// matrix product, and of Winograd's.
double direct_cost(const Conv2dShape& s) {
  constexpr double kReached = 0.85;  // of the limit
  return static_cast<double>(s.kernel_h * s.kernel_w * s.in_channels * s.out_channels) *
         static_cast<double>(s.out_h * s.out_w) / static_cast<double>(tile_set().lanes) / kReached;
}

double winograd_cost(const Conv2dShape& s, ConvKernel kernel) {
  const TileSet& tiles = tile_set();
  // Instructions of the transforms, by product and vector: as counted in the code, and corrected by
  // what was measured with vectors of 16 and of 8.
  const bool is_wide = tiles.lanes == 16;
  constexpr double kInput = 9, kWeights = 2;
  const double to_planes = is_wide ? 9 : 14, to_planes_from_channels = is_wide ? 20 : 14;
  const double wide_weights = is_wide ? 3 : 2;
  // Of what the transform of the pixels form calls a vector, which takes one or two tiles' rows.
  const int64_t rows_in_vector = 2 * tiles.rows == tiles.lanes ? tiles.lanes : tiles.rows;
  // The register tile when it has one vector only, and when its input comes from the third-level
  // cache; measured.
  const double narrow = kUnitChannels == tiles.lanes ? 1.05 : 1;
  constexpr double kFar = 1.25;
  const int64_t m = winograd_tile(kernel);
  const auto products = static_cast<double>(WinogradSize{m, s.kernel_h}.products());
  const auto channels = static_cast<double>(s.in_channels);
  const int64_t count = ceil_div(s.out_h, m) * ceil_div(s.out_w, m);
  const auto tile_vectors = static_cast<double>(ceil_div(count, tiles.lanes));
  const double input = kInput * channels * tile_vectors;
  const auto bytes_of_tiles = [&](double width) { return products * channels * width * 4; };
  if (is_along_channels(kernel)) {
    const auto rows = static_cast<double>(count);
    const auto outputs = static_cast<double>(ceil_div(s.out_channels, tiles.lanes));
    const double in_round =
        std::max<double>(kMaxTileColumns, std::floor(kWinogradRoundBytes / bytes_of_tiles(1)));
    const double weights = wide_weights * channels * outputs * std::ceil(rows / in_round);
    return products * (narrow * channels * outputs * rows + input +
                       to_planes_from_channels * outputs * rows + weights);
  }
  const auto outputs = static_cast<double>(s.out_channels);
  const double of_vector = bytes_of_tiles(static_cast<double>(tiles.lanes));
  const double by_panel = std::clamp(std::floor(kWinogradPanelBytes / of_vector), 1.0,
                                     static_cast<double>(tiles.vectors));
  const double weights = kWeights * channels * outputs / static_cast<double>(rows_in_vector) *
                         std::ceil(tile_vectors / by_panel);
  return products *
         ((of_vector > kWinogradPanelBytes ? kFar : 1) * channels * outputs * tile_vectors + input +
          to_planes * outputs * tile_vectors + weights);
}

ConvKernel fastest(const Conv2dShape& shape) {
  if (conv2d_applies(shape, ConvKernel::depthwise)) return ConvKernel::depthwise;
  const ConvKernel product = matrix_product(shape);
  // Too few channels to pay for packing pixels, or for Winograd's transforms.
  const int64_t k = shape.in_channels * shape.kernel_h * shape.kernel_w;
  if (product == ConvKernel::gemm_pixels && k <= kDepth &&
      conv2d_applies(shape, ConvKernel::direct)) {
    return ConvKernel::direct;
  }
  ConvKernel best = product;
  double least = direct_cost(shape);
  for (const ConvKernel kernel :
       {ConvKernel::winograd_2x2_pixels, ConvKernel::winograd_4x4_pixels,
        ConvKernel::winograd_2x2_channels, ConvKernel::winograd_4x4_channels}) {
    if (!conv2d_applies(shape, kernel)) continue;
    const double cost = winograd_cost(shape, kernel);
    if (cost >= least) continue;
    best = kernel;
    least = cost;
  }
  return best;
}

}  // namespace

ConvPacking conv2d_packing(const Conv2dShape& shape, ConvKernel kernel) {
  if (kernel == ConvKernel::none || kernel == ConvKernel::depthwise) return {kernel};
  const TileSet& tiles = tile_set();
  const int64_t taps = shape.kernel_h * shape.kernel_w;
  const int64_t group_in = shape.in_channels / shape.groups;
  if (winograd_tile(kernel) != 0) {
    const int64_t width = is_along_channels(kernel)
                              ? std::clamp(kUnitChannels, tiles.lanes, tiles.columns())
                              : tiles.rows;
    return {kernel, group_in * taps, width};
  }
  const int64_t blocks = kernel == ConvKernel::direct
                             ? 1
                             : ceil_div(group_in, std::clamp<int64_t>(kDepth / taps, 1, group_in));
  return {kernel, ceil_div(group_in, blocks) * taps,
          is_along_channels(kernel) ? tiles.columns() : tiles.rows};
}

ConvPacking choose_conv2d(const Conv2dShape& shape) {
  return conv2d_packing(shape, fastest(shape));
}

}  // namespace taoism::kernels
