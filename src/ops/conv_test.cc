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

TEST(Conv, LayoutPixelsAreBounded) {
  for (const int64_t pixels : {int64_t{-1}, INT64_MIN, int64_t{1} << 41, INT64_MAX}) {
    const auto result = evaluate_for_testing("Conv", attrs_for_testing({{"layout_pixels", pixels}}),
                                             {{{1, 1, 1, 2}, {1, 2}}, {{1, 1, 1, 1}, {1}, true}});
    EXPECT_EQ(result.status.code(), Code::invalid_argument);
    EXPECT_NE(std::string(result.status.message()).find("layout_pixels"), std::string::npos);
  }
}

// The rows of a map share the packed weights of the map.
TEST(Conv, LayoutPixelsDecideThePackedWeights) {
  const auto packed = [](int64_t height, int64_t layout_pixels) {
    const ir::Attrs attrs = attrs_for_testing({{"layout_pixels", layout_pixels}});
    const std::vector<Input> inputs = {
        {{ir::DType::f32, ir::Shape{1, 3, height, 8}}, true, false, nullptr},
        {{ir::DType::f32, ir::Shape{40, 3, 1, 1}}, true, true, nullptr}};
    const OpDef& conv = *find_op("Conv");
    const NodeView view{"n", attrs, inputs, {}};
    std::vector<float> raw(120);
    for (size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<float>(i);
    AlignedBuffer bytes(conv.packed_bytes(view, 1));
    conv.pack(view, 1, reinterpret_cast<const std::byte*>(raw.data()), bytes.data());
    const auto* values = bytes.as<float>();
    return std::vector<float>(values, values + bytes.size() / sizeof(float));
  };
  EXPECT_EQ(packed(1, 64), packed(8, 0));
}

TEST(Conv, PiecesOfTheWeightsGiveTheSameBits) {
  expect_parts_equal_run("Conv",
                         attrs_for_testing({{"pads", Ints{1, 1, 1, 1}}, {"activation", "Tanh"}}),
                         {{{2, 70, 6, 6}, varied_for_testing(size_t{2 * 70 * 36})},
                          {{50, 70, 3, 3}, varied_for_testing(size_t{50 * 70 * 9}), true}});
}

}  // namespace
}  // namespace taoism::ops
