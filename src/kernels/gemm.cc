#include "kernels/gemm.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/tile.h"

namespace taoism::kernels {
namespace {

// Rows of k in one go, and rows of A that a task keeps packed.
constexpr int64_t kDepth = 512;
constexpr int64_t kRows = 192;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t ceil_to(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

struct Span {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
Span even_part(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

// How one call is cut up: tasks = batch x row blocks x column blocks.
struct Plan {
  Plan(const GemmOperands& gemm, size_t threads) : tiles(tile_set()) {
    row_blocks = ceil_div(gemm.m, kRows);
    block_rows = ceil_div(gemm.m, row_blocks);
    panels = ceil_div(gemm.n, tiles.columns());
    depth =
        gemm.m == 1 && gemm.packed_b != nullptr ? gemm.k : std::clamp<int64_t>(gemm.k, 1, kDepth);
    const auto workers = static_cast<int64_t>(threads);
    const int64_t wanted = workers == 1 ? 1 : 4 * workers;
    column_blocks = std::clamp<int64_t>(ceil_div(wanted, gemm.batch * row_blocks), 1, panels);
    a_elems = gemm.m == 1 ? 0 : block_rows * depth;
    b_elems = gemm.packed_b != nullptr ? 0 : depth * tiles.columns();
  }
  size_t thread_bytes() const {
    return round_up(static_cast<size_t>(a_elems) * sizeof(float), kAlignment) +
           round_up(static_cast<size_t>(b_elems) * sizeof(float), kAlignment);
  }

  const TileSet& tiles;
  int64_t row_blocks, block_rows, panels, depth, column_blocks, a_elems, b_elems;
};

class Worker {
 public:
  Worker(const Plan& plan, const GemmOperands& gemm, const Epilogue& epilogue, std::byte* scratch)
      : plan_(plan), gemm_(gemm), epilogue_(epilogue), bounds_(bounds_of(epilogue.activation)) {
    a_pack_ = reinterpret_cast<float*>(scratch);
    b_pack_ = reinterpret_cast<float*>(
        scratch + round_up(static_cast<size_t>(plan.a_elems) * sizeof(float), kAlignment));
  }

  void run(int64_t task) {
    const Span panels = even_part(plan_.panels, plan_.column_blocks, task % plan_.column_blocks);
    const int64_t block = task / plan_.column_blocks % plan_.row_blocks;
    batch_ = task / plan_.column_blocks / plan_.row_blocks;
    rows_ = even_part(gemm_.m, plan_.row_blocks, block);
    row_tiles_ = ceil_div(rows_.size(), plan_.tiles.rows);
    for (k_begin_ = 0; k_begin_ == 0 || k_begin_ < gemm_.k; k_begin_ += plan_.depth) {
      depth_ = std::min(plan_.depth, gemm_.k - k_begin_);
      pack_a();
      for (int64_t panel = panels.begin; panel < panels.end; ++panel) multiply_panel(panel);
    }
  }

 private:
  Span row_tile(int64_t tile) const {
    const Span part = even_part(rows_.size(), row_tiles_, tile);
    return {rows_.begin + part.begin, rows_.begin + part.end};
  }

  const float* a_block() const { return gemm_.a + batch_ * gemm_.a_batch_stride + k_begin_; }

  void pack_a() {
    if (gemm_.m == 1) return;  // one row is already [k][1]
    float* to = a_pack_;
    for (int64_t tile = 0; tile < row_tiles_; ++tile) {
      const Span rows = row_tile(tile);
      const float* from = a_block() + rows.begin * gemm_.k;
      for (int64_t k = 0; k < depth_; ++k) {
        for (int64_t r = 0; r < rows.size(); ++r) *to++ = from[r * gemm_.k + k];
      }
    }
  }

  void multiply_panel(int64_t panel) {
    const int64_t first = panel * plan_.tiles.columns();
    const int64_t columns = std::min(plan_.tiles.columns(), gemm_.n - first);
    const int64_t width = ceil_to(columns, plan_.tiles.lanes);
    const float* b;
    if (gemm_.packed_b != nullptr) {
      b = gemm_.packed_b + first * gemm_.k + k_begin_ * width;
    } else {
      gemm_pack_panel(gemm_.b + batch_ * gemm_.b_batch_stride + k_begin_ * gemm_.n + first, gemm_.n,
                      1, depth_, columns, width, b_pack_);
      b = b_pack_;
    }
    for (int64_t tile = 0; tile < row_tiles_; ++tile) {
      const Span rows = row_tile(tile);
      const float* a = gemm_.m == 1 ? a_block() : a_pack_ + (rows.begin - rows_.begin) * depth_;
      multiply_tile(a, b, rows, first, columns, width);
    }
  }

  void multiply_tile(const float* a, const float* b, Span rows, int64_t first, int64_t columns,
                     int64_t width) {
    const bool last = k_begin_ + depth_ >= gemm_.k;
    const int64_t offset = (batch_ * gemm_.m + rows.begin) * gemm_.n + first;
    float* c = gemm_.c + offset;
    const float* start = k_begin_ != 0 ? c : epilogue_.residual;
    if (k_begin_ == 0 && start != nullptr) start += offset;
    const float* bias =
        k_begin_ == 0 && epilogue_.bias != nullptr ? epilogue_.bias + first : nullptr;
    const Bounds bounds = last ? bounds_ : Bounds{};
    TileArgs args{.a = a, .b = b, .k = depth_, .low = bounds.low, .high = bounds.high};
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
  const GemmOperands& gemm_;
  const Epilogue& epilogue_;
  Bounds bounds_;
  float* a_pack_;
  float* b_pack_;
  int64_t batch_ = 0, k_begin_ = 0, depth_ = 0, row_tiles_ = 0;
  Span rows_{};
};

}  // namespace

int64_t gemm_packed_width(int64_t n) { return ceil_to(n, tile_set().lanes); }

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
  return threads * Plan(gemm, threads).thread_bytes();
}

void gemm(const GemmOperands& gemm, const Epilogue& epilogue, ByteSpan scratch,
          Parallel& parallel) {
  if (gemm.batch == 0 || gemm.m == 0 || gemm.n == 0) return;
  const Plan plan(gemm, parallel.threads());
  const size_t thread_bytes = plan.thread_bytes();
  TAOISM_CHECK(scratch.size() >= parallel.threads() * thread_bytes);
  const int64_t tasks = gemm.batch * plan.row_blocks * plan.column_blocks;
  parallel_for(parallel, static_cast<size_t>(tasks), [&](size_t task, size_t thread) {
    Worker(plan, gemm, epilogue, scratch.data() + thread * thread_bytes)
        .run(static_cast<int64_t>(task));
  });
}

}  // namespace taoism::kernels
