#include "kernels/conv_stem.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/conv_plan.h"
#include "kernels/dispatch.h"
#include "kernels/tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_stem.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

[[maybe_unused]] constexpr int64_t kLanes = HWY_LANES(float);  // not by the scalar target

// even[i] = from[2 * i] and odd[i] = from[2 * i + 1], of which up to a vector more than `count` are
// read and written.
HWY_INLINE void split_two(const float* from, int64_t count, float* even, float* odd) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t i = 0; i < count; ++i) {
    even[i] = from[2 * i];
    odd[i] = from[2 * i + 1];
  }
#else
  const hn::ScalableTag<float> d;
  for (int64_t i = 0; i < count; i += kLanes) {
    const auto low = hn::LoadU(d, from + 2 * i);
    const auto high = hn::LoadU(d, from + 2 * i + kLanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, even + i);
    hn::StoreU(hn::ConcatOdd(d, high, low), d, odd + i);
  }
#endif
}

// Element i of phase p at phases[p * pitch + i], from line[i * stride + p].
void split(const float* line, int64_t stride, int64_t count, float* phases, int64_t pitch) {
  if (stride == 2) return split_two(line, count, phases, phases + pitch);
  for (int64_t p = 0; p < stride; ++p) {
    for (int64_t i = 0; i < count; ++i) phases[p * pitch + i] = line[i * stride + p];
  }
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {
namespace {

constexpr int64_t kMostChannels = 4;
// Bytes of split rows that a task keeps in the second-level cache, all of which it reads for every
// tile of out channels.
constexpr int64_t kBandBytes = 192 * 1024;
constexpr int64_t kMostLanes = 16;
// Tasks for each thread, so that threads end together.
constexpr int64_t kTasks = 4;

struct Plan {
  Plan(const Conv2dShape& shape_in, size_t threads)
      : shape(shape_in), tiles(tile_set()), weights(conv_weight_tiles(shape_in)) {
    vectors = ceil_div(shape.out_w, tiles.lanes);
    row_tiles = ceil_div(vectors, std::min(tiles.vectors, shape.out_w / tiles.lanes));
    const int64_t reach = (shape.kernel_w - 1) * shape.dilation_w / shape.stride_w;
    split_elems = shape.out_w + reach;
    pitch = ceil_to(split_elems, kMostLanes) + kMostLanes;
    row_elems = shape.in_channels * shape.stride_w * pitch;
    const int64_t of_rows = kBandBytes / (row_elems * static_cast<int64_t>(sizeof(float)));
    band_rows = std::max<int64_t>(1, (of_rows - kernel_rows()) / shape.stride_h + 1);
    const auto workers = static_cast<int64_t>(threads);
    bands = ceil_div(shape.out_h, band_rows);
    if (workers > 1 && shape.batch * bands < kTasks * workers) {
      bands = std::min(shape.out_h, ceil_div(kTasks * workers, shape.batch));
    }
    band_rows = ceil_div(shape.out_h, bands);
  }

  // Rows of input from the first to the last that a row of output sees.
  int64_t kernel_rows() const { return (shape.kernel_h - 1) * shape.dilation_h + 1; }
  int64_t input_rows(int64_t out_rows) const {
    return (out_rows - 1) * shape.stride_h + kernel_rows();
  }
  // Of one thread, in this order: split rows, one padded row of input, offsets of the taps.
  int64_t split_floats() const { return input_rows(band_rows) * row_elems; }
  int64_t line_floats() const {
    return ceil_to(split_elems * shape.stride_w + 4 * kMostLanes, kMostLanes);
  }
  size_t thread_bytes() const {
    const int64_t floats = split_floats() + line_floats();
    return round_up(static_cast<size_t>(floats) * sizeof(float), kAlignment) +
           round_up(static_cast<size_t>(weights.k) * sizeof(int64_t), kAlignment);
  }

  Conv2dShape shape;
  const TileSet& tiles;
  WeightTiles weights;
  int64_t vectors, row_tiles;  // of a row of output
  int64_t split_elems;         // used of a phase of a row
  int64_t pitch;               // from one phase of a row to the next
  int64_t row_elems;           // from one split row to the next: [channel][phase][column]
  int64_t band_rows, bands;
};

// One task: a band of rows of output.
class Worker {
 public:
  Worker(const Plan& plan, ByteSpan scratch, size_t thread) : plan_(plan) {
    std::byte* own = scratch.data() + thread * plan.thread_bytes();
    split_ = reinterpret_cast<float*>(own);
    line_ = split_ + plan.split_floats();
    const int64_t floats = plan.split_floats() + plan.line_floats();
    offsets_ = reinterpret_cast<int64_t*>(
        own + round_up(static_cast<size_t>(floats) * sizeof(float), kAlignment));
  }

  // Rows `rows` of the output of one image.
  void split_input(const float* image, Span rows) {
    const Conv2dShape& s = plan_.shape;
    const int64_t first = rows.begin * s.stride_h - s.pad_top;
    for (int64_t r = 0; r < plan_.input_rows(rows.size()); ++r) {
      for (int64_t c = 0; c < s.in_channels; ++c) {
        float* to = split_ + r * plan_.row_elems + c * s.stride_w * plan_.pitch;
        const int64_t y = first + r;
        if (y < 0 || y >= s.in_h) {
          std::fill_n(to, s.stride_w * plan_.pitch, 0.0f);
          continue;
        }
        const int64_t length = plan_.line_floats();
        const int64_t left = std::min(s.pad_left, length);
        const int64_t inside = std::min(s.in_w, length - left);
        std::fill_n(line_, left, 0.0f);
        std::copy_n(image + (c * s.in_h + y) * s.in_w, inside, line_ + left);
        std::fill_n(line_ + left + inside, length - left - inside, 0.0f);
        TAOISM_DISPATCH(split)(line_, s.stride_w, plan_.split_elems, to, plan_.pitch);
      }
    }
    int64_t* offset = offsets_;
    for (int64_t c = 0; c < s.in_channels; ++c) {
      for (int64_t y = 0; y < s.kernel_h; ++y) {
        for (int64_t x = 0; x < s.kernel_w; ++x) {
          const int64_t column = x * s.dilation_w;
          *offset++ = y * s.dilation_h * plan_.row_elems +
                      (c * s.stride_w + column % s.stride_w) * plan_.pitch + column / s.stride_w;
        }
      }
    }
  }

  // Row `row` of the band, one tile of out channels, whose weights are given; `at`: of the row's
  // first pixel in the first of these channels.
  void multiply(int64_t row, Span channels, const float* weights, const Epilogue& epilogue,
                int64_t at, float* output) {
    const Conv2dShape& s = plan_.shape;
    const int64_t plane = s.out_h * s.out_w;
    const Bounds bounds = bounds_of(epilogue.activation);
    TileArgs args;
    args.a = weights;
    args.b_offsets = offsets_;
    args.k = plan_.weights.k;
    args.c_stride = args.start_stride = plane;
    if (epilogue.bias != nullptr) args.row_bias = epilogue.bias + channels.begin;
    args.low = bounds.low;
    args.high = bounds.high;
    alignas(kAlignment) float buffer[kMaxTileRows * kMaxTileColumns];
    for (int64_t tile = 0; tile < plan_.row_tiles; ++tile) {
      const Span vectors = even_part(plan_.vectors, plan_.row_tiles, tile);
      const int64_t width = vectors.size() * plan_.tiles.lanes;
      // The last tile ends with the row, and may have some pixels that the one before has.
      const int64_t x = std::min(vectors.begin * plan_.tiles.lanes, s.out_w - width);
      const TileFunction multiply = plan_.tiles.offset_function[channels.size()][vectors.size()];
      args.b = split_ + row * s.stride_h * plan_.row_elems + x;
      args.c = output + at + x;
      if (epilogue.residual != nullptr) args.start = epilogue.residual + at + x;
      const int64_t again = vectors.begin * plan_.tiles.lanes - x;
      if (again > 0 && args.start == args.c) {
        // Its results may not be added to themselves.
        args.c = buffer;
        args.c_stride = width;
        multiply(args);
        for (int64_t r = 0; r < channels.size(); ++r) {
          std::copy(buffer + r * width + again, buffer + (r + 1) * width,
                    output + at + r * plane + x + again);
          finish(epilogue, output + at + r * plane + x + again, width - again);
        }
        continue;
      }
      multiply(args);
      for (int64_t r = 0; r < channels.size(); ++r) {
        finish(epilogue, args.c + r * plane, width);
      }
    }
  }

 private:
  static void finish(const Epilogue& epilogue, float* row, int64_t count) {
    if (!is_clamp(epilogue.activation)) activate_span(row, row, count, epilogue.activation);
  }

  const Plan& plan_;
  float* split_;
  float* line_;
  int64_t* offsets_;
};

}  // namespace

bool is_conv_stem(const Conv2dShape& s) {
  return s.groups == 1 && s.in_channels <= kMostChannels && s.kernel_h * s.kernel_w > 1 &&
         s.out_w >= tile_set().lanes;
}

size_t conv_stem_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return threads * Plan(shape, threads).thread_bytes();
}

void conv_stem(const Conv2dShape& shape, int64_t begin, int64_t end, const float* input,
               const float* packed, const Epilogue& epilogue, float* output, ByteSpan scratch,
               Parallel& parallel) {
  const Plan plan(shape, parallel.threads());
  TAOISM_CHECK(scratch.size() >= parallel.threads() * plan.thread_bytes());
  const Span units{plan.weights.unit_at(begin), plan.weights.unit_at(end)};
  const auto tasks = static_cast<size_t>(shape.batch * plan.bands);
  parallel_for(parallel, tasks, [&](size_t task, size_t thread) {
    const int64_t image = static_cast<int64_t>(task) / plan.bands;
    const Span rows = even_part(shape.out_h, plan.bands, static_cast<int64_t>(task) % plan.bands);
    Worker worker(plan, scratch, thread);
    worker.split_input(input + image * shape.in_channels * shape.in_h * shape.in_w, rows);
    for (int64_t unit = units.begin; unit < units.end; ++unit) {
      const Span channels{unit * plan.weights.tile_width,
                          std::min((unit + 1) * plan.weights.tile_width, shape.out_channels)};
      for (int64_t y = rows.begin; y < rows.end; ++y) {
        const int64_t at =
            ((image * shape.out_channels + channels.begin) * shape.out_h + y) * shape.out_w;
        worker.multiply(y - rows.begin, channels, packed + plan.weights.offset(unit) - begin,
                        epilogue, at, output);
      }
    }
  });
}

}  // namespace taoism::kernels
#endif
