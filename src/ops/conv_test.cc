#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"
#include "ops/core/parts_for_testing.h"

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

// What somebody else may have written.
TEST(Conv, AppliesWhereItIsComputed) {
  const std::vector<Input> inputs = {
      {{ir::DType::f32, ir::Shape{1, 20, 9, 9}}, true, false, nullptr},
      {{ir::DType::f32, ir::Shape{40, 20, 3, 3}}, true, true, nullptr}};
  const OpDef& conv = *find_op("Conv");
  const ir::Attrs plain = attrs_for_testing({{"pads", Ints{1, 1, 1, 1}}});
  EXPECT_FALSE(is_chosen(conv, plain));
  const ir::Attrs chosen = chosen_attrs(conv, {"n", plain, inputs, {}});
  EXPECT_TRUE(is_chosen(conv, chosen));
  EXPECT_TRUE(conv.applies({"n", chosen, inputs, {}}));
  const auto applies = [&](const char* name, ir::AttrValue value) {
    ir::Attrs attrs = chosen;
    attrs.set(name, std::move(value));
    return conv.applies({"n", attrs, inputs, {}});
  };
  for (const char* kernel : {"", "none", "GEMM", "depthwise", "direct"}) {
    EXPECT_FALSE(applies("kernel", std::string(kernel))) << kernel;
  }
  for (const int64_t number : {int64_t{-1}, int64_t{0}, int64_t{1} << 40, INT64_MIN, INT64_MAX}) {
    EXPECT_FALSE(applies("block_depth", number)) << number;
    EXPECT_FALSE(applies("tile_width", number)) << number;
  }
  EXPECT_FALSE(applies("block_depth", int64_t{10}));  // no whole taps
}

// The rows of a map share the packed weights of the map.
TEST(Conv, ABandHasTheKernelOfItsMap) {
  const std::vector<Input> inputs = {
      {{ir::DType::f32, ir::Shape{1, 64, 56, 56}}, true, false, nullptr},
      {{ir::DType::f32, ir::Shape{64, 64, 3, 3}}, true, true, nullptr}};
  const std::vector<ir::TensorDesc> outputs = {{ir::DType::f32, ir::Shape{1, 64, 56, 56}}};
  const OpDef& conv = *find_op("Conv");
  const ir::Attrs attrs = chosen_attrs(
      conv, {"n", attrs_for_testing({{"pads", Ints{1, 1, 1, 1}}}), inputs, outputs});
  std::vector<Rows> rows(2);
  ir::Attrs band = attrs;
  ASSERT_TRUE(conv.split_rows({"n", attrs, inputs, outputs}, {4, 8}, rows, band));
  for (const char* name : {"kernel", "block_depth", "tile_width"}) {
    EXPECT_EQ(*band.find(name), *attrs.find(name)) << name;
  }
}

TEST(Conv, PiecesOfTheWeightsGiveTheSameBits) {
  expect_parts_equal_run("Conv",
                         attrs_for_testing({{"pads", Ints{1, 1, 1, 1}}, {"activation", "Tanh"}}),
                         {{{2, 70, 6, 6}, varied_for_testing(size_t{2 * 70 * 36})},
                          {{50, 70, 3, 3}, varied_for_testing(size_t{50 * 70 * 9}), true}});
}

}  // namespace
}  // namespace taoism::ops
