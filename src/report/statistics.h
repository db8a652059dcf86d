// Statistics of latency samples, without assuming a distribution. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace taoism::report {

struct Interval {
  double low = 0;
  double high = 0;
};

struct Summary {
  double median = 0;
  // A 95 % confidence interval of the median from order statistics (binomial). With fewer than 6
  // samples no such interval exists: it is the whole range, and ci95_is_range says so.
  Interval ci95;
  bool ci95_is_range = false;
  double min = 0;
  double max = 0;
  std::optional<double> p95;  // from 20 samples on
  std::optional<double> p99;  // from 100 samples on
  size_t n = 0;
};

// `samples` must not be empty.
Summary summarize(std::span<const double> samples);

// 0-based ranks [l, n-1-l] of the narrowest symmetric order-statistic interval that covers the
// median with at least 95 %; nothing when even the whole range does not.
std::optional<size_t> median_interval_rank(size_t n);

// The ratio median(b) / median(a), with a 95 % bootstrap interval (percentiles of `rounds`
// resamples drawn from a generator seeded with `seed`).
struct Ratio {
  double value = 0;
  Interval ci95;
};
Ratio median_ratio(std::span<const double> a, std::span<const double> b, uint64_t seed,
                   size_t rounds = 2000);

}  // namespace taoism::report
