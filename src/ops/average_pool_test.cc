#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using Ints = std::vector<int64_t>;

TEST(AveragePool, WhatCountsInTheDivisor) {
  const auto run = [](int64_t include_pad) {
    const auto result =
        evaluate_for_testing("AveragePool",
                             attrs_for_testing({{"kernel_shape", Ints{2}},
                                                {"strides", Ints{2}},
                                                {"pads", Ints{1, 1}},
                                                {"ceil_mode", int64_t{1}},
                                                {"count_include_pad", include_pad}}),
                             {{{1, 1, 3}, {2, 4, 6}}});
    EXPECT_EQ(result.values, result.reference);
    return result.values;
  };
  EXPECT_EQ(run(0), (std::vector<float>{2, 5}));
  EXPECT_EQ(run(1), (std::vector<float>{1, 5}));
}

}  // namespace
}  // namespace taoism::ops
