#include "kernels/conv_plan.h"

#include <algorithm>

#include "kernels/conv_gather.h"

namespace taoism::kernels {
namespace {

// Bytes of packed pixels that a task keeps in the second-level cache beside the weights that stream
// through it. Measured; see bench/.
constexpr int64_t kBlockBytes = 384 * 1024;
// Packed pixels that part calls keep: packing again costs as much as some 8 output channels.
constexpr int64_t kKeptBytes = 1024 * 1024;
// Tiles of out channels up to which packing pixels costs more than reading them in their planes;
// measured on maps of 7x7: 10 % faster with 4 tiles, equal with 7, 10 % slower with 43.
constexpr int64_t kFewTiles = 5;
// Tasks for each thread of a part call: enough to even out what else the threads have to do.
constexpr int64_t kPartTasks = 3;

bool is_pointwise(const Conv2dShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 &&
         s.pad_top == 0 && s.pad_left == 0 && s.in_h == s.out_h && s.in_w == s.out_w;
}

// A plane that is read as it lies is one long row.
Conv2dShape normalised(Conv2dShape s) {
  if (is_pointwise(s)) {
    s.in_w = s.out_w = s.in_h * s.in_w;
    s.in_h = s.out_h = 1;
  }
  return s;
}

int64_t bytes_of(int64_t elems) { return elems * static_cast<int64_t>(sizeof(float)); }
size_t padded_bytes(int64_t count, size_t each) {
  return round_up(static_cast<size_t>(count) * each, kAlignment);
}

}  // namespace

WeightTiles conv_weight_tiles(const Conv2dShape& shape) {
  const int64_t group_out = shape.out_channels / shape.groups;
  const int64_t k = shape.in_channels / shape.groups * shape.kernel_h * shape.kernel_w;
  const int64_t width =
      is_along_channels(shape.packing.kernel) ? ceil_to(group_out, tile_set().lanes) : group_out;
  return {shape.groups, k, shape.packing.block_depth, width, shape.packing.tile_width};
}

void conv_weights_pack(const WeightTiles& to, int64_t group_out, const float* weights,
                       float* packed) {
  for (int64_t unit = 0; unit < to.units(); ++unit) {
    const int64_t group = unit / to.group_units();
    const Span block = to.block(unit / to.tiles % to.blocks);
    const int64_t first = unit % to.tiles * to.tile_width;
    const int64_t width = std::min(to.tile_width, to.width - first);
    const int64_t rows = std::min(width, group_out - first);
    const float* from = weights + (group * group_out + first) * to.k;
    for (int64_t k = block.begin; k < block.end; ++k, packed += width) {
      for (int64_t r = 0; r < rows; ++r) packed[r] = from[r * to.k + k];
      std::fill(packed + rows, packed + width, 0.0f);
    }
  }
}

ConvPlan::ConvPlan(const Conv2dShape& original, size_t threads, ConvCall call)
    : shape(normalised(original)),
      reads_planes(is_pointwise(original)),
      tiles(tile_set()),
      weights(conv_weight_tiles(original)),
      call_(call),
      workers_(static_cast<int64_t>(threads)) {
  group_in = shape.in_channels / shape.groups;
  group_out = shape.out_channels / shape.groups;
  taps = shape.kernel_h * shape.kernel_w;
  out_plane = shape.out_h * shape.out_w;
  columns = shape.batch * out_plane;
  tile_columns = along_pixels() ? tiles.columns() : tiles.rows;
  column_tiles = ceil_div(columns, tile_columns);

  // A row may be written one vector too far, and the next tile may be another task's.
  column_tile_elems = weights.block_depth * tile_columns + tiles.lanes;
  int64_t block_tiles =
      std::max<int64_t>(1, kBlockBytes / bytes_of(weights.block_depth * tile_columns));
  if (!along_pixels()) {
    const int64_t rows = kBlockBytes / bytes_of(weights.width);
    block_tiles = std::clamp<int64_t>(rows / tile_columns, 1, block_tiles);
  }
  column_blocks = ceil_div(column_tiles, block_tiles);
  whole_channel_blocks_ = 1;
  packs_nothing = call == ConvCall::whole && reads_planes && !along_pixels() && shape.batch == 1 &&
                  weights.tiles <= kFewTiles;
  if (packs_nothing) {
    // As many tasks as there are units of work, so that threads end together.
    whole_channel_blocks_ = weights.tiles;
    column_blocks = workers_ > 1 ? std::min(column_tiles, workers_) : 1;
  } else if (call == ConvCall::part) {
    if (workers_ > 1) {
      column_blocks = std::min(column_tiles, std::max(column_blocks, kPartTasks * workers_));
    }
  } else if (workers_ > 1 && shape.groups < 4 * workers_) {
    if (column_tiles >= 4 * workers_ && column_blocks >= workers_) {
      column_blocks = std::min(column_tiles, ceil_to(column_blocks, workers_));
    } else if (column_tiles >= 4 * workers_ && bytes_of(weights.k * group_out) < kBlockBytes) {
      column_blocks = workers_;
    } else {
      whole_channel_blocks_ = std::min(workers_, weights.tiles);
    }
  }

  const int64_t tiles_in_block = ceil_div(column_tiles, column_blocks);
  keeps_pixels = call == ConvCall::part && shape.groups == 1 &&
                 bytes_of(column_tiles * column_tile_elems) <= kKeptBytes;
  kept_elems_ = keeps_pixels ? column_tiles * column_tile_elems : 0;
  pack_elems_ = keeps_pixels || packs_nothing ? 0 : tiles_in_block * column_tile_elems;
  run_capacity_ = gather_run_capacity(shape, tile_columns, tile_columns, tiles.lanes);
  partial_stride = call == ConvCall::part
                       ? weights.width
                       : ceil_div(weights.tiles, whole_channel_blocks_) * weights.tile_width;
  const bool has_partial = !along_pixels() && weights.blocks > 1;
  const bool of_threads = has_partial && (call == ConvCall::whole || shape.groups > 1);
  partial_elems = of_threads ? tiles_in_block * tile_columns * partial_stride : 0;
  shared_partial_elems = has_partial && call == ConvCall::part ? columns * weights.width : 0;
}

int64_t ConvPlan::channel_blocks(int64_t run_groups, Span units) const {
  if (call_ == ConvCall::whole) return whole_channel_blocks_;
  if (workers_ == 1) return 1;
  const int64_t wanted = ceil_div(kPartTasks * workers_, run_groups * column_blocks);
  return std::clamp<int64_t>(wanted, 1, std::min(weights.tiles, units.size()));
}

size_t ConvPlan::pack_bytes() const { return padded_bytes(pack_elems_, sizeof(float)); }
size_t ConvPlan::partial_bytes() const { return padded_bytes(partial_elems, sizeof(float)); }
size_t ConvPlan::run_bytes() const { return padded_bytes(run_capacity_, sizeof(GatherRun)); }

size_t ConvPlan::thread_bytes() const {
  return pack_bytes() + partial_bytes() + run_bytes() + padded_bytes(taps + 1, sizeof(int32_t));
}

size_t ConvPlan::kept_pixels_at() const {
  return shared_partial_at() + padded_bytes(shared_partial_elems, sizeof(float));
}

size_t ConvPlan::scratch_bytes() const {
  return kept_pixels_at() + padded_bytes(kept_elems_, sizeof(float));
}

}  // namespace taoism::kernels
