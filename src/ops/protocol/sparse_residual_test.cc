#include <cmath>

#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using Ints = std::vector<int64_t>;

// y + S x + bias for S = [[0, 2, 0], [0, 0, 0], [3, 0, 4]] unless the lists are replaced.
Evaluated run(Ints columns, Ints rows) {
  return evaluate_for_testing("taoism.SparseResidual",
                              attrs_for_testing({{"kind", "linear"}, {"out_channels", int64_t{3}}}),
                              {{{1, 3}, {100, 200, 300}},
                               {{1, 3}, {1, 10, 100}},
                               {{3}, {2, 3, 4}, true},
                               {{3}, {}, true, std::move(columns)},
                               {{4}, {}, true, std::move(rows)},
                               {{3}, {0.5F, 0, 0}, true}});
}

TEST(SparseResidual, KnownValuesAndCost) {
  const auto result = run({1, 0, 2}, {0, 1, 1, 3});
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_EQ(result.values, (std::vector<float>{120.5F, 200, 703}));
  EXPECT_EQ(result.values, result.reference);
  EXPECT_EQ(result.cost.macs, 3u);
  EXPECT_EQ(result.cost.params, 6u);
}

// Nothing has checked the lists before the kernel: whatever they hold, it stays in bounds, and what
// is no list is a fault.
TEST(SparseResidual, AnyListIsSafe) {
  constexpr int64_t kWrong[] = {
      -1, 3, 4, 1 << 20, int64_t{1} << 32, (int64_t{1} << 32) + 1, INT64_MAX, INT64_MIN};
  const auto expect_fault = [](const Evaluated& result) {
    ASSERT_TRUE(result.status.ok());
    EXPECT_EQ(result.outcome.fault, Fault::index_out_of_range);
    EXPECT_EQ(result.run_outcome.fault, Fault::index_out_of_range);
  };
  for (const int64_t wrong : kWrong) {
    for (size_t i = 0; i < 3; ++i) {
      Ints columns = {1, 0, 2};
      columns[i] = wrong;
      expect_fault(run(columns, {0, 1, 1, 3}));
    }
    for (size_t i = 0; i < 4; ++i) {
      Ints rows = {0, 1, 1, 3};
      if (wrong == rows[i] || (wrong == 3 && i == 2)) continue;  // still a list
      rows[i] = wrong;
      expect_fault(run({1, 0, 2}, rows));
    }
  }
  expect_fault(run({1, 0, 2}, {0, 2, 1, 3}));
}

}  // namespace
}  // namespace taoism::ops
