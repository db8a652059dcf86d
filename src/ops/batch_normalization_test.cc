#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

TEST(BatchNormalization, KnownValuesAndCost) {
  const auto result =
      evaluate_for_testing("BatchNormalization", attrs_for_testing({{"epsilon", 1.0F}}),
                           {{{1, 2, 2}, {1, 2, 3, 4}},
                            {{2}, {2, 1}, true},
                            {{2}, {0, 10}, true},
                            {{2}, {1, 3}, true},
                            {{2}, {3, 0}, true}});
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_EQ(result.values, (std::vector<float>{0, 1, 10, 11}));
  EXPECT_EQ(result.cost.macs, 8u);
  EXPECT_EQ(result.cost.params, 4u);
}

}  // namespace
}  // namespace taoism::ops
