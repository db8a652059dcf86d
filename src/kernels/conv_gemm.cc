#include "kernels/conv_gemm.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/conv_gather.h"
#include "kernels/tile.h"

namespace taoism::kernels {
namespace {

// Rows of k multiplied in one go, and bytes of packed pixels that a task keeps in the second-level
// cache beside the weights that stream through it. Measured; see bench/.
constexpr int64_t kDepth = 600;
constexpr int64_t kBlockBytes = 384 * 1024;
// A map is too small for vectors along pixels when they would be filled less than this, in
// comparison with vectors along channels.
constexpr double kFillRatio = 0.9;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t ceil_to(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// A plane that is read as it lies (1x1, stride 1, no padding) is one long row.
Conv2dShape normalised(Conv2dShape s) {
  if (s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 &&
      s.pad_left == 0 && s.in_h == s.out_h && s.in_w == s.out_w) {
    s.in_w = s.out_w = s.in_h * s.in_w;
    s.in_h = s.out_h = 1;
  }
  return s;
}

struct Span {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
Span even_part(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

// How one call is cut up: tasks = groups x column blocks x channel blocks.
struct Plan {
  Plan(const Conv2dShape& shape, size_t threads);

  bool along_pixels() const { return form == ConvForm::pixels; }
  // Output pixels of the batch, cut into tiles.
  Span column_tile(int64_t tile) const {
    if (along_pixels()) return {tile * tile_columns, std::min((tile + 1) * tile_columns, columns)};
    return even_part(columns, column_tiles, tile);
  }
  // Packed elements from one column tile to the next, for `depth` rows of k.
  int64_t column_tile_elems(int64_t depth) const {
    return depth * (along_pixels() ? tiles.columns() : tiles.rows);
  }
  Span channel_tile(int64_t tile) const {
    return {tile * tile_channels, std::min((tile + 1) * tile_channels, group_out)};
  }
  // Packed weights of a group before those of a channel that starts a tile.
  int64_t packed_offset(int64_t channel) const {
    return k * (along_pixels() ? channel : ceil_to(channel, tiles.lanes));
  }
  size_t thread_bytes() const;

  Conv2dShape shape;
  ConvForm form;
  const TileSet& tiles;
  int64_t group_in, group_out, taps, k, out_plane;
  int64_t columns, tile_columns, column_tiles, column_blocks;
  int64_t tile_channels, channel_tiles, channel_blocks;
  int64_t block_channels;  // input channels in a block of k
  int64_t k_blocks;
  int64_t pack_elems, partial_stride, partial_elems, run_capacity;
};

Plan::Plan(const Conv2dShape& original, size_t threads)
    : shape(normalised(original)), form(conv_gemm_form(original)), tiles(tile_set()) {
  group_in = shape.in_channels / shape.groups;
  group_out = shape.out_channels / shape.groups;
  taps = shape.kernel_h * shape.kernel_w;
  k = group_in * taps;
  out_plane = shape.out_h * shape.out_w;
  columns = shape.batch * out_plane;
  tile_columns = along_pixels() ? tiles.columns() : tiles.rows;
  tile_channels = along_pixels() ? tiles.rows : tiles.columns();
  column_tiles = ceil_div(columns, tile_columns);
  channel_tiles = ceil_div(group_out, tile_channels);

  k_blocks = ceil_div(group_in, std::clamp<int64_t>(kDepth / taps, 1, group_in));
  block_channels = ceil_div(group_in, k_blocks);
  k_blocks = ceil_div(group_in, block_channels);

  const int64_t depth = block_channels * taps;
  const auto bytes = [](int64_t elems) { return elems * static_cast<int64_t>(sizeof(float)); };
  int64_t block_tiles = std::max<int64_t>(1, kBlockBytes / bytes(column_tile_elems(depth)));
  if (!along_pixels()) {
    const int64_t rows = kBlockBytes / bytes(ceil_to(group_out, tiles.lanes));
    block_tiles = std::clamp<int64_t>(rows / tile_columns, 1, block_tiles);
  }
  column_blocks = ceil_div(column_tiles, block_tiles);
  channel_blocks = 1;
  const auto workers = static_cast<int64_t>(threads);
  if (workers > 1 && shape.groups < 4 * workers) {
    if (column_tiles >= 4 * workers && column_blocks >= workers) {
      column_blocks = std::min(column_tiles, ceil_to(column_blocks, workers));
    } else if (column_tiles >= 4 * workers && bytes(k * group_out) < kBlockBytes) {
      column_blocks = workers;
    } else {
      channel_blocks = std::min(workers, channel_tiles);
    }
  }
  const int64_t tiles_in_block = ceil_div(column_tiles, column_blocks);
  pack_elems = tiles_in_block * column_tile_elems(depth) + tiles.lanes;
  partial_stride = ceil_div(channel_tiles, channel_blocks) * tile_channels;
  partial_elems = along_pixels() ? 0 : (tiles_in_block * tile_columns) * partial_stride;
  run_capacity = gather_run_capacity(shape, tile_columns, tile_columns, tiles.lanes);
}

size_t Plan::thread_bytes() const {
  return round_up(static_cast<size_t>(pack_elems) * sizeof(float), kAlignment) +
         round_up(static_cast<size_t>(partial_elems) * sizeof(float), kAlignment) +
         round_up(static_cast<size_t>(run_capacity) * sizeof(GatherRun), kAlignment) +
         round_up(static_cast<size_t>(taps + 1) * sizeof(int32_t), kAlignment);
}

// One task's view: the operands and this thread's scratch.
class Worker {
 public:
  // `range`: the channel tiles of each group to compute, `packed` starting with the first of them.
  Worker(const Plan& plan, Span range, const float* input, const float* packed,
         const Epilogue& epilogue, float* output, std::byte* scratch)
      : plan_(plan),
        range_(range),
        input_(input),
        packed_(packed),
        epilogue_(epilogue),
        output_(output),
        bounds_(bounds_of(epilogue.activation)) {
    pack_ = reinterpret_cast<float*>(scratch);
    scratch += round_up(static_cast<size_t>(plan.pack_elems) * sizeof(float), kAlignment);
    partial_ = reinterpret_cast<float*>(scratch);
    scratch += round_up(static_cast<size_t>(plan.partial_elems) * sizeof(float), kAlignment);
    pattern_.runs = reinterpret_cast<GatherRun*>(scratch);
    scratch += round_up(static_cast<size_t>(plan.run_capacity) * sizeof(GatherRun), kAlignment);
    pattern_.tap_begin = reinterpret_cast<int32_t*>(scratch);
  }

  void run(int64_t task) {
    const int64_t channel_block = task % plan_.channel_blocks;
    const int64_t column_block = task / plan_.channel_blocks % plan_.column_blocks;
    group_ = task / plan_.channel_blocks / plan_.column_blocks;
    columns_ = even_part(plan_.column_tiles, plan_.column_blocks, column_block);
    channels_ = even_part(range_.size(), plan_.channel_blocks, channel_block);
    channels_ = {channels_.begin + range_.begin, channels_.end + range_.begin};
    for (int64_t block = 0; block < plan_.k_blocks; ++block) {
      const Span in{block * plan_.block_channels,
                    std::min((block + 1) * plan_.block_channels, plan_.group_in)};
      first_ = block == 0;
      last_ = block == plan_.k_blocks - 1;
      k_begin_ = in.begin * plan_.taps;
      depth_ = in.size() * plan_.taps;
      pack(in);
      for (int64_t channel = channels_.begin; channel < channels_.end; ++channel) {
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

 private:
  int64_t width_of(Span columns) const {
    return plan_.along_pixels() ? ceil_to(columns.size(), plan_.tiles.lanes) : columns.size();
  }
  float* packed_columns(int64_t tile) const {
    return pack_ + (tile - columns_.begin) * plan_.column_tile_elems(depth_);
  }

  const float* weights(int64_t channel) const {
    return packed_ + group_ * plan_.packed_offset(plan_.group_out) + plan_.packed_offset(channel) -
           plan_.packed_offset(plan_.channel_tile(range_.begin).begin);
  }

  void pack(Span in) {
    const int64_t plane = plan_.shape.in_h * plan_.shape.in_w;
    const float* from = input_ + (group_ * plan_.group_in + in.begin) * plane;
    for (int64_t tile = columns_.begin; tile < columns_.end; ++tile) {
      const Span columns = plan_.column_tile(tile);
      const int64_t width = width_of(columns);
      build_gather(plan_.shape, columns.begin, columns.size(), width, plan_.tiles.lanes, pattern_);
      gather_rows(pattern_, from, plane, in.size(), plan_.shape.stride_w, width,
                  packed_columns(tile));
    }
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
    args.a = weights(channels.begin) + k_begin_ * rows;
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
    float* partial =
        partial_ +
        (columns.begin - plan_.column_tile(columns_.begin).begin) * plan_.partial_stride +
        (channel_tile - channels_.begin) * plan_.tile_channels;
    TileArgs args;
    args.a = packed_columns(column_tile);
    args.b = weights(channels.begin) + k_begin_ * width;
    args.k = depth_;
    args.c = partial;
    args.c_stride = plan_.partial_stride;
    if (!first_) args.start = partial;
    args.start_stride = plan_.partial_stride;
    args.low = Bounds{}.low;
    args.high = Bounds{}.high;
    plan_.tiles.function[columns.size()][width / plan_.tiles.lanes](args);
    if (last_) store_transposed(channels, columns, partial);
  }

  void store_transposed(Span channels, Span columns, const float* partial) {
    for_each_image(columns, [&](int64_t at, int64_t count, int64_t offset) {
      const float* from = partial + at * plan_.partial_stride;
      for (int64_t c = channels.begin; c < channels.end; ++c, ++from) {
        const int64_t first = offset + c * plan_.out_plane;
        const int64_t channel = group_ * plan_.group_out + c;
        const float bias = epilogue_.bias != nullptr ? epilogue_.bias[channel] : 0.0f;
        const float* residual =
            epilogue_.residual != nullptr ? epilogue_.residual + first : nullptr;
        float* row = output_ + first;
        for (int64_t i = 0; i < count; ++i) {
          float y = from[i * plan_.partial_stride] + bias;
          if (residual != nullptr) y += residual[i];
          y = y < bounds_.low ? bounds_.low : y;
          row[i] = y > bounds_.high ? bounds_.high : y;
        }
        if (!is_clamp(epilogue_.activation)) activate_span(row, row, count, epilogue_.activation);
      }
    });
  }

  const Plan& plan_;
  Span range_;
  const float* input_;
  const float* packed_;
  const Epilogue& epilogue_;
  float* output_;
  Bounds bounds_;
  float* pack_;
  float* partial_;
  GatherPattern pattern_;
  int64_t group_ = 0, k_begin_ = 0, depth_ = 0;
  Span columns_{}, channels_{};
  bool first_ = false, last_ = false;
};

double fill(int64_t count, int64_t lanes) {
  return static_cast<double>(count) / static_cast<double>(ceil_to(count, lanes));
}

}  // namespace

ConvForm conv_gemm_form(const Conv2dShape& shape) {
  const int64_t lanes = tile_set().lanes;
  const double pixels = fill(shape.out_h * shape.out_w, lanes);
  const double channels = fill(shape.out_channels / shape.groups, lanes);
  return pixels < kFillRatio * channels ? ConvForm::channels : ConvForm::pixels;
}

size_t conv_gemm_packed_elems(const Conv2dShape& shape) {
  const Plan plan(shape, 1);
  return static_cast<size_t>(shape.groups * plan.packed_offset(plan.group_out));
}

int64_t conv_gemm_channel_block(const Conv2dShape& shape) {
  return shape.groups == 1 ? Plan(shape, 1).tile_channels : 0;
}

size_t conv_gemm_packed_offset(const Conv2dShape& shape, int64_t channel) {
  return static_cast<size_t>(Plan(shape, 1).packed_offset(channel));
}

void conv_gemm_pack(const Conv2dShape& shape, const float* weights, float* packed) {
  const Plan plan(shape, 1);
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t tile = 0; tile < plan.channel_tiles; ++tile) {
      const Span channels = plan.channel_tile(tile);
      const int64_t rows = channels.size();
      const int64_t width = plan.along_pixels() ? rows : ceil_to(rows, plan.tiles.lanes);
      const float* from = weights + (group * plan.group_out + channels.begin) * plan.k;
      for (int64_t k = 0; k < plan.k; ++k, packed += width) {
        for (int64_t r = 0; r < rows; ++r) packed[r] = from[r * plan.k + k];
        std::fill(packed + rows, packed + width, 0.0f);
      }
    }
  }
}

size_t conv_gemm_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return threads * Plan(shape, threads).thread_bytes();
}

void conv_gemm(const Conv2dShape& shape, int64_t first, int64_t last, const float* input,
               const float* packed, const Epilogue& epilogue, float* output, ByteSpan scratch,
               Parallel& parallel) {
  const Plan plan(shape, parallel.threads());
  const size_t thread_bytes = plan.thread_bytes();
  TAOISM_CHECK(scratch.size() >= parallel.threads() * thread_bytes);
  const Span range{first / plan.tile_channels, ceil_div(last / shape.groups, plan.tile_channels)};
  const int64_t tasks = plan.shape.groups * plan.column_blocks * plan.channel_blocks;
  parallel_for(parallel, static_cast<size_t>(tasks), [&](size_t task, size_t thread) {
    Worker(plan, range, input, packed, epilogue, output, scratch.data() + thread * thread_bytes)
        .run(static_cast<int64_t>(task));
  });
}

}  // namespace taoism::kernels
