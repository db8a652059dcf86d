#include "report/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace taoism::report {
namespace {

std::vector<double> one_to(size_t n) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

// 1-based ranks of the published tables for the 95 % interval of a median.
TEST(Statistics, MedianIntervalRanksMatchTheTables) {
  struct Row {
    size_t n, low, high;
  };
  for (Row row : {Row{6, 1, 6}, Row{9, 2, 8}, Row{10, 2, 9}, Row{15, 4, 12}, Row{20, 6, 15},
                  Row{25, 8, 18}, Row{50, 18, 33}, Row{70, 27, 44}, Row{100, 40, 61}}) {
    std::optional<size_t> l = median_interval_rank(row.n);
    ASSERT_TRUE(l.has_value()) << row.n;
    EXPECT_EQ(*l + 1, row.low) << row.n;
    EXPECT_EQ(row.n - *l, row.high) << row.n;
  }
  for (size_t n = 0; n < 6; ++n) EXPECT_FALSE(median_interval_rank(n).has_value()) << n;
  EXPECT_TRUE(median_interval_rank(20000).has_value());
}

TEST(Statistics, SummarizesWithoutInventingTails) {
  Summary five = summarize(one_to(5));
  EXPECT_EQ(five.median, 3);
  EXPECT_TRUE(five.ci95_is_range);
  EXPECT_EQ(five.ci95.low, 1);
  EXPECT_EQ(five.ci95.high, 5);
  EXPECT_FALSE(summarize(one_to(19)).p95.has_value());
  EXPECT_EQ(summarize(one_to(20)).p95, 19);
  EXPECT_FALSE(summarize(one_to(99)).p99.has_value());
  EXPECT_EQ(summarize(one_to(100)).p99, 99);
  EXPECT_EQ(summarize(one_to(100)).median, 50.5);
  EXPECT_FALSE(summarize(one_to(10)).ci95_is_range);
  EXPECT_EQ(summarize(one_to(1)).median, 1);
}

// The interval is what it says: it misses the true median in at most about 5 % of experiments.
TEST(Statistics, IntervalCoversTheMedian) {
  std::mt19937_64 random(3);
  std::exponential_distribution<double> skewed(1.0);
  const double truth = std::log(2.0);
  int missed = 0;
  constexpr int kExperiments = 4000;
  for (int e = 0; e < kExperiments; ++e) {
    std::vector<double> samples(31);
    for (double& s : samples) s = skewed(random);
    Interval ci = summarize(samples).ci95;
    missed += truth < ci.low || truth > ci.high;
  }
  EXPECT_LT(missed, kExperiments * 0.06);
  EXPECT_GT(missed, kExperiments * 0.01);
}

TEST(Statistics, RatioOfMedians) {
  std::vector<double> a(40), b(40), c(40);
  std::mt19937_64 random(5);
  std::normal_distribution<double> noise(0, 0.1);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = 10 + noise(random);
    b[i] = 12 + noise(random);
    c[i] = 10 + noise(random);
  }
  Ratio slower = median_ratio(a, b, 1);
  EXPECT_NEAR(slower.value, 1.2, 0.02);
  EXPECT_GT(slower.ci95.low, 1.15);
  EXPECT_LT(slower.ci95.high, 1.25);
  Ratio same = median_ratio(a, c, 1);
  EXPECT_LT(same.ci95.low, 1.0);
  EXPECT_GT(same.ci95.high, 1.0);
  EXPECT_EQ(median_ratio(a, b, 1).ci95.low, slower.ci95.low);
}

}  // namespace
}  // namespace taoism::report
