#include "kernels/conv_gemm.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/conv_gather.h"
#include "kernels/conv_plan.h"
#include "kernels/conv_scatter.h"

namespace taoism::kernels {
namespace {

struct Operands {
  const float* input;
  const float* packed;  // from element packed_begin on
  int64_t packed_begin;
  const Epilogue& epilogue;
  float* output;
  ByteSpan scratch;
};

// Units that one parallel loop computes. Shared partial sums hold one group, so that at most one
// group of a run may be incomplete in it.
struct Run {
  Span units;
  int64_t first_group, groups, channel_blocks;
  bool packs;  // false: the pixels are packed already
};

// One task's view: the operands and this thread's scratch.
class Worker {
 public:
  Worker(const ConvPlan& plan, const Run& run, const Operands& operands, size_t thread)
      : plan_(plan),
        run_(run),
        operands_(operands),
        epilogue_(operands.epilogue),
        output_(operands.output),
        bounds_(bounds_of(operands.epilogue.activation)) {
    std::byte* own = operands.scratch.data() + thread * plan.thread_bytes();
    pack_ = reinterpret_cast<float*>(own);
    own += plan.pack_bytes();
    if (plan.keeps_pixels) {
      pack_ = reinterpret_cast<float*>(operands.scratch.data() + plan.kept_pixels_at());
    }
    own_partial_ = reinterpret_cast<float*>(own);
    own += plan.partial_bytes();
    pattern_.runs = reinterpret_cast<GatherRun*>(own);
    own += plan.run_bytes();
    pattern_.tap_begin = reinterpret_cast<int32_t*>(own);
  }

  void run(int64_t task) {
    // Neighbouring tasks have the packed pixels in common or, where there are none, the weights.
    const int64_t in_group = task % (run_.channel_blocks * plan_.column_blocks);
    const int64_t channel_block =
        plan_.packs_nothing ? in_group / plan_.column_blocks : in_group % run_.channel_blocks;
    const int64_t column_block =
        plan_.packs_nothing ? in_group % plan_.column_blocks : in_group / run_.channel_blocks;
    group_ = run_.first_group + task / run_.channel_blocks / plan_.column_blocks;
    columns_ = even_part(plan_.column_tiles, plan_.column_blocks, column_block);
    const WeightTiles& weights = plan_.weights;
    const int64_t first_unit = group_ * weights.group_units();
    const Span units{std::max<int64_t>(run_.units.begin - first_unit, 0),
                     std::min(run_.units.end - first_unit, weights.group_units())};
    const WeightShare share = even_share(units, weights.tiles, run_.channel_blocks, channel_block);
    place_partial(units, share);
    for (int64_t block = share.units.begin / weights.tiles; block * weights.tiles < share.units.end;
         ++block) {
      const Span channels = share.in_block(block, weights.tiles);
      if (channels.size() == 0) continue;
      enter_block(block);
      if (run_.packs && !plan_.packs_nothing && (!plan_.keeps_pixels || channels.begin == 0))
        pack();
      for (int64_t channel = channels.begin; channel < channels.end; ++channel) {
        for (int64_t column = columns_.begin; column < columns_.end; ++column) {
          if (plan_.along_pixels()) {
            multiply_pixels(channel, column);
          } else {
            multiply_channels(channel, column);
          }
        }
      }
    }
  }

  // Packs the pixels of one column tile for a k block of the one group, to be kept.
  void pack_tile(int64_t block, int64_t column_tile) {
    columns_ = {column_tile, column_tile + 1};
    enter_block(block);
    pack();
  }

 private:
  void enter_block(int64_t block) {
    block_ = block;
    first_ = block == 0;
    last_ = block == plan_.weights.blocks - 1;
    depth_ = plan_.weights.block(block).size();
  }

  int64_t width_of(Span columns) const {
    return plan_.along_pixels() ? ceil_to(columns.size(), plan_.tiles.lanes) : columns.size();
  }
  float* packed_columns(int64_t tile) const {
    const int64_t first = plan_.keeps_pixels ? 0 : columns_.begin;
    return pack_ + (tile - first) * plan_.column_tile_elems;
  }

  const float* weights(int64_t channel_tile) const {
    const int64_t unit = (group_ * plan_.weights.blocks + block_) * plan_.weights.tiles;
    return operands_.packed + plan_.weights.offset(unit + channel_tile) - operands_.packed_begin;
  }

  // A group that this run completes needs no place that outlives it.
  void place_partial(Span units, const WeightShare& share) {
    if (plan_.partial_elems > 0 && units.size() == plan_.weights.group_units()) {
      partial_ = own_partial_;
      partial_column_ = plan_.column_tile(columns_.begin).begin;
      partial_tile_ = share.tiles.begin;
      partial_stride_ = plan_.partial_stride;
    } else if (plan_.shared_partial_elems > 0) {
      partial_ = reinterpret_cast<float*>(operands_.scratch.data() + plan_.shared_partial_at());
      partial_column_ = partial_tile_ = 0;
      partial_stride_ = plan_.weights.width;
    } else {
      partial_ = nullptr;
      partial_stride_ = plan_.tiles.columns();
    }
  }

  void pack() {
    const int64_t plane = plan_.shape.in_h * plan_.shape.in_w;
    const Span rows = plan_.weights.block(block_);
    const Span in{rows.begin / plan_.taps, rows.end / plan_.taps};
    const float* from = operands_.input + (group_ * plan_.group_in + in.begin) * plane;
    for (int64_t tile = columns_.begin; tile < columns_.end; ++tile) {
      if (const int64_t count = tiles_as_they_lie(tile); count > 0) {
        const Span first = plan_.column_tile(tile);
        const int64_t image = first.begin / plane;
        copy_pixels(from + image * (plan_.shape.in_channels - 1) * plane + first.begin, plane,
                    in.size(), count, first.size(), plan_.column_tile_elems, packed_columns(tile));
        tile += count - 1;
        continue;
      }
      const Span columns = plan_.column_tile(tile);
      const int64_t width = width_of(columns);
      build_gather(plan_.shape, columns.begin, columns.size(), width, plan_.tiles.lanes, pattern_);
      gather_rows(pattern_, from, plane, in.size(), plan_.shape.stride_w, width,
                  packed_columns(tile));
    }
  }

  // Column tiles from `tile` on that are full vectors of one image's pixels, in their order.
  int64_t tiles_as_they_lie(int64_t tile) const {
    if (!plan_.reads_planes || !plan_.along_pixels()) return 0;
    const Span first = plan_.column_tile(tile);
    const int64_t left = plan_.out_plane - first.begin % plan_.out_plane;
    return std::min(left / plan_.tile_columns, columns_.end - tile);
  }

  // Calls function(column of the tile, elements, output offset in channel 0 of the group) for each
  // image that the pixels belong to.
  template <typename Function>
  void for_each_image(Span columns, Function&& function) const {
    for (int64_t j = columns.begin; j < columns.end;) {
      const int64_t image = j / plan_.out_plane;
      const int64_t pixel = j % plan_.out_plane;
      const int64_t count = std::min(plan_.out_plane - pixel, columns.end - j);
      function(
          j - columns.begin, count,
          (image * plan_.shape.out_channels + group_ * plan_.group_out) * plan_.out_plane + pixel);
      j += count;
    }
  }

  void multiply_pixels(int64_t channel_tile, int64_t column_tile) {
    const Span channels = plan_.channel_tile(channel_tile);
    const Span columns = plan_.column_tile(column_tile);
    const int64_t rows = channels.size();
    const int64_t width = width_of(columns);
    const int64_t plane = plan_.out_plane;
    const int64_t channel = group_ * plan_.group_out + channels.begin;
    TileArgs args;
    args.a = weights(channel_tile);
    args.b = packed_columns(column_tile);
    args.k = depth_;
    if (first_ && epilogue_.bias != nullptr) args.row_bias = epilogue_.bias + channel;
    const Bounds bounds = last_ ? bounds_ : Bounds{};
    args.low = bounds.low;
    args.high = bounds.high;
    const TileFunction multiply = plan_.tiles.function[rows][width / plan_.tiles.lanes];
    const float* start = first_ ? epilogue_.residual : output_;
    const bool in_place =
        columns.size() == width && columns.begin % plane + columns.size() <= plane;

    alignas(kAlignment) float buffer[kMaxTileRows * kMaxTileColumns];
    if (in_place) {
      for_each_image(columns, [&](int64_t, int64_t, int64_t offset) {
        args.c = output_ + offset + channels.begin * plane;
        args.c_stride = plane;
        if (start != nullptr) args.start = start + offset + channels.begin * plane;
        args.start_stride = plane;
      });
      multiply(args);
    } else {
      args.c = buffer;
      args.c_stride = width;
      if (start != nullptr) {
        args.start = buffer;
        args.start_stride = width;
        std::fill(buffer, buffer + rows * width, 0.0f);
        for_each_image(columns, [&](int64_t at, int64_t count, int64_t offset) {
          for (int64_t r = 0; r < rows; ++r) {
            std::copy_n(start + offset + (channels.begin + r) * plane, count,
                        buffer + r * width + at);
          }
        });
      }
      multiply(args);
      for_each_image(columns, [&](int64_t at, int64_t count, int64_t offset) {
        for (int64_t r = 0; r < rows; ++r) {
          std::copy_n(buffer + r * width + at, count,
                      output_ + offset + (channels.begin + r) * plane);
        }
      });
    }
    if (last_ && !is_clamp(epilogue_.activation)) {
      for_each_image(columns, [&](int64_t, int64_t count, int64_t offset) {
        for (int64_t r = 0; r < rows; ++r) {
          float* row = output_ + offset + (channels.begin + r) * plane;
          activate_span(row, row, count, epilogue_.activation);
        }
      });
    }
  }

  void multiply_channels(int64_t channel_tile, int64_t column_tile) {
    const Span channels = plan_.channel_tile(channel_tile);
    const Span columns = plan_.column_tile(column_tile);
    const int64_t width = ceil_to(channels.size(), plan_.tiles.lanes);
    alignas(kAlignment) float buffer[kMaxTileRows * kMaxTileColumns];
    float* partial = buffer;
    if (partial_ != nullptr) {
      partial = partial_ + (columns.begin - partial_column_) * partial_stride_ +
                (channel_tile - partial_tile_) * plan_.weights.tile_width;
    }
    TileArgs args;
    if (plan_.packs_nothing) {
      const int64_t first = group_ * plan_.group_in + plan_.weights.block(block_).begin;
      args.a = operands_.input + first * plan_.out_plane + columns.begin;
      args.a_stride = plan_.out_plane;
    } else {
      args.a = packed_columns(column_tile);
    }
    args.b = weights(channel_tile);
    args.k = depth_;
    args.c = partial;
    args.c_stride = partial_stride_;
    if (!first_) args.start = partial;
    args.start_stride = partial_stride_;
    args.low = Bounds{}.low;
    args.high = Bounds{}.high;
    plan_.tiles.function[columns.size()][width / plan_.tiles.lanes](args);
    if (last_) store_transposed(channels, columns, partial);
  }

  void store_transposed(Span channels, Span columns, const float* partial) {
    for_each_image(columns, [&](int64_t at, int64_t count, int64_t offset) {
      const int64_t channel = group_ * plan_.group_out + channels.begin;
      const int64_t first = offset + channels.begin * plan_.out_plane;
      scatter_channels({partial + at * partial_stride_, partial_stride_, count, channels.size(),
                        epilogue_.bias != nullptr ? epilogue_.bias + channel : nullptr,
                        epilogue_.residual != nullptr ? epilogue_.residual + first : nullptr,
                        bounds_, output_ + first, plan_.out_plane});
      if (is_clamp(epilogue_.activation)) return;
      for (int64_t c = 0; c < channels.size(); ++c) {
        float* row = output_ + first + c * plan_.out_plane;
        activate_span(row, row, count, epilogue_.activation);
      }
    });
  }

  const ConvPlan& plan_;
  const Run& run_;
  const Operands& operands_;
  const Epilogue& epilogue_;
  float* output_;
  Bounds bounds_;
  float* pack_;
  float* own_partial_;
  GatherPattern pattern_;
  float* partial_ = nullptr;  // null: k has one block, a tile's sums are complete at once
  int64_t partial_column_ = 0, partial_tile_ = 0, partial_stride_ = 0;
  int64_t group_ = 0, block_ = 0, depth_ = 0;
  Span columns_{};
  bool first_ = false, last_ = false;
};

void run_units(const ConvPlan& plan, Run run, const Operands& operands, Parallel& parallel) {
  const int64_t tasks = run.groups * plan.column_blocks * run.channel_blocks;
  parallel_for(parallel, static_cast<size_t>(tasks), [&](size_t task, size_t thread) {
    Worker(plan, run, operands, thread).run(static_cast<int64_t>(task));
  });
}

// A column's task packs its pixels, unless several tasks share them and they are to be kept.
void run_range(const ConvPlan& plan, Span units, const Operands& operands, Parallel& parallel) {
  const WeightTiles& weights = plan.weights;
  Run run{units, units.begin / weights.group_units(), 0, 0, true};
  run.groups = ceil_div(units.end, weights.group_units()) - run.first_group;
  run.channel_blocks = plan.channel_blocks(run.groups, units);
  if (!plan.keeps_pixels || run.channel_blocks == 1)
    return run_units(plan, run, operands, parallel);
  run.packs = false;
  for (int64_t unit = units.begin; unit < units.end; unit = run.units.end) {
    const int64_t block = unit / weights.tiles;
    run.units = {unit, std::min((block + 1) * weights.tiles, units.end)};
    run.channel_blocks = plan.channel_blocks(1, run.units);
    if (unit % weights.tiles == 0) {
      parallel_for(
          parallel, static_cast<size_t>(plan.column_tiles), [&](size_t tile, size_t thread) {
            Worker(plan, run, operands, thread).pack_tile(block, static_cast<int64_t>(tile));
          });
    }
    run_units(plan, run, operands, parallel);
  }
}

}  // namespace

size_t conv_gemm_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return ConvPlan(shape, threads, ConvCall::whole).scratch_bytes();
}

void conv_gemm(const Conv2dShape& shape, const float* input, const float* packed,
               const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel) {
  const ConvPlan plan(shape, parallel.threads(), ConvCall::whole);
  TAOISM_CHECK(scratch.size() >= plan.scratch_bytes());
  run_range(plan, {0, plan.weights.units()}, {input, packed, 0, epilogue, output, scratch},
            parallel);
}

size_t conv_gemm_part_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return ConvPlan(shape, threads, ConvCall::part).scratch_bytes();
}

void conv_gemm_part(const Conv2dShape& shape, int64_t begin, int64_t end, const float* input,
                    const float* packed_part, const Epilogue& epilogue, float* output,
                    ByteSpan scratch, Parallel& parallel) {
  const ConvPlan plan(shape, parallel.threads(), ConvCall::part);
  TAOISM_CHECK(scratch.size() >= plan.scratch_bytes());
  const Operands operands{input, packed_part, begin, epilogue, output, scratch};
  Span units{plan.weights.unit_at(begin), plan.weights.unit_at(end)};
  // The end of a group that an earlier call began, and the beginning of another, both want the
  // shared partial sums.
  const int64_t group_units = plan.weights.group_units();
  const int64_t begun = ceil_to(units.begin, group_units);
  if (plan.shared_partial_elems > 0 && units.begin < begun && begun < units.end) {
    run_range(plan, {units.begin, begun}, operands, parallel);
    units.begin = begun;
  }
  if (units.size() > 0) run_range(plan, units, operands, parallel);
}

}  // namespace taoism::kernels
