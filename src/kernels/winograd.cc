#include "kernels/winograd.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/conv_plan.h"
#include "kernels/tile.h"
#include "kernels/winograd_transform.h"

namespace taoism::kernels {
namespace {

// Channels whose weights are transformed in one go: their products' sums stay in the first cache.
constexpr int64_t kChunk = 64;
// Up to so many, part calls are one round, made once: each would have to make its own again.
constexpr int64_t kKeptBytes = 6 * 1024 * 1024;

int64_t bytes_of(int64_t elems) { return elems * static_cast<int64_t>(sizeof(float)); }

// How a call is cut up. A panel is some tiles: up to three vectors in the pixels form, as many as
// have room in the channels form.
struct Plan {
  // `available`: of scratch; with less than it could use a call is slower, but gives the same.
  Plan(const Conv2dShape& shape_in, size_t threads, WinogradCall call, size_t available)
      : shape(shape_in), tiles(tile_set()), weights(conv_weight_tiles(shape_in)) {
    size = {winograd_tile(shape.packing.kernel), shape.kernel_h};
    const int64_t m = size.m;
    along_channels = is_along_channels(shape.packing.kernel);
    products = size.products();
    taps = size.r * size.r;
    tiles_x = ceil_div(shape.out_w, m);
    tiles_y = ceil_div(shape.out_h, m);
    tile_count = shape.batch * tiles_y * tiles_x;
    step = along_channels ? 1 : tiles.lanes;
    steps = ceil_div(tile_count, step);
    chunk = std::min(shape.in_channels, kChunk);
    const int64_t of_step = products * bytes_of(shape.in_channels * step);
    const int64_t panel_steps =
        along_channels ? kMaxTileColumns
                       : std::clamp<int64_t>(kWinogradPanelBytes / of_step, 1, tiles.vectors);
    const int64_t least_panels = ceil_div(steps, panel_steps);
    const auto workers = static_cast<int64_t>(threads);
    // Where threads can have several panels each, panels of their own save them waiting for each
    // other. Few of them want to be equal.
    const bool is_large = !along_channels && steps * of_step > kWinogradRoundBytes;
    if (call == WinogradCall::whole && (is_large || least_panels >= 4 * workers)) {
      round_panels = 0;
      set_panels(least_panels < 8 * workers ? ceil_to(least_panels, workers) : least_panels);
      if (scratch_bytes(threads) <= available) return;
    }
    set_panels(least_panels);
    const int64_t most = call == WinogradCall::part && steps * of_step <= kKeptBytes
                             ? panels
                             : kWinogradRoundBytes / (of_step * ceil_div(steps, panels));
    round_panels = std::clamp<int64_t>(most, 1, panels);
    while (round_panels > 1 && scratch_bytes(threads) > available) --round_panels;
    const int64_t most_panels = ceil_div(steps, along_channels ? tiles.rows : 1);
    while (panels < most_panels && scratch_bytes(threads) > available) {
      set_panels(std::min(2 * panels, most_panels));
    }
  }

  bool shares_input() const { return round_panels > 0; }
  Span panel_tiles(int64_t panel) const {
    const Span in_steps = even_part(steps, panels, panel);
    return {in_steps.begin * step, std::min(in_steps.end * step, tile_count)};
  }
  // Of the transformed input and, in the pixels form, of the products.
  int64_t width_of(int64_t panel) const { return ceil_to(panel_tiles(panel).size(), step); }
  int64_t panel_input_elems() const { return products * input_pitch; }
  // Room for one vector after the last matrix.
  int64_t panel_product_elems() const { return products * product_pitch + tiles.lanes; }
  int64_t weight_elems() const { return products * winograd_pitch(chunk * weights.tile_width); }

  // Of one thread, in this order: transformed weights, products, lines, transformed input.
  size_t weight_bytes() const { return padded(weight_elems()); }
  size_t product_bytes() const {
    return padded(std::max<int64_t>(round_panels, 1) * panel_product_elems());
  }
  size_t line_bytes() const {
    return padded(winograd_line_elems(size, panel_width, along_channels ? weights.tile_width : 0));
  }
  size_t own_input_bytes() const { return shares_input() ? 0 : padded(panel_input_elems()); }
  size_t thread_bytes() const {
    return weight_bytes() + product_bytes() + line_bytes() + own_input_bytes();
  }
  // Before those of all threads: the transformed input of a round, which may outlive a part call.
  size_t round_bytes() const { return padded(round_panels * panel_input_elems()); }
  size_t scratch_bytes(size_t threads) const { return round_bytes() + threads * thread_bytes(); }

  Conv2dShape shape;
  const TileSet& tiles;
  WeightTiles weights;
  bool along_channels;
  WinogradSize size;
  int64_t products;  // matrices that are multiplied one by one
  int64_t taps;
  int64_t tiles_x, tiles_y, tile_count;
  int64_t step, steps;          // tiles that a panel is a multiple of, and how many of these
  int64_t panels, panel_width;  // of the widest
  int64_t round_panels;         // of all threads together; 0: each has its own, one at a time
  int64_t input_pitch, product_pitch, chunk;

 private:
  void set_panels(int64_t count) {
    panels = std::min(count, steps);
    panel_width = ceil_div(steps, panels) * step;
    input_pitch = winograd_pitch(shape.in_channels * panel_width);
    product_pitch = winograd_pitch(weights.tile_width * panel_width);
  }
  static size_t padded(int64_t elems) {
    return round_up(static_cast<size_t>(elems) * sizeof(float), kAlignment);
  }
};

// A panel with its runs: at most one for each of its tiles.
struct Panel {
  Panel(const Plan& plan, int64_t index) {
    const Span tiles = plan.panel_tiles(index);
    for (int64_t t = tiles.begin; t < tiles.end;) {
      const int64_t x = t % plan.tiles_x;
      const int64_t row = t / plan.tiles_x;
      const int64_t count = std::min(plan.tiles_x - x, tiles.end - t);
      runs[view.run_count++] = {row / plan.tiles_y, row % plan.tiles_y, x, count, t - tiles.begin};
      t += count;
    }
    view.runs = runs;
    view.width = plan.width_of(index);
  }
  Panel(const Panel&) = delete;
  Panel& operator=(const Panel&) = delete;

  TileRun runs[kMaxTileColumns];
  TilePanel view{};
};

// Weights that are read next, asked for while others are multiplied. At the end of a unit they are
// those of the next one, or nobody's.
class Ahead {
 public:
  Ahead() = default;
  Ahead(const float* begin, int64_t elems)
      : at_(reinterpret_cast<uintptr_t>(begin)),
        end_(at_ + static_cast<size_t>(elems) * sizeof(float)),
        bytes_(end_ - at_) {}

  // One of `parts`, until all are asked for.
  void prefetch_part(int64_t parts) {
    const uintptr_t end = std::min(at_ + bytes_ / static_cast<size_t>(parts) + kAlignment, end_);
    at_ = prefetch(at_, end);
  }

 private:
  uintptr_t at_ = 0, end_ = 0;
  size_t bytes_ = 0;
};

// One task's view: the operands and this thread's scratch.
class Worker {
 public:
  Worker(const Plan& plan, ByteSpan scratch, size_t thread)
      : plan_(plan), round_input_(reinterpret_cast<float*>(scratch.data())) {
    std::byte* own = scratch.data() + plan.round_bytes() + thread * plan.thread_bytes();
    weights_ = reinterpret_cast<float*>(own);
    own += plan.weight_bytes();
    products_ = reinterpret_cast<float*>(own);
    own += plan.product_bytes();
    lines_ = reinterpret_cast<float*>(own);
    own_input_ = reinterpret_cast<float*>(own + plan.line_bytes());
  }

  void transform_input(int64_t panel, Span channels, const float* input) {
    winograd_input(plan_.shape, plan_.size, Panel(plan_, panel).view, input, channels,
                   panel_input(panel), plan_.input_pitch, lines_);
  }

  // Tile `unit` of the weights, which lie at `packed`, with some panels.
  void multiply(int64_t unit, const float* packed, Span panels, const Epilogue& epilogue,
                float* output) {
    const int64_t first = unit * plan_.weights.tile_width;
    const int64_t rows = std::min(plan_.weights.tile_width, plan_.weights.width - first);
    for (int64_t c = 0; c < plan_.shape.in_channels; c += plan_.chunk) {
      const Span channels{c, std::min(c + plan_.chunk, plan_.shape.in_channels)};
      winograd_weights(plan_.size, packed + c * plan_.taps * rows, channels.size(), rows, weights_);
      next_weights_ = {packed + channels.end * plan_.taps * rows, plan_.chunk * plan_.taps * rows};
      for (int64_t p = panels.begin; p < panels.end; ++p) {
        if (plan_.along_channels) {
          multiply_channels(p, channels, rows, panel_products(p, panels));
        } else {
          multiply_tiles(p, channels, rows, panel_products(p, panels));
        }
      }
    }
    const auto write =
        plan_.along_channels ? winograd_output_from_channels : winograd_output_from_tiles;
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      write(plan_.shape, plan_.size, Panel(plan_, p).view, panel_products(p, panels),
            plan_.product_pitch, first, rows, epilogue, output, lines_);
    }
  }

 private:
  float* panel_input(int64_t panel) const {
    return plan_.shares_input()
               ? round_input_ + panel % plan_.round_panels * plan_.panel_input_elems()
               : own_input_;
  }
  float* panel_products(int64_t panel, Span panels) const {
    return products_ + (panel - panels.begin) * plan_.panel_product_elems();
  }

  // Products [rows][tiles of the panel]: vectors along tiles.
  void multiply_tiles(int64_t panel, Span channels, int64_t rows, float* products) {
    const int64_t width = plan_.width_of(panel);
    const int64_t weight_pitch = winograd_pitch(channels.size() * rows);
    const TileFunction multiply = plan_.tiles.function[rows][width / plan_.tiles.lanes];
    TileArgs args = args_of(channels, width);
    args.a = weights_;
    args.b = panel_input(panel) + channels.begin * width;
    args.c = products;
    for (int64_t i = 0; i < plan_.products; ++i) {
      next_weights_.prefetch_part(plan_.products);
      if (channels.begin > 0) args.start = args.c;
      multiply(args);
      args.a += weight_pitch;
      args.b += plan_.input_pitch;
      args.c += plan_.product_pitch;
    }
  }

  // Products [tiles of the panel][columns]: vectors along output channels.
  void multiply_channels(int64_t panel, Span channels, int64_t columns, float* products) {
    const int64_t count = plan_.width_of(panel);
    const int64_t groups = ceil_div(count, plan_.tiles.rows);
    const int64_t weight_pitch = winograd_pitch(channels.size() * columns);
    TileArgs args = args_of(channels, columns);
    args.a_stride = count;
    for (int64_t i = 0; i < plan_.products; ++i) {
      args.b = weights_ + i * weight_pitch;
      next_weights_.prefetch_part(plan_.products);
      for (int64_t group = 0; group < groups; ++group) {
        const Span rows = even_part(count, groups, group);
        args.a = panel_input(panel) + i * plan_.input_pitch + channels.begin * count + rows.begin;
        args.c = products + i * plan_.product_pitch + rows.begin * columns;
        if (channels.begin > 0) args.start = args.c;
        plan_.tiles.function[rows.size()][columns / plan_.tiles.lanes](args);
      }
    }
  }

  static TileArgs args_of(Span channels, int64_t c_stride) {
    TileArgs args;
    args.k = channels.size();
    args.c_stride = args.start_stride = c_stride;
    args.low = Bounds{}.low;
    args.high = Bounds{}.high;
    return args;
  }

  const Plan& plan_;
  Ahead next_weights_;
  float* round_input_;
  float* weights_;
  float* products_;
  float* lines_;
  float* own_input_;
};

}  // namespace

bool winograd_applies(const Conv2dShape& s, int64_t tile) {
  if ((s.kernel_h != 3 && s.kernel_h != 5) || s.kernel_w != s.kernel_h || s.stride_h != 1 ||
      s.stride_w != 1 || s.dilation_h != 1 || s.dilation_w != 1 || s.groups != 1) {
    return false;
  }
  // F(4, 5) would lose too many digits.
  return tile == 2 || (tile == 4 && s.kernel_h == 3);
}

size_t winograd_scratch_bytes(const Conv2dShape& shape, size_t threads, WinogradCall call) {
  return Plan(shape, threads, call, SIZE_MAX).scratch_bytes(threads);
}

size_t winograd_least_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return Plan(shape, threads, WinogradCall::part, 0).scratch_bytes(threads);
}

void winograd(const Conv2dShape& shape, WinogradCall call, int64_t begin, int64_t end,
              const float* input, const float* packed, const Epilogue& epilogue, float* output,
              ByteSpan scratch, Parallel& parallel) {
  const Plan plan(shape, parallel.threads(), call, scratch.size());
  TAOISM_CHECK(scratch.size() >= plan.scratch_bytes(parallel.threads()));
  const Span units{plan.weights.unit_at(begin), plan.weights.unit_at(end)};
  const auto at = [&](int64_t unit) { return packed + plan.weights.offset(unit) - begin; };
  if (!plan.shares_input()) {
    parallel_for(parallel, static_cast<size_t>(plan.panels), [&](size_t task, size_t thread) {
      Worker worker(plan, scratch, thread);
      const auto panel = static_cast<int64_t>(task);
      worker.transform_input(panel, {0, shape.in_channels}, input);
      for (int64_t unit = units.begin; unit < units.end; ++unit) {
        worker.multiply(unit, at(unit), {panel, panel + 1}, epilogue, output);
      }
    });
    return;
  }
  const auto workers = static_cast<int64_t>(parallel.threads());
  const int64_t shares = workers == 1 ? 1 : std::min(shape.in_channels, 4 * workers);
  for (int64_t first = 0; first < plan.panels; first += plan.round_panels) {
    const Span round{first, std::min(first + plan.round_panels, plan.panels)};
    if (begin == 0 || plan.round_panels < plan.panels) {
      const auto tasks = static_cast<size_t>(round.size() * shares);
      parallel_for(parallel, tasks, [&](size_t task, size_t thread) {
        const auto index = static_cast<int64_t>(task);
        const Span channels = even_part(shape.in_channels, shares, index % shares);
        Worker(plan, scratch, thread).transform_input(first + index / shares, channels, input);
      });
    }
    parallel_for(parallel, static_cast<size_t>(units.size()), [&](size_t task, size_t thread) {
      const int64_t unit = units.begin + static_cast<int64_t>(task);
      Worker(plan, scratch, thread).multiply(unit, at(unit), round, epilogue, output);
    });
  }
}

}  // namespace taoism::kernels
