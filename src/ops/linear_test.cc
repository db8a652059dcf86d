#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"
#include "ops/core/parts_for_testing.h"

namespace taoism::ops {
namespace {

TEST(Linear, BothWeightLayoutsMeanTheSame) {
  const Literal x = {{2, 3}, {1, 2, 3, 0, 1, 0}};
  const auto out_in = evaluate_for_testing(
      "Linear", {}, {x, {{2, 3}, {1, 0, 0, 1, 1, 1}, true}, {{2}, {10, 20}, true}});
  const auto in_out =
      evaluate_for_testing("Linear", attrs_for_testing({{"trans_w", int64_t{0}}}),
                           {x, {{3, 2}, {1, 1, 0, 1, 0, 1}, true}, {{2}, {10, 20}, true}});
  const std::vector<float> expected = {11, 26, 10, 21};
  for (const auto* result : {&out_in, &in_out}) {
    ASSERT_TRUE(result->status.ok()) << result->status.message();
    EXPECT_EQ(result->values, expected);
    EXPECT_EQ(result->reference, expected);
  }
}

TEST(Linear, CountsRowsOfAnImageAndAlwaysTheOutputs) {
  const auto run = [](ir::Shape x, bool bias) {
    std::vector<Literal> inputs = {{x, std::vector<float>(static_cast<size_t>(x.elements()))},
                                   {{7, 5}, std::vector<float>(35), true}};
    if (bias) inputs.push_back({{7}, std::vector<float>(7), true});
    return evaluate_for_testing("Linear", {}, inputs).cost;
  };
  EXPECT_EQ(run({4, 5}, true).macs, 42u);
  EXPECT_EQ(run({4, 5}, true).params, 42u);
  EXPECT_EQ(run({4, 5}, false).macs, 42u);
  EXPECT_EQ(run({4, 5}, false).params, 35u);
  EXPECT_EQ(run({4, 3, 5}, true).macs, 126u);
}

TEST(Linear, PiecesOfTheWeightsGiveTheSameBits) {
  expect_parts_equal_run("Linear", attrs_for_testing({{"activation", "Tanh"}}),
                         {{{3, 1100}, varied_for_testing(size_t{3 * 1100})},
                          {{130, 1100}, varied_for_testing(size_t{130 * 1100}), true}});
}

}  // namespace
}  // namespace taoism::ops
