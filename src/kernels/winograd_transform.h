// The linear maps of Winograd's minimal filtering F(m x m, r x r): an output tile of m x m comes
// from alpha x alpha products, alpha = m + r - 1, as Y = A^T [(G g G^T) * (B^T d B)] A (Lavin &
// Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). There are F(2, 3), F(4, 3) and
// F(2, 5). The points are 0, +-1, infinity for alpha = 4 and 0, +-5/8, +-3/2, infinity for
// alpha = 6: with these, whose coefficients are exact in float32, rounding errors stay near those
// of a plain sum (with 0, +-1, +-2 they are five times larger). Internal.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/weight_tiles.h"

namespace taoism::kernels {

struct WinogradSize {
  int64_t m = 0;  // rows and columns of an output tile
  int64_t r = 0;  // of the filter

  int64_t alpha() const { return m + r - 1; }
  int64_t products() const { return alpha() * alpha(); }
};

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
int64_t winograd_line_elems(const WinogradSize& size, int64_t width, int64_t channels);

// Input channels `channels` of the panel's tiles -> v[alpha^2 at `pitch`][channel][width].
void winograd_input(const Conv2dShape& shape, const WinogradSize& size, const TilePanel& panel,
                    const float* input, Span channels, float* v, int64_t pitch, float* lines);

// weights [channel][r^2][rows] -> u[alpha^2 at winograd_pitch(channels * rows)][channel][rows].
void winograd_weights(const WinogradSize& size, const float* weights, int64_t channels,
                      int64_t rows, float* u);

// products [alpha^2 at `pitch`][rows][width] -> output channels [channel, channel + rows) of the
// panel's tiles, through the epilogue.
void winograd_output_from_tiles(const Conv2dShape& shape, const WinogradSize& size,
                                const TilePanel& panel, const float* products, int64_t pitch,
                                int64_t channel, int64_t rows, const Epilogue& epilogue,
                                float* output, float* lines);

// products [alpha^2 at `pitch`][tile][width], whose vectors run along output channels from
// `channel` on, of which the last may be padding -> the same.
void winograd_output_from_channels(const Conv2dShape& shape, const WinogradSize& size,
                                   const TilePanel& panel, const float* products, int64_t pitch,
                                   int64_t channel, int64_t width, const Epilogue& epilogue,
                                   float* output, float* lines);

}  // namespace taoism::kernels
