// 3x3 and 5x5 convolution with stride 1 by Winograd's minimal filtering: 2.25 (3x3 in tiles of
// 2x2), 2.8 (5x5 in these) to 4 (3x3 in tiles of 4x4) times fewer multiplications than the sum has.
// Tiles of the output lie on a grid that starts at the map's first row and column. In the pixels
// form vectors run along tiles, in the channels form, for maps of few tiles, along output channels.
// Weights are packed as the same form of conv_gemm.h packs them, in one block of k, and transformed
// in cache while they are used, so that what is stored, sealed or streamed does not grow by the
// factor of 1.4 to 4 that transformed weights take. Internal.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"
#include "kernels/conv_gemm.h"

namespace taoism::kernels {

// Rows and columns of a tile of the output, 2 or 4; 0 of other kernels.
constexpr int64_t winograd_tile(ConvKernel kernel) {
  switch (kernel) {
    case ConvKernel::winograd_2x2_pixels:
    case ConvKernel::winograd_2x2_channels: return 2;
    case ConvKernel::winograd_4x4_pixels:
    case ConvKernel::winograd_4x4_channels: return 4;
    default: return 0;
  }
}
// Whether tiles of that size compute the shape.
bool winograd_applies(const Conv2dShape& shape, int64_t tile);

// Bytes of a panel's transformed input, which every tile of weights reads again: what the
// second-level cache holds.
inline constexpr int64_t kWinogradPanelBytes = 640 * 1024;
// Bytes of the transformed input of a round, panels that all threads share.
inline constexpr int64_t kWinogradRoundBytes = 1280 * 1024;

enum class WinogradCall : uint8_t {
  whole,  // all weights
  part,   // some tiles of the weights, in a series of calls
};

// The scratch that a call can use, and the least that it needs.
size_t winograd_scratch_bytes(const Conv2dShape& shape, size_t threads, WinogradCall call);
size_t winograd_least_scratch_bytes(const Conv2dShape& shape, size_t threads);
// For elements [begin, end) of the packed weights, both of them cuts, that lie at `packed`.
void winograd(const Conv2dShape& shape, WinogradCall call, int64_t begin, int64_t end,
              const float* input, const float* packed, const Epilogue& epilogue, float* output,
              ByteSpan scratch, Parallel& parallel);

}  // namespace taoism::kernels
