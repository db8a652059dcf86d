// Kernels on every convolution of the zoo and on other layers, each with its share of a limit of
// this machine that is measured beside it: `peak_share` of the FMA rate times threads,
// `bandwidth_share` of the rate at which one thread reads memory, or copies it, where a kernel
// writes as much as it reads. One thread is timed by its CPU clock, so that other work on the
// machine counts less; more threads by the wall clock, which needs an idle machine.
//   build/release/bin/kernels_bench --benchmark_filter=resnet18
//   TAOISM_BENCH_TARGET=avx2 build/release/bin/kernels_bench
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "bench/machine_limits.h"
#include "bench/zoo_layers.h"
#include "device/thread_pool.h"
#include "kernels/conv_choice.h"
#include "kernels/elementwise.h"
#include "kernels/linear.h"
#include "kernels/matmul.h"
#include "kernels/normalize.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/target.h"

namespace taoism::bench {
namespace {

using kernels::Conv2dShape;

AlignedBuffer filled(int64_t count) {
  AlignedBuffer buffer(static_cast<size_t>(count) * sizeof(float));
  for (int64_t i = 0; i < count; ++i) {
    buffer.as<float>()[i] = static_cast<float>(i * 37 % 101) / 101.0f - 0.5f;
  }
  return buffer;
}

double best_bandwidth(double (*bandwidth)()) {
  static std::map<double (*)(), double> known;
  double& best = known[bandwidth];
  best = std::max(best, bandwidth());
  return best;
}

// Counts what an iteration does against the limits, measured right before and after the loop.
class Shares {
 public:
  Shares(double operations, double bytes, double (*bandwidth)() = read_bandwidth)
      : operations_(operations), bytes_(bytes), bandwidth_(bandwidth), peak_(fma_peak()) {}
  void report(benchmark::State& state, size_t threads) {
    peak_ = std::max(peak_, fma_peak());
    const auto share = [&](double amount, double limit) {
      return benchmark::Counter(amount / limit, benchmark::Counter::kIsIterationInvariantRate);
    };
    if (operations_ > 0) {
      state.counters["GFLOP/s"] = share(operations_, 1e9);
      state.counters["peak_share"] = share(operations_, peak_ * static_cast<double>(threads));
    }
    if (bytes_ > 0) {
      state.counters["GB/s"] = share(bytes_, 1e9);
      state.counters["bandwidth_share"] = share(bytes_, best_bandwidth(bandwidth_));
    }
  }

 private:
  double operations_, bytes_;
  double (*bandwidth_)();
  double peak_;
};

void run_conv(benchmark::State& state, const Conv2dShape& shape, size_t threads) {
  Conv2dShape s = shape;
  s.packing = kernels::choose_conv2d(shape);
  const int64_t weights = s.out_channels * s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  AlignedBuffer input = filled(s.batch * s.in_channels * s.in_h * s.in_w);
  AlignedBuffer packed(kernels::conv2d_packed_bytes(s));
  kernels::conv2d_pack(s, filled(weights).as<float>(), packed.as<float>());
  AlignedBuffer bias = filled(s.out_channels);
  AlignedBuffer output = filled(s.batch * s.out_channels * s.out_h * s.out_w);
  AlignedBuffer scratch(kernels::conv2d_scratch_bytes(s, threads));
  kernels::Epilogue epilogue;
  epilogue.bias = bias.as<float>();
  epilogue.activation.kind = kernels::ActivationKind::relu;
  device::ThreadPool pool(threads);
  Shares shares(2.0 * static_cast<double>(weights * s.batch * s.out_h * s.out_w), 0);
  for (auto _ : state) {
    kernels::conv2d(s, input.as<float>(), packed.as<float>(), epilogue, output.as<float>(),
                    scratch.span(), pool);
    benchmark::ClobberMemory();
  }
  shares.report(state, threads);
  state.SetLabel(kernels::conv_kernel_name(s.packing.kernel));
}

void run_linear(benchmark::State& state, const kernels::LinearShape& shape, size_t threads) {
  kernels::LinearShape s = shape;
  s.packing = kernels::choose_linear(shape);
  AlignedBuffer x = filled(s.rows * s.in_features);
  AlignedBuffer packed(kernels::linear_packed_bytes(s));
  kernels::linear_pack(s, filled(s.in_features * s.out_features).as<float>(), false,
                       packed.as<float>());
  AlignedBuffer y = filled(s.rows * s.out_features);
  AlignedBuffer scratch(kernels::linear_scratch_bytes(s, threads));
  device::ThreadPool pool(threads);
  const auto weights = static_cast<double>(s.in_features * s.out_features);
  Shares shares(2.0 * weights * static_cast<double>(s.rows), weights * sizeof(float));
  for (auto _ : state) {
    kernels::linear(s, x.as<float>(), packed.as<float>(), {}, y.as<float>(), scratch.span(), pool);
    benchmark::ClobberMemory();
  }
  shares.report(state, threads);
}

void run_matmul(benchmark::State& state, int64_t size, size_t threads) {
  kernels::MatmulShape s;
  s.m = s.n = s.k = size;
  AlignedBuffer a = filled(size * size);
  AlignedBuffer b = filled(size * size);
  AlignedBuffer c = filled(size * size);
  AlignedBuffer scratch(kernels::matmul_scratch_bytes(s, threads));
  device::ThreadPool pool(threads);
  Shares shares(2.0 * static_cast<double>(size * size * size), 0);
  for (auto _ : state) {
    kernels::matmul(s, a.as<float>(), b.as<float>(), c.as<float>(), scratch.span(), pool);
    benchmark::ClobberMemory();
  }
  shares.report(state, threads);
}

void run_max_pool(benchmark::State& state, size_t threads) {
  kernels::Pool2dShape s;
  s.channels = 64;
  s.in_h = s.in_w = 112;
  s.out_h = s.out_w = 56;
  s.kernel_h = s.kernel_w = 3;
  s.stride_h = s.stride_w = 2;
  s.pad_top = s.pad_left = 1;
  AlignedBuffer input = filled(s.channels * s.in_h * s.in_w);
  AlignedBuffer output = filled(s.channels * s.out_h * s.out_w);
  device::ThreadPool pool(threads);
  Shares shares(0, static_cast<double>(input.size() + output.size()));
  for (auto _ : state) {
    kernels::max_pool2d(s, input.as<float>(), output.as<float>(), pool);
    benchmark::ClobberMemory();
  }
  shares.report(state, threads);
}

// What a kernel does with kStreamed floats, far more than the caches hold, and as many or fewer
// that it writes.
struct Stream {
  const char* name;
  int64_t writes;
  void (*run)(const float* x, float* y, Parallel& parallel);
};
constexpr int64_t kStreamed = 1 << 24;  // floats: 64 MiB
constexpr int64_t kRow = 768;

void run_unary(kernels::UnaryOp op, const float* x, float* y, Parallel& parallel) {
  kernels::unary(op, x, y, kStreamed, parallel);
}
void run_activation(kernels::ActivationKind kind, const float* x, float* y, Parallel& parallel) {
  kernels::activate(x, y, kStreamed, {kind, 1.0f}, parallel);
}
const float* row_factors() {
  static const AlignedBuffer factors = filled(kRow);
  return factors.as<float>();
}

using kernels::ActivationKind;
using kernels::Reduction;
using kernels::UnaryOp;
constexpr kernels::AxisShape kRows = {.outer = kStreamed / kRow, .axis = kRow};
constexpr kernels::AxisShape kPlanes = {.outer = kStreamed / 784, .axis = 784};
constexpr kernels::AxisShape kColumns = {.outer = 4, .axis = 1024, .inner = kStreamed / 4096};
const Stream kStreams[] = {
    {"relu", kStreamed, [](auto... args) { run_activation(ActivationKind::relu, args...); }},
    {"sigmoid", kStreamed, [](auto... args) { run_activation(ActivationKind::sigmoid, args...); }},
    {"tanh", kStreamed, [](auto... args) { run_activation(ActivationKind::tanh, args...); }},
    {"gelu", kStreamed, [](auto... args) { run_activation(ActivationKind::gelu, args...); }},
    {"gelu_tanh", kStreamed,
     [](auto... args) { run_activation(ActivationKind::gelu_tanh, args...); }},
    {"swish", kStreamed, [](auto... args) { run_activation(ActivationKind::swish, args...); }},
    {"hard_swish", kStreamed,
     [](auto... args) { run_activation(ActivationKind::hard_swish, args...); }},
    {"exp", kStreamed, [](auto... args) { run_unary(UnaryOp::exp, args...); }},
    {"log", kStreamed, [](auto... args) { run_unary(UnaryOp::log, args...); }},
    {"sqrt", kStreamed, [](auto... args) { run_unary(UnaryOp::sqrt, args...); }},
    {"softplus", kStreamed, [](auto... args) { run_unary(UnaryOp::softplus, args...); }},
    {"add_halves", kStreamed / 2,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::binary(kernels::BinaryOp::add, x, x + kStreamed / 2, y, kStreamed / 2, {},
                       parallel);
     }},
    {"scale_shift", kStreamed,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::scale_shift(kStreamed / (64 * 784), 64, 784, x, row_factors(), row_factors(), y, {},
                            parallel);
     }},
    {"softmax_rows", kStreamed,
     [](const float* x, float* y, Parallel& parallel) { kernels::softmax(kRows, x, y, parallel); }},
    {"softmax_columns", kStreamed,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::softmax({1, 16, kStreamed / 16}, x, y, parallel);
     }},
    {"layer_norm", kStreamed,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::normalize_rows({.rows = kStreamed / kRow, .count = kRow, .epsilon = 1e-5f}, x,
                               row_factors(), row_factors(), y, parallel);
     }},
    {"reduce_sum_rows", kRows.outer,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::reduce(Reduction::sum, kRows, x, y, parallel);
     }},
    {"reduce_max_rows", kRows.outer,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::reduce(Reduction::max, kRows, x, y, parallel);
     }},
    {"reduce_l2_rows", kRows.outer,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::reduce(Reduction::l2, kRows, x, y, parallel);
     }},
    {"reduce_mean_columns", kColumns.outer* kColumns.inner,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::reduce(Reduction::mean, kColumns, x, y, parallel);
     }},
    {"log_sum_exp_rows", kRows.outer,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::reduce(Reduction::log_sum_exp, kRows, x, y, parallel);
     }},
    {"global_average_pool_28x28", kPlanes.outer,
     [](const float* x, float* y, Parallel& parallel) {
       kernels::reduce(Reduction::mean, kPlanes, x, y, parallel);
     }},
};

void run_stream(benchmark::State& state, const Stream& s, size_t threads) {
  AlignedBuffer x = filled(kStreamed);
  for (int64_t i = 0; i < kStreamed; ++i) x.as<float>()[i] += 0.51f;  // what has a logarithm
  AlignedBuffer y = filled(s.writes);
  device::ThreadPool pool(threads);
  Shares shares(0, static_cast<double>((kStreamed + s.writes) * int64_t{sizeof(float)}),
                s.writes < kStreamed / 2 ? read_bandwidth : copy_bandwidth);
  for (auto _ : state) {
    s.run(x.as<float>(), y.as<float>(), pool);
    benchmark::ClobberMemory();
  }
  shares.report(state, threads);
}

template <typename Run>
void add(const std::string& name, size_t threads, Run&& run) {
  auto* added = benchmark::RegisterBenchmark(name.c_str(), std::forward<Run>(run))
                    ->Unit(benchmark::kMicrosecond);
  if (threads > 1) added->UseRealTime();
}

void register_all() {
  for (const size_t threads : {1, 2}) {
    const std::string suffix = "/threads:" + std::to_string(threads);
    for (const ConvLayer& layer : kZooConvs) {
      for (const int64_t batch : {1, 8}) {
        add(layer.name() + "/batch:" + std::to_string(batch) + suffix, threads,
            [s = layer.shape(batch), threads](benchmark::State& state) {
              run_conv(state, s, threads);
            });
      }
    }
    for (const kernels::LinearShape& s :
         {kernels::LinearShape{1, 512, 1000}, kernels::LinearShape{1, 1280, 1000},
          kernels::LinearShape{1, 2048, 1000}, kernels::LinearShape{1, 4096, 1000},
          kernels::LinearShape{1, 4096, 4096}, kernels::LinearShape{1, 9216, 4096},
          kernels::LinearShape{1, 25088, 4096}, kernels::LinearShape{8, 4096, 4096},
          kernels::LinearShape{64, 512, 1000}}) {
      add("linear/" + std::to_string(s.in_features) + "x" + std::to_string(s.out_features) +
              "/batch:" + std::to_string(s.rows) + suffix,
          threads, [s, threads](benchmark::State& state) { run_linear(state, s, threads); });
    }
    for (const int64_t size : {128, 768}) {
      add("matmul/" + std::to_string(size) + suffix, threads,
          [size, threads](benchmark::State& state) { run_matmul(state, size, threads); });
    }
    for (const Stream& s : kStreams) {
      add(std::string("stream/") + s.name + suffix, threads,
          [&s, threads](benchmark::State& state) { run_stream(state, s, threads); });
    }
    add("max_pool/3x3_s2_112x112x64" + suffix, threads,
        [threads](benchmark::State& state) { run_max_pool(state, threads); });
  }
}

// Lets the environment choose a narrower target than the best; false when it cannot be had.
bool choose_target() {
  const char* wanted = std::getenv("TAOISM_BENCH_TARGET");
  if (wanted == nullptr) return true;
  for (int i = 0; i < kernels::kTargetCount; ++i) {
    const auto target = static_cast<kernels::Target>(i);
    if (std::strcmp(kernels::target_name(target), wanted) == 0) {
      return kernels::force_target_for_testing(target);
    }
  }
  return false;
}

}  // namespace
}  // namespace taoism::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!taoism::bench::choose_target()) {
    std::fprintf(stderr, "TAOISM_BENCH_TARGET: this machine does not have it; use portable\n");
    return 2;
  }
  benchmark::AddCustomContext("target", taoism::kernels::target_name());
  benchmark::AddCustomContext("fma_peak_gflops", std::to_string(taoism::bench::fma_peak() * 1e-9));
  benchmark::AddCustomContext("read_gbytes_per_s",
                              std::to_string(taoism::bench::read_bandwidth() * 1e-9));
  benchmark::AddCustomContext("copy_gbytes_per_s",
                              std::to_string(taoism::bench::copy_bandwidth() * 1e-9));
  taoism::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
