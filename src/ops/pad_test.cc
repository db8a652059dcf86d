#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

std::vector<float> pad(const char* mode, std::vector<int64_t> pads) {
  const auto result = evaluate_for_testing(
      "Pad", attrs_for_testing({{"mode", mode}, {"pads", std::move(pads)}, {"value", 9.0F}}),
      {{{3}, {1, 2, 3}}});
  EXPECT_EQ(result.values, result.reference);
  return result.values;
}

TEST(Pad, KnownValues) {
  using Floats = std::vector<float>;
  EXPECT_EQ(pad("constant", {1, 2}), (Floats{9, 1, 2, 3, 9, 9}));
  EXPECT_EQ(pad("constant", {-1, 1}), (Floats{2, 3, 9}));
  EXPECT_EQ(pad("reflect", {2, 2}), (Floats{3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(pad("edge", {2, 1}), (Floats{1, 1, 1, 2, 3, 3}));
}

}  // namespace
}  // namespace taoism::ops
