#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

TEST(Restore, ScalesAndAddsTheChannelsBias) {
  const auto result =
      evaluate_for_testing("taoism.Restore", attrs_for_testing({{"scale", 0.5F}}),
                           {{{2, 2, 2}, {2, 4, 6, 8, 10, 12, 14, 16}}, {{2}, {100, 200}, true}});
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_EQ(result.values, (std::vector<float>{101, 102, 203, 204, 105, 106, 207, 208}));
  EXPECT_EQ(result.cost.macs, 8u);
  EXPECT_EQ(result.cost.params, 2u);
}

}  // namespace
}  // namespace taoism::ops
