// The choice of kernels against measurements: every convolution of the zoo that Winograd's are for,
// by every kernel there is, in turns on one thread, and how the one that is chosen compares with
// the fastest. Ends with the geometric mean of these ratios and the worst.
//   build/release/bin/winograd_choice_bench [BATCH]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/parallel.h"
#include "bench/zoo_layers.h"
#include "kernels/conv_choice.h"
#include "kernels/target.h"

namespace taoism::bench {
namespace {

using kernels::ConvKernel;

constexpr double kSeconds = 0.15;  // for a layer and choice
constexpr int kTurns = 5;

constexpr ConvKernel kCandidates[] = {
    ConvKernel::gemm_pixels,           ConvKernel::gemm_channels,
    ConvKernel::winograd_2x2_pixels,   ConvKernel::winograd_4x4_pixels,
    ConvKernel::winograd_2x2_channels, ConvKernel::winograd_4x4_channels};

// One layer by one kernel, ready to run.
class Layer {
 public:
  Layer(kernels::Conv2dShape shape, ConvKernel kernel) {
    shape.packing = kernels::conv2d_packing(shape, kernel);
    shape_ = shape;
    const int64_t weights =
        shape.out_channels * shape.in_channels * shape.kernel_h * shape.kernel_w;
    packed_ = AlignedBuffer(kernels::conv2d_packed_bytes(shape));
    kernels::conv2d_pack(shape, filled(weights).as<float>(), packed_.as<float>());
    scratch_ = AlignedBuffer(kernels::conv2d_scratch_bytes(shape, 1));
    input_ = filled(shape.batch * shape.in_channels * shape.in_h * shape.in_w);
    output_ = filled(shape.batch * shape.out_channels * shape.out_h * shape.out_w);
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // Microseconds of the fastest run of one turn.
  double turn() {
    using Clock = std::chrono::steady_clock;
    double best = INFINITY;
    const Clock::time_point end =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(kSeconds / kTurns));
    SerialParallel serial;
    for (Clock::time_point start = Clock::now(); start < end;) {
      kernels::conv2d(shape_, input_.as<float>(), packed_.as<float>(), {}, output_.as<float>(),
                      scratch_.span(), serial);
      const Clock::time_point now = Clock::now();
      best = std::min(best, std::chrono::duration<double, std::micro>(now - start).count());
      start = now;
    }
    return best;
  }

 private:
  static AlignedBuffer filled(int64_t count) {
    AlignedBuffer buffer(static_cast<size_t>(count) * sizeof(float));
    for (int64_t i = 0; i < count; ++i) {
      buffer.as<float>()[i] = static_cast<float>(i * 37 % 101) / 101.0f - 0.5f;
    }
    return buffer;
  }

  kernels::Conv2dShape shape_;
  AlignedBuffer packed_, scratch_, input_, output_;
};

int run(int64_t batch) {
  std::printf("%s, batch %lld, one thread, microseconds\n%-34s", kernels::target_name(),
              static_cast<long long>(batch), "layer");
  for (const ConvKernel kernel : kCandidates) {
    std::printf(" %22s", kernels::conv_kernel_name(kernel));
  }
  std::printf("  chosen / fastest\n");
  double log_sum = 0;
  double worst = 1;
  int count = 0;
  for (const ConvLayer& layer : kZooConvs) {
    const kernels::Conv2dShape shape = layer.shape(batch);
    const ConvKernel picked = kernels::choose_conv2d(shape).kernel;
    const bool is_eligible = picked != ConvKernel::direct &&
                             kernels::conv2d_applies(shape, ConvKernel::winograd_2x2_pixels);
    if (!is_eligible) continue;
    double of_picked = INFINITY;
    std::vector<std::unique_ptr<Layer>> layers;
    for (const ConvKernel kernel : kCandidates) {
      const bool is_there = kernels::conv2d_applies(shape, kernel);
      layers.push_back(is_there ? std::make_unique<Layer>(shape, kernel) : nullptr);
    }
    std::vector<double> best(layers.size(), INFINITY);
    for (int turn = 0; turn < kTurns; ++turn) {
      for (size_t i = 0; i < layers.size(); ++i) {
        if (layers[i]) best[i] = std::min(best[i], layers[i]->turn());
      }
    }
    std::printf("%-34s", layer.name().c_str());
    for (size_t i = 0; i < best.size(); ++i) {
      const bool is_picked = kCandidates[i] == picked;
      if (is_picked) of_picked = best[i];
      if (std::isinf(best[i])) {
        std::printf(" %22s", "-");
      } else {
        std::printf(" %21.0f%c", best[i], is_picked ? '*' : ' ');
      }
    }
    const double ratio = of_picked / *std::min_element(best.begin(), best.end());
    std::printf("  %.2f\n", ratio);
    log_sum += std::log(ratio);
    worst = std::max(worst, ratio);
    ++count;
  }
  std::printf("%d layers: geometric mean %.3f, worst %.2f\n", count, std::exp(log_sum / count),
              worst);
  return 0;
}

}  // namespace
}  // namespace taoism::bench

int main(int argc, char** argv) {
  const int64_t batch = argc > 1 ? std::atoll(argv[1]) : 1;
  if (argc > 2 || batch < 1) {
    std::fprintf(stderr, "usage: winograd_choice_bench [BATCH]\n");
    return 2;
  }
  return taoism::bench::run(batch);
}
