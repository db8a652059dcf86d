// Winograd's cost rule against measurements: every convolution of the zoo that it is for, by every
// choice there is, in turns on one thread, and how the one that the rule picks compares with the
// fastest. Ends with the geometric mean of these ratios and the worst.
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
#include "kernels/conv2d.h"
#include "kernels/conv_stem.h"
#include "kernels/target.h"
#include "kernels/winograd.h"

namespace taoism::bench {
namespace {

using kernels::ConvForm;
using kernels::WinogradChoice;

constexpr double kSeconds = 0.15;  // for a layer and choice
constexpr int kTurns = 5;

struct Candidate {
  const char* name;
  WinogradChoice choice;
};
constexpr Candidate kCandidates[] = {
    {"direct", {0, ConvForm::pixels}},         {"2x2_pixels", {2, ConvForm::pixels}},
    {"4x4_pixels", {4, ConvForm::pixels}},     {"2x2_channels", {2, ConvForm::channels}},
    {"4x4_channels", {4, ConvForm::channels}},
};

// One layer by one choice, ready to run.
class Layer {
 public:
  Layer(const kernels::Conv2dShape& shape, const WinogradChoice& choice)
      : shape_(shape), choice_(choice) {
    kernels::force_winograd_for_testing(&choice_);
    const int64_t weights =
        shape.out_channels * shape.in_channels * shape.kernel_h * shape.kernel_w;
    packed_ = AlignedBuffer(kernels::conv2d_packed_bytes(shape));
    kernels::conv2d_pack(shape, filled(weights).as<float>(), packed_.as<float>());
    scratch_ = AlignedBuffer(kernels::conv2d_scratch_bytes(shape, 1));
    kernels::force_winograd_for_testing(nullptr);
    input_ = filled(shape.batch * shape.in_channels * shape.in_h * shape.in_w);
    output_ = filled(shape.batch * shape.out_channels * shape.out_h * shape.out_w);
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // Microseconds of the fastest run of one turn.
  double turn() {
    using Clock = std::chrono::steady_clock;
    kernels::force_winograd_for_testing(&choice_);
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
    kernels::force_winograd_for_testing(nullptr);
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
  WinogradChoice choice_;
  AlignedBuffer packed_, scratch_, input_, output_;
};

int run(int64_t batch) {
  std::printf("%s, batch %lld, one thread, microseconds\n%-34s", kernels::target_name(),
              static_cast<long long>(batch), "layer");
  for (const Candidate& candidate : kCandidates) std::printf(" %13s", candidate.name);
  std::printf("  picked / fastest\n");
  double log_sum = 0;
  double worst = 1;
  int count = 0;
  for (const ConvLayer& layer : kZooConvs) {
    const kernels::Conv2dShape shape = layer.shape(batch);
    const WinogradChoice picked = kernels::winograd_choice(shape);
    const bool is_eligible = layer.groups == 1 && layer.stride == 1 &&
                             (layer.kernel == 3 || layer.kernel == 5) &&
                             !kernels::is_conv_stem(shape);
    if (!is_eligible) continue;
    double of_picked = INFINITY;
    std::vector<std::unique_ptr<Layer>> layers;
    for (const Candidate& candidate : kCandidates) {
      // 5x5 has no tiles of 4x4.
      const bool is_there = layer.kernel == 3 || candidate.choice.tile != 4;
      layers.push_back(is_there ? std::make_unique<Layer>(shape, candidate.choice) : nullptr);
    }
    std::vector<double> best(layers.size(), INFINITY);
    for (int turn = 0; turn < kTurns; ++turn) {
      for (size_t i = 0; i < layers.size(); ++i) {
        if (layers[i]) best[i] = std::min(best[i], layers[i]->turn());
      }
    }
    std::printf("%-34s", layer.name().c_str());
    for (size_t i = 0; i < best.size(); ++i) {
      const WinogradChoice& choice = kCandidates[i].choice;
      const bool is_picked =
          choice.tile == picked.tile && (choice.tile == 0 || choice.form == picked.form);
      if (is_picked) of_picked = best[i];
      if (std::isinf(best[i])) {
        std::printf(" %13s", "-");
      } else {
        std::printf(" %12.0f%c", best[i], is_picked ? '*' : ' ');
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
