#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using Ints = std::vector<int64_t>;

Cost cost_of(ir::Shape x, ir::Shape w, const ir::Attrs& attrs, bool bias) {
  std::vector<Input> inputs = {{{ir::DType::f32, x}, true, false, nullptr},
                               {{ir::DType::f32, w}, true, true, nullptr}};
  if (bias) inputs.push_back({{ir::DType::f32, ir::Shape{w[0]}}, true, true, nullptr});
  ir::TensorDesc output;
  const OpDef& conv = *find_op("Conv");
  NodeView view{"n", attrs, inputs, {}};
  EXPECT_TRUE(check_and_infer(conv, view, std::span<ir::TensorDesc>(&output, 1)).ok());
  view.outputs = std::span<const ir::TensorDesc>(&output, 1);
  return conv.cost(view);
}

TEST(Conv, CostIsThatOfOneImage) {
  const auto stem = attrs_for_testing({{"strides", Ints{2, 2}}, {"pads", Ints{3, 3, 3, 3}}});
  const Cost cost = cost_of({8, 3, 224, 224}, {64, 3, 7, 7}, stem, false);
  EXPECT_EQ(cost.macs, 112u * 112 * 64 * 3 * 49);
  EXPECT_EQ(cost.params, 64u * 3 * 49);
  const auto depthwise = attrs_for_testing({{"group", int64_t{32}}});
  EXPECT_EQ(cost_of({1, 32, 10, 10}, {32, 1, 3, 3}, depthwise, true).macs, 8u * 8 * 32 * 9);
  EXPECT_EQ(cost_of({1, 32, 10, 10}, {32, 1, 3, 3}, depthwise, true).params, 32u * 9 + 32);
}

TEST(Conv, AddsBiasAndResidualBeforeTheActivation) {
  const auto result = evaluate_for_testing("Conv", attrs_for_testing({{"activation", "Relu"}}),
                                           {{{1, 1, 2, 2}, {1, 2, 3, 4}},
                                            {{2, 1, 1, 1}, {1, -1}, true},
                                            {{2}, {10, 0.5F}, true},
                                            {{1, 2, 2, 2}, {0, 0, 0, -100, 1, 1, 3, 3}}});
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  const std::vector<float> expected = {11, 12, 13, 0, 0.5F, 0, 0.5F, 0};
  EXPECT_EQ(result.values, expected);
  EXPECT_EQ(result.reference, expected);
}

}  // namespace
}  // namespace taoism::ops
