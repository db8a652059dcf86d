#include "report/statistics.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/status.h"

namespace taoism::report {
namespace {

double median_of_sorted(std::span<const double> sorted) {
  size_t n = sorted.size();
  return n % 2 == 1 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

// The sample at or above which a share `q` of all samples lies (nearest rank).
double percentile_of_sorted(std::span<const double> sorted, double q) {
  auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

double median_in_place(std::vector<double>& values) {
  size_t half = values.size() / 2;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(half);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

void resample(std::span<const double> from, std::vector<double>& to, std::mt19937_64& random) {
  to.resize(from.size());
  for (double& value : to) value = from[random() % from.size()];
}

}  // namespace

std::optional<size_t> median_interval_rank(size_t n) {
  // The interval [x_l, x_{n-1-l}] misses the median with probability 2 P(B <= l), B ~ Bin(n, 1/2).
  std::optional<size_t> best;
  double log_term = -static_cast<double>(n) * std::log(2.0);  // log P(B = 0)
  double below = 0;
  for (size_t l = 0; 2 * l + 1 < n; ++l) {
    below += std::exp(log_term);
    if (2 * below > 0.05) break;
    best = l;
    log_term += std::log(static_cast<double>(n - l)) - std::log(static_cast<double>(l + 1));
  }
  return best;
}

Summary summarize(std::span<const double> samples) {
  TAOISM_CHECK(!samples.empty());
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  Summary summary;
  summary.n = sorted.size();
  summary.median = median_of_sorted(sorted);
  summary.min = sorted.front();
  summary.max = sorted.back();
  std::optional<size_t> rank = median_interval_rank(sorted.size());
  summary.ci95_is_range = !rank.has_value();
  size_t l = rank.value_or(0);
  summary.ci95 = {sorted[l], sorted[sorted.size() - 1 - l]};
  if (summary.n >= 20) summary.p95 = percentile_of_sorted(sorted, 0.95);
  if (summary.n >= 100) summary.p99 = percentile_of_sorted(sorted, 0.99);
  return summary;
}

Ratio median_ratio(std::span<const double> a, std::span<const double> b, uint64_t seed,
                   size_t rounds) {
  TAOISM_CHECK(!a.empty() && !b.empty() && rounds > 0);
  std::mt19937_64 random(seed);
  std::vector<double> values_a(a.begin(), a.end());
  std::vector<double> values_b(b.begin(), b.end());
  Ratio ratio;
  ratio.value = median_in_place(values_b) / median_in_place(values_a);
  std::vector<double> ratios(rounds);
  for (double& r : ratios) {
    resample(a, values_a, random);
    resample(b, values_b, random);
    r = median_in_place(values_b) / median_in_place(values_a);
  }
  std::sort(ratios.begin(), ratios.end());
  ratio.ci95 = {percentile_of_sorted(ratios, 0.025), percentile_of_sorted(ratios, 0.975)};
  return ratio;
}

}  // namespace taoism::report
