// The linear maps of Winograd's minimal filtering F(m x m, 3 x 3): an output tile of m x m comes
// from alpha x alpha products, alpha = m + 2, as Y = A^T [(G g G^T) * (B^T d B)] A (Lavin & Gray,
// "Fast Algorithms for Convolutional Neural Networks", 2016). The points are 0, +-1, infinity for
// m = 2 and 0, +-5/8, +-3/2, infinity for m = 4: with these, whose coefficients are exact in
// float32, rounding errors stay near those of a plain sum (with 0, +-1, +-2 they are five times
// larger). Internal.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/weight_tiles.h"

namespace taoism::kernels {

inline constexpr int64_t kMaxWinogradAlpha = 6;

// Neighbouring tiles of one row of tiles of one image.
struct TileRun {
  int64_t image, tile_y, tile_x;
  int64_t tiles;
  int64_t at;  // of its first tile, among those of the panel
};

// Tiles that are transformed and multiplied together.
struct TilePanel {
  const TileRun* runs;
  int64_t run_count;
  int64_t width;  // tiles, or more: padded to vectors
};

// Floats between the matrices of two of the alpha^2 products that take `elems` each: apart from
// `elems`, so that they do not fall to the same lines of the cache.
inline int64_t winograd_pitch(int64_t elems) { return elems + 16; }

// Floats of line buffers that a transform of `width` tiles needs, with products of so many channels
// along vectors, or 0: along tiles.
int64_t winograd_line_elems(int64_t m, int64_t width, int64_t channels);

// Input channels `channels` of the panel's tiles -> v[alpha^2 at `pitch`][channel][width].
void winograd_input(const Conv2dShape& shape, int64_t m, const TilePanel& panel, const float* input,
                    Span channels, float* v, int64_t pitch, float* lines);

// weights [channel][9][rows] -> u[alpha^2 at winograd_pitch(channels * rows)][channel][rows].
void winograd_weights(int64_t m, const float* weights, int64_t channels, int64_t rows, float* u);

// products [alpha^2 at `pitch`][rows][width] -> output channels [channel, channel + rows) of the
// panel's tiles, through the epilogue.
void winograd_output_from_tiles(const Conv2dShape& shape, int64_t m, const TilePanel& panel,
                                const float* products, int64_t pitch, int64_t channel, int64_t rows,
                                const Epilogue& epilogue, float* output, float* lines);

// products [alpha^2 at `pitch`][tile][width], whose vectors run along output channels from
// `channel` on, of which the last may be padding -> the same.
void winograd_output_from_channels(const Conv2dShape& shape, int64_t m, const TilePanel& panel,
                                   const float* products, int64_t pitch, int64_t channel,
                                   int64_t width, const Epilogue& epilogue, float* output,
                                   float* lines);

}  // namespace taoism::kernels
