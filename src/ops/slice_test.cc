#include <limits>

#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using Ints = std::vector<int64_t>;

std::vector<float> slice_of_six(int64_t start, int64_t end, int64_t step) {
  const auto result = evaluate_for_testing(
      "Slice",
      attrs_for_testing({{"starts", Ints{start}}, {"ends", Ints{end}}, {"steps", Ints{step}}}),
      {{{6}, {0, 1, 2, 3, 4, 5}}});
  EXPECT_EQ(result.values, result.reference);
  return result.values;
}

TEST(Slice, FollowsNumpy) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = -kMax - 1;
  using Floats = std::vector<float>;
  EXPECT_EQ(slice_of_six(1, 4, 1), (Floats{1, 2, 3}));
  EXPECT_EQ(slice_of_six(-2, kMax, 1), (Floats{4, 5}));
  EXPECT_EQ(slice_of_six(0, 6, 4), (Floats{0, 4}));
  EXPECT_EQ(slice_of_six(-1, kMin, -1), (Floats{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(slice_of_six(kMax, 0, -2), (Floats{5, 3, 1}));
  EXPECT_EQ(slice_of_six(2, kMax, kMax), (Floats{2}));
  EXPECT_EQ(slice_of_six(2, kMin, kMin), (Floats{2}));
  EXPECT_EQ(slice_of_six(4, 2, 1), Floats{});  // rejected: nothing is left
}

}  // namespace
}  // namespace taoism::ops
