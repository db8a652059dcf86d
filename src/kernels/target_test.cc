#include "kernels/target.h"

#include <gtest/gtest.h>

namespace taoism::kernels {
namespace {

TEST(Target, BestIsUsedUntilToldOtherwise) {
  EXPECT_EQ(current_target(), best_target());
  EXPECT_TRUE(target_supported(current_target()));
  EXPECT_TRUE(force_target_for_testing(Target::portable));
  EXPECT_STREQ(target_name(), "portable");
  set_target(best_target());
}

TEST(Target, UnsupportedIsRefused) {
  for (int i = 0; i < kTargetCount; ++i) {
    const auto target = static_cast<Target>(i);
    EXPECT_EQ(force_target_for_testing(target), target_supported(target)) << target_name(target);
  }
  set_target(best_target());
}

}  // namespace
}  // namespace taoism::kernels
