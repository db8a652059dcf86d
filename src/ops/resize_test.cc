#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using testing::FloatEq;
using testing::Pointwise;

std::vector<float> resize(const char* mode, const char* rule, const char* rounding, int64_t size) {
  return evaluate_for_testing("Resize",
                              attrs_for_testing({{"mode", mode},
                                                 {"coordinate_transformation_mode", rule},
                                                 {"nearest_mode", rounding},
                                                 {"sizes", std::vector<int64_t>{size}}}),
                              {{{4}, {0, 10, 20, 30}}})
      .values;
}

TEST(Resize, KnownValues) {
  using Floats = std::vector<float>;
  EXPECT_EQ(resize("nearest", "asymmetric", "floor", 8), (Floats{0, 0, 10, 10, 20, 20, 30, 30}));
  EXPECT_EQ(resize("nearest", "asymmetric", "ceil", 8), (Floats{0, 10, 10, 20, 20, 30, 30, 30}));
  EXPECT_EQ(resize("nearest", "half_pixel", "round_prefer_floor", 2), (Floats{0, 20}));
  EXPECT_EQ(resize("nearest", "half_pixel", "round_prefer_ceil", 2), (Floats{10, 30}));
  EXPECT_THAT(resize("linear", "half_pixel", "floor", 8),
              Pointwise(FloatEq(), Floats{0, 2.5F, 7.5F, 12.5F, 17.5F, 22.5F, 27.5F, 30}));
  EXPECT_THAT(resize("linear", "align_corners", "floor", 7),
              Pointwise(FloatEq(), Floats{0, 5, 10, 15, 20, 25, 30}));
  EXPECT_EQ(resize("linear", "half_pixel", "floor", 1), (Floats{15}));
  EXPECT_EQ(resize("linear", "pytorch_half_pixel", "floor", 1), (Floats{0}));
}

}  // namespace
}  // namespace taoism::ops
