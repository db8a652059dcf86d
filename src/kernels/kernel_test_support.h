// What the kernel tests share: every target of this machine, exact-size random buffers (so that an
// address sanitizer sees any step outside), threads, and comparison with a double-precision result.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/epilogue.h"
#include "kernels/target.h"

namespace taoism::kernels {

// Task i runs on thread i modulo threads().
class TestParallel final : public Parallel {
 public:
  explicit TestParallel(size_t threads) : threads_(threads) {}
  size_t threads() const override { return threads_; }
  void run(size_t count, Task task, void* context) override {
    const auto share = [&](size_t thread) {
      for (size_t i = thread; i < count; i += threads_) task(context, i, thread);
    };
    std::vector<std::thread> others;
    for (size_t t = 1; t < threads_ && t < count; ++t) others.emplace_back(share, t);
    share(0);
    for (std::thread& other : others) other.join();
  }

 private:
  size_t threads_;
};

// Runs body(target) under every target that the machine supports.
template <typename Body>
void for_each_target(Body&& body) {
  const Target before = current_target();
  for (Target target : {Target::portable, Target::avx2, Target::avx512}) {
    if (!force_target_for_testing(target)) continue;
    SCOPED_TRACE(target_name(target));
    body();
  }
  set_target(before);
}

// Scratch full of NaN: nothing may depend on what it holds.
inline AlignedBuffer poisoned_scratch(size_t bytes) {
  AlignedBuffer scratch(bytes);
  std::fill_n(scratch.as<float>(), bytes / sizeof(float), NAN);
  return scratch;
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  std::vector<float> floats(int64_t count, float low = -1.0f, float high = 1.0f) {
    std::uniform_real_distribution<float> distribution(low, high);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values) v = distribution(engine_);
    return values;
  }
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }

 private:
  std::mt19937 engine_;
};

inline double reference_activation(double x, const Activation& a) {
  const auto limit = [](double v, double low, double high) {
    return v < low ? low : (v > high ? high : v);
  };
  switch (a.kind) {
    case ActivationKind::none: return x;
    case ActivationKind::relu: return x < 0 ? 0 : x;
    case ActivationKind::leaky_relu: return x < 0 ? a.a * x : x;
    case ActivationKind::clip: return limit(x, a.a, a.b);
    case ActivationKind::sigmoid: return 1 / (1 + std::exp(-x));
    case ActivationKind::hard_sigmoid: return limit(a.a * x + a.b, 0, 1);
    case ActivationKind::hard_swish: return x * limit(x / 6 + 0.5, 0, 1);
    case ActivationKind::tanh: return std::tanh(x);
    case ActivationKind::erf: return std::erf(x);
    case ActivationKind::gelu: return x * (1 + std::erf(x / std::sqrt(2.0))) / 2;
    case ActivationKind::gelu_tanh:
      return x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
    case ActivationKind::swish: return x / (1 + std::exp(-a.a * x));
    case ActivationKind::elu: return a.b * (x < 0 ? a.a * std::expm1(x) : x);
    case ActivationKind::celu: return x < 0 ? a.a * std::expm1(x / a.a) : x;
    case ActivationKind::mish: break;
  }
  return x * std::tanh(std::log1p(std::exp(x)));
}

inline std::vector<Activation> all_activations() {
  return {{ActivationKind::none},
          {ActivationKind::relu},
          {ActivationKind::leaky_relu, 0.1f},
          {ActivationKind::clip, -0.25f, 0.5f},
          {ActivationKind::sigmoid},
          {ActivationKind::hard_sigmoid, 0.2f, 0.5f},
          {ActivationKind::hard_swish},
          {ActivationKind::tanh},
          {ActivationKind::erf},
          {ActivationKind::gelu},
          {ActivationKind::gelu_tanh},
          {ActivationKind::swish, 1.0f},
          {ActivationKind::elu, 0.7f, 1.2f},
          {ActivationKind::celu, 0.7f},
          {ActivationKind::mish}};
}

// One sum with the sum of its terms' magnitudes, by which its rounding error is measured.
struct Sum {
  double value = 0, magnitude = 0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
  }
};

// Compares and reports the first difference only.
inline void expect_close(const std::vector<float>& got, const std::vector<Sum>& want,
                         const Activation& activation, double tolerance = 4e-6) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const double expected = reference_activation(want[i].value, activation);
    const double error = std::abs(got[i] - expected);
    ASSERT_LE(error, tolerance * (1.0 + want[i].magnitude))
        << "element " << i << ": got " << got[i] << ", want " << expected;
  }
}

}  // namespace taoism::kernels
