#include "kernels/gemm.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/tile.h"

namespace taoism::kernels {
namespace {

// Rows of k in one go, and rows of A that a task keeps packed.
constexpr int64_t kDepth = 512;
constexpr int64_t kRows = 192;
// Packed A that part calls keep.
constexpr int64_t kKeptBytes = 1024 * 1024;

enum class Call : uint8_t { whole, part };

// How a call is cut up: tasks = batch x row blocks x column blocks.
struct Plan {
  Plan(const GemmOperands& gemm, size_t threads, Call call)
      : tiles(tile_set()),
        weights(gemm_weight_tiles(
            gemm.k, gemm.n,
            gemm.packed_b != nullptr ? gemm.packing : choose_gemm_packing(gemm.k))) {
    wanted_tasks = threads == 1 ? 1 : 4 * static_cast<int64_t>(threads);
    row_blocks = ceil_div(gemm.m, kRows);
    // A part has few columns: rows that are packed once each make better tasks.
    if (call == Call::part) {
      row_blocks = std::min(std::max(row_blocks, wanted_tasks), ceil_div(gemm.m, tiles.rows));
    }
    const int64_t all_rows = gemm.m * weights.block_depth;
    keeps_a = call == Call::part && gemm.m > 1 &&
              all_rows * static_cast<int64_t>(sizeof(float)) <= kKeptBytes;
    kept_elems = keeps_a ? all_rows : 0;
    a_elems = gemm.m == 1 || keeps_a ? 0 : ceil_div(gemm.m, row_blocks) * weights.block_depth;
    b_elems = gemm.packed_b != nullptr ? 0 : weights.block_depth * weights.tile_width;
  }
  int64_t column_blocks(const GemmOperands& gemm, Span units) const {
    return std::clamp<int64_t>(ceil_div(wanted_tasks, gemm.batch * row_blocks), 1,
                               std::min(weights.tiles, units.size()));
  }
  size_t thread_bytes() const {
    return round_up(static_cast<size_t>(a_elems) * sizeof(float), kAlignment) +
           round_up(static_cast<size_t>(b_elems) * sizeof(float), kAlignment);
  }

  // What outlives a part call lies behind what the threads have.
  size_t scratch_bytes(size_t threads) const {
    return threads * thread_bytes() + static_cast<size_t>(kept_elems) * sizeof(float);
  }

  const TileSet& tiles;
  WeightTiles weights;
  // All packed rows of A of a k block stay for the calls that bring the rest of its weights.
  bool keeps_a;
  int64_t wanted_tasks, row_blocks, a_elems, b_elems, kept_elems;
};

struct Operands {
  const GemmOperands& gemm;
  int64_t packed_begin;  // the element that gemm.packed_b starts with
  const Epilogue& epilogue;
  ByteSpan scratch;
  size_t threads;
};

// Units that one parallel loop computes.
struct Run {
  Span units;
  int64_t column_blocks;
  bool packs;  // false: A is packed already
};

class Worker {
 public:
  Worker(const Plan& plan, const Run& run, const Operands& operands, size_t thread)
      : plan_(plan),
        run_(run),
        gemm_(operands.gemm),
        epilogue_(operands.epilogue),
        packed_begin_(operands.packed_begin),
        bounds_(bounds_of(operands.epilogue.activation)) {
    std::byte* own = operands.scratch.data() + thread * plan.thread_bytes();
    a_pack_ = reinterpret_cast<float*>(own);
    b_pack_ = reinterpret_cast<float*>(
        own + round_up(static_cast<size_t>(plan.a_elems) * sizeof(float), kAlignment));
    if (plan.keeps_a) {
      a_pack_ = reinterpret_cast<float*>(operands.scratch.data() +
                                         operands.threads * plan.thread_bytes());
    }
  }

  void run(int64_t task) {
    const WeightTiles& weights = plan_.weights;
    batch_ = task / run_.column_blocks / plan_.row_blocks;
    enter_rows(task / run_.column_blocks % plan_.row_blocks);
    const WeightShare share =
        even_share(run_.units, weights.tiles, run_.column_blocks, task % run_.column_blocks);
    for (int64_t block = share.units.begin / weights.tiles; block * weights.tiles < share.units.end;
         ++block) {
      const Span panels = share.in_block(block, weights.tiles);
      if (panels.size() == 0) continue;
      k_ = weights.block(block);
      if (run_.packs && (!plan_.keeps_a || panels.begin == 0)) pack_a();
      for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
        multiply_panel(block * weights.tiles + panel);
      }
    }
  }

  // Packs the rows of a row block for a k block, to be kept.
  void pack_rows(int64_t block, int64_t row_block) {
    enter_rows(row_block);
    k_ = plan_.weights.block(block);
    pack_a();
  }

 private:
  void enter_rows(int64_t row_block) {
    rows_ = even_part(gemm_.m, plan_.row_blocks, row_block);
    row_tiles_ = ceil_div(rows_.size(), plan_.tiles.rows);
  }

  float* packed_rows(Span rows) const {
    const int64_t first = plan_.keeps_a ? 0 : rows_.begin;
    return a_pack_ + (rows.begin - first) * plan_.weights.block_depth;
  }

  Span row_tile(int64_t tile) const {
    const Span part = even_part(rows_.size(), row_tiles_, tile);
    return {rows_.begin + part.begin, rows_.begin + part.end};
  }

  const float* a_block() const { return gemm_.a + batch_ * gemm_.a_batch_stride + k_.begin; }

  void pack_a() {
    if (gemm_.m == 1) return;  // one row is already [k][1]
    for (int64_t tile = 0; tile < row_tiles_; ++tile) {
      const Span rows = row_tile(tile);
      const float* from = a_block() + rows.begin * gemm_.k;
      float* to = packed_rows(rows);
      for (int64_t k = 0; k < k_.size(); ++k) {
        for (int64_t r = 0; r < rows.size(); ++r) *to++ = from[r * gemm_.k + k];
      }
    }
  }

  void multiply_panel(int64_t unit) {
    const int64_t first = unit % plan_.weights.tiles * plan_.weights.tile_width;
    const int64_t columns = std::min(plan_.weights.tile_width, gemm_.n - first);
    const int64_t width = ceil_to(columns, plan_.tiles.lanes);
    const float* b;
    if (gemm_.packed_b != nullptr) {
      b = gemm_.packed_b + plan_.weights.offset(unit) - packed_begin_;
    } else {
      gemm_pack_panel(gemm_.b + batch_ * gemm_.b_batch_stride + k_.begin * gemm_.n + first, gemm_.n,
                      1, k_.size(), columns, width, b_pack_);
      b = b_pack_;
    }
    for (int64_t tile = 0; tile < row_tiles_; ++tile) {
      const Span rows = row_tile(tile);
      const float* a = gemm_.m == 1 ? a_block() : packed_rows(rows);
      multiply_tile(a, b, rows, first, columns, width);
    }
  }

  void multiply_tile(const float* a, const float* b, Span rows, int64_t first, int64_t columns,
                     int64_t width) {
    const bool first_block = k_.begin == 0;
    const bool last = k_.end >= gemm_.k;
    const int64_t offset = (batch_ * gemm_.m + rows.begin) * gemm_.n + first;
    float* c = gemm_.c + offset;
    const float* start = first_block ? epilogue_.residual : c;
    if (first_block && start != nullptr) start += offset;
    const float* bias = first_block && epilogue_.bias != nullptr ? epilogue_.bias + first : nullptr;
    const Bounds bounds = last ? bounds_ : Bounds{};
    TileArgs args{.a = a, .b = b, .k = k_.size(), .low = bounds.low, .high = bounds.high};
    const TileFunction multiply = plan_.tiles.function[rows.size()][width / plan_.tiles.lanes];
    alignas(kAlignment) float buffer[kMaxTileRows * kMaxTileColumns];
    alignas(kAlignment) float bias_buffer[kMaxTileColumns];
    if (columns == width) {
      args.c = c;
      args.c_stride = gemm_.n;
      args.start = start;
      args.start_stride = gemm_.n;
      args.column_bias = bias;
      multiply(args);
    } else {
      args.c = buffer;
      args.c_stride = width;
      if (bias != nullptr) {
        std::copy_n(bias, columns, bias_buffer);
        std::fill(bias_buffer + columns, bias_buffer + width, 0.0f);
        args.column_bias = bias_buffer;
      }
      if (start != nullptr) {
        std::fill_n(buffer, rows.size() * width, 0.0f);
        for (int64_t r = 0; r < rows.size(); ++r) {
          std::copy_n(start + r * gemm_.n, columns, buffer + r * width);
        }
        args.start = buffer;
        args.start_stride = width;
      }
      multiply(args);
      for (int64_t r = 0; r < rows.size(); ++r) {
        std::copy_n(buffer + r * width, columns, c + r * gemm_.n);
      }
    }
    if (last && !is_clamp(epilogue_.activation)) {
      for (int64_t r = 0; r < rows.size(); ++r) {
        activate_span(c + r * gemm_.n, c + r * gemm_.n, columns, epilogue_.activation);
      }
    }
  }

  const Plan& plan_;
  const Run& run_;
  const GemmOperands& gemm_;
  const Epilogue& epilogue_;
  int64_t packed_begin_;
  Bounds bounds_;
  float* a_pack_;
  float* b_pack_;
  int64_t batch_ = 0, row_tiles_ = 0;
  Span rows_{}, k_{};
};

void run_units(const Plan& plan, const Run& run, const Operands& operands, Parallel& parallel) {
  const int64_t tasks = operands.gemm.batch * plan.row_blocks * run.column_blocks;
  parallel_for(parallel, static_cast<size_t>(tasks), [&](size_t task, size_t thread) {
    Worker(plan, run, operands, thread).run(static_cast<int64_t>(task));
  });
}

// A row's task packs it, unless several tasks share it and it is to be kept.
void run_range(const Plan& plan, Span units, const Operands& operands, Parallel& parallel) {
  TAOISM_CHECK(operands.scratch.size() >= plan.scratch_bytes(operands.threads));
  Run run{units, plan.column_blocks(operands.gemm, units), true};
  if (!plan.keeps_a || run.column_blocks == 1) return run_units(plan, run, operands, parallel);
  run.packs = false;
  for (int64_t unit = units.begin; unit < units.end; unit = run.units.end) {
    const int64_t block = unit / plan.weights.tiles;
    run.units = {unit, std::min((block + 1) * plan.weights.tiles, units.end)};
    run.column_blocks = plan.column_blocks(operands.gemm, run.units);
    if (unit % plan.weights.tiles == 0) {
      parallel_for(parallel, static_cast<size_t>(plan.row_blocks), [&](size_t rows, size_t thread) {
        Worker(plan, run, operands, thread).pack_rows(block, static_cast<int64_t>(rows));
      });
    }
    run_units(plan, run, operands, parallel);
  }
}

}  // namespace

LinearPacking choose_gemm_packing(int64_t k) {
  return {std::clamp<int64_t>(k, 1, kDepth), tile_set().columns()};
}

bool gemm_applies(int64_t k, const LinearPacking& packing) {
  const TileSet& tiles = tile_set();
  return packing.block_depth > 0 && packing.block_depth <= std::max<int64_t>(k, 1) &&
         packing.tile_width > 0 && packing.tile_width <= tiles.columns() &&
         packing.tile_width % tiles.lanes == 0;
}

WeightTiles gemm_weight_tiles(int64_t k, int64_t n, const LinearPacking& packing) {
  return {1, k, packing.block_depth, ceil_to(n, tile_set().lanes), packing.tile_width};
}

void gemm_pack_panel(const float* b, int64_t row_stride, int64_t column_stride, int64_t depth,
                     int64_t columns, int64_t width, float* packed) {
  for (int64_t k = 0; k < depth; ++k, packed += width) {
    const float* row = b + k * row_stride;
    if (column_stride == 1) {
      std::copy_n(row, columns, packed);
    } else {
      for (int64_t j = 0; j < columns; ++j) packed[j] = row[j * column_stride];
    }
    std::fill(packed + columns, packed + width, 0.0f);
  }
}

size_t gemm_scratch_bytes(const GemmOperands& gemm, size_t threads) {
  return Plan(gemm, threads, Call::whole).scratch_bytes(threads);
}

void gemm(const GemmOperands& gemm, const Epilogue& epilogue, ByteSpan scratch,
          Parallel& parallel) {
  if (gemm.batch == 0 || gemm.m == 0 || gemm.n == 0) return;
  const Plan plan(gemm, parallel.threads(), Call::whole);
  run_range(plan, {0, plan.weights.units()}, {gemm, 0, epilogue, scratch, parallel.threads()},
            parallel);
}

size_t gemm_part_scratch_bytes(const GemmOperands& gemm, size_t threads) {
  return Plan(gemm, threads, Call::part).scratch_bytes(threads);
}

void gemm_part(const GemmOperands& gemm, int64_t begin, int64_t end, const Epilogue& epilogue,
               ByteSpan scratch, Parallel& parallel) {
  const Plan plan(gemm, parallel.threads(), Call::part);
  const Span units{plan.weights.unit_at(begin), plan.weights.unit_at(end)};
  if (units.size() == 0) return;
  run_range(plan, units, {gemm, begin, epilogue, scratch, parallel.threads()}, parallel);
}

}  // namespace taoism::kernels
