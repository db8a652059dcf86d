#include "bench/machine_limits.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <vector>

#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/machine_limits.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// As many independent sums as hide the latency of an FMA. Returns the operations done.
double multiply_add(int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  constexpr int kSums = 12;
  hn::Vec<decltype(d)> sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = hn::Set(d, static_cast<float>(i));
  auto x = hn::Set(d, 0.999f);
  const auto y = hn::Set(d, 0.001f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = hn::MulAdd(sum[i], x, y);
  }
  for (int i = 1; i < kSums; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  alignas(64) float lanes[HWY_LANES(float)];
  hn::Store(sum[0], d, lanes);
  *sink = lanes[0];
  return 2.0 * kSums * static_cast<double>(HWY_LANES(float)) * static_cast<double>(rounds);
}

float read_all(const float* data, int64_t count) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  for (int64_t i = 0; i + 4 * kLanes <= count; i += 4 * kLanes) {
    a = hn::Add(a, hn::Add(hn::LoadU(d, data + i), hn::LoadU(d, data + i + kLanes)));
    b = hn::Add(b,
                hn::Add(hn::LoadU(d, data + i + 2 * kLanes), hn::LoadU(d, data + i + 3 * kLanes)));
  }
  alignas(64) float lanes[HWY_LANES(float)];
  hn::Store(hn::Add(a, b), d, lanes);
  return lanes[0];
}

void copy_all(const float* from, float* to, int64_t count) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  for (int64_t i = 0; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const auto first = hn::LoadU(d, from + i);
    const auto second = hn::LoadU(d, from + i + kLanes);
    hn::StoreU(first, d, to + i);
    hn::StoreU(second, d, to + i + kLanes);
  }
}

}  // namespace taoism::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::bench {
namespace {

// This thread's CPU time: other work on the machine does not count.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <typename Work>
double best_rate(int repetitions, Work&& work) {
  double best = 0;
  for (int i = 0; i < repetitions; ++i) {
    const double begin = thread_seconds();
    const double amount = work();
    best = std::max(best, amount / (thread_seconds() - begin));
  }
  return best;
}

}  // namespace

double fma_peak() {
  volatile float sink = 0;
  return best_rate(20, [&] {
    float result = 0;
    const double done = TAOISM_DISPATCH(multiply_add)(20000, &result);
    sink = result;
    return done;
  });
}

double read_bandwidth() {
  static const std::vector<float> data(size_t{1} << 26, 1.0f);
  volatile float sink = 0;
  return best_rate(5, [&] {
    sink = TAOISM_DISPATCH(read_all)(data.data(), static_cast<int64_t>(data.size()));
    return static_cast<double>(data.size() * sizeof(float));
  });
}

double copy_bandwidth() {
  static const std::vector<float> from(size_t{1} << 25, 1.0f);
  static std::vector<float> to(from.size());
  return best_rate(5, [&] {
    TAOISM_DISPATCH(copy_all)(from.data(), to.data(), static_cast<int64_t>(to.size()));
    return 2.0 * static_cast<double>(to.size() * sizeof(float));
  });
}

}  // namespace taoism::bench
#endif
