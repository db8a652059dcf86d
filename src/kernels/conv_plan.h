// How a convolution as a matrix product is cut up: where its packed weights lie, into what tasks a
// call falls and what scratch these need. Internal.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "kernels/conv2d.h"
#include "kernels/conv_gemm.h"
#include "kernels/tile.h"
#include "kernels/weight_tiles.h"

namespace taoism::kernels {

// Of every kernel but the depthwise one: as shape.packing says.
WeightTiles conv_weight_tiles(const Conv2dShape& shape);

// weights [group * out channel][k] -> packed, by tiles of out channels whose last may be padded.
void conv_weights_pack(const WeightTiles& to, int64_t group_out, const float* weights,
                       float* packed);

enum class ConvCall : uint8_t {
  whole,  // all weights
  part,   // some units of the weights, in a series of calls
};

// tasks = groups x column blocks x channel blocks; columns are output pixels of the batch.
struct ConvPlan {
  ConvPlan(const Conv2dShape& original, size_t threads, ConvCall call);

  bool along_pixels() const { return !is_along_channels(shape.packing.kernel); }
  Span column_tile(int64_t tile) const {
    if (along_pixels()) return {tile * tile_columns, std::min((tile + 1) * tile_columns, columns)};
    return even_part(columns, column_tiles, tile);
  }
  Span channel_tile(int64_t tile) const {
    return {tile * weights.tile_width, std::min((tile + 1) * weights.tile_width, group_out)};
  }
  // For units of a run of groups.
  int64_t channel_blocks(int64_t run_groups, Span units) const;

  // Of one thread, in this order: packed pixels, partial sums, gather runs, taps of the runs.
  size_t pack_bytes() const;
  size_t partial_bytes() const;
  size_t run_bytes() const;
  size_t thread_bytes() const;
  // Those of all threads, then what outlives a part call: shared partial sums, kept pixels.
  size_t shared_partial_at() const { return static_cast<size_t>(workers_) * thread_bytes(); }
  size_t kept_pixels_at() const;
  size_t scratch_bytes() const;

  Conv2dShape shape;
  bool
      reads_planes;  // 1x1, stride 1, no padding: an output pixel sees the input pixel at its place
  // The channels form of one image with few out channels: the pixels of a tile are read where they
  // lie, because packing them would cost more than it saves.
  bool packs_nothing = false;
  const TileSet& tiles;
  WeightTiles weights;
  int64_t group_in, group_out, taps, out_plane;
  int64_t columns, tile_columns, column_tiles, column_blocks;
  int64_t column_tile_elems;  // packed, from one column tile to the next
  // All packed pixels of a k block stay for the calls that bring the rest of its weights.
  bool keeps_pixels;
  // Sums that stay outside the output until they are complete; the channels form has them when k
  // has several blocks. Those of a thread start at its first column and channel, the shared ones,
  // [columns][weights.width], at those of the group.
  int64_t partial_stride, partial_elems, shared_partial_elems;

 private:
  ConvCall call_;
  int64_t workers_, whole_channel_blocks_;
  int64_t pack_elems_, kept_elems_, run_capacity_;
};

}  // namespace taoism::kernels
