// 3x3 and 5x5 convolution with stride 1 by Winograd's minimal filtering: 2.25 (3x3 in tiles of
// 2x2), 2.8 (5x5 in these) to 4 (3x3 in tiles of 4x4) times fewer multiplications than the sum has.
// Tiles of the output lie on a grid that starts at the map's first row and column. In the pixels
// form vectors run along tiles, in the channels form, for maps of few tiles, along output channels.
// Weights are packed as the same form of conv_gemm.h packs them and transformed in cache while they
// are used, so that what is stored, sealed or streamed does not grow by the factor of 1.4 to 4 that
// transformed weights take. Internal.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"
#include "kernels/conv_gemm.h"
#include "kernels/weight_tiles.h"

namespace taoism::kernels {

struct WinogradChoice {
  int64_t tile = 0;  // rows and columns of a tile, 2 or 4; 0: not this kernel
  ConvForm form = ConvForm::pixels;
};
// The fastest on the current target by its cost in operations, 0 where that is no Winograd. Like
// the packed weights independent of the batch, and the same for a band of rows as for its map.
WinogradChoice winograd_choice(const Conv2dShape& shape);
// Until it is called with null: what every shape that Winograd is for gets instead, where tile 0 is
// none. For tests and benchmarks that compare the choices.
void force_winograd_for_testing(const WinogradChoice* choice);
inline int64_t winograd_tile(const Conv2dShape& shape) { return winograd_choice(shape).tile; }

// Tiles of out channels over all of k at once.
WeightTiles winograd_weight_tiles(const Conv2dShape& shape);

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
