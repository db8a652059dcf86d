#include "case_builder.h"

namespace taoism::conformance {
namespace {

struct Conv2d {
  const char* name;
  int64_t batch, in, height, width, out, kernel, stride, pad;
  int64_t dilation = 1;
  int64_t group = 1;
  bool bias = true;
  const char* activation = "";
  bool residual = false;
};

constexpr Conv2d kConv2d[] = {
    // What the predecessor computed wrong or crashed on.
    {"5x5_stride2_large", 1, 64, 112, 112, 64, 5, 2, 2},
    {"3x3_stride2_128x128x128", 1, 128, 128, 128, 64, 3, 2, 1},
    {"3x3_stride3", 2, 16, 31, 31, 24, 3, 3, 1},
    {"1x1_stride3", 1, 16, 30, 30, 24, 1, 3, 0},
    {"stem_3_channels_3x3", 2, 3, 32, 32, 64, 3, 1, 1},
    {"stem_3_channels_7x7_stride2", 1, 3, 112, 112, 64, 7, 2, 3},
    {"stem_3_channels_11x11_stride4", 1, 3, 115, 115, 64, 11, 4, 2},
    {"48_outputs", 1, 32, 14, 14, 48, 3, 1, 1},
    {"stem_to_48_outputs", 1, 3, 30, 30, 48, 3, 2, 1},
    {"bias_alone_matters", 1, 8, 9, 9, 8, 1, 1, 0},
    // What zoo models use.
    {"3x3_64_56", 1, 64, 56, 56, 64, 3, 1, 1, 1, 1, false},
    {"3x3_512_7", 1, 512, 7, 7, 128, 3, 1, 1, 1, 1, false},
    {"3x3_64_7_batch4", 4, 64, 7, 7, 64, 3, 1, 1},
    {"3x3_512_2_batch8", 8, 128, 2, 2, 128, 3, 1, 1, 1, 1, false},
    {"1x1_stride2_shortcut", 2, 64, 28, 28, 128, 1, 2, 0, 1, 1, false},
    {"1x1_expand", 1, 24, 28, 28, 144, 1, 1, 0, 1, 1, false, "Clip"},
    {"1x1_project", 3, 144, 14, 14, 24, 1, 1, 0},
    {"5x5_192", 1, 64, 27, 27, 96, 5, 1, 2},
    {"depthwise_3x3", 2, 96, 28, 28, 96, 3, 1, 1, 1, 96, true, "Clip"},
    {"depthwise_3x3_stride2", 1, 144, 29, 29, 144, 3, 2, 1, 1, 144, true},
    {"depthwise_5x5_odd_channels", 1, 19, 17, 15, 19, 5, 1, 2, 1, 19, false},
    {"depthwise_multiplier2", 1, 12, 10, 10, 24, 3, 1, 1, 1, 12},
    {"depthwise_7x7_on_7x7", 1, 33, 7, 7, 33, 7, 1, 3, 1, 33},
    {"grouped", 2, 24, 13, 13, 36, 3, 1, 1, 1, 3},
    {"grouped_1x1", 1, 32, 9, 9, 32, 1, 1, 0, 1, 4},
    {"grouped_32_stride2", 1, 64, 15, 15, 64, 3, 2, 1, 1, 32},
    // Edges of blocking: every remainder of channels, width and batch.
    {"1_channel_1_output", 1, 1, 5, 5, 1, 3, 1, 1},
    {"odd_channels", 1, 5, 11, 13, 7, 3, 1, 1},
    {"17_outputs_wide_row", 1, 9, 3, 129, 17, 3, 1, 1},
    {"31_in_33_out", 1, 31, 8, 8, 33, 3, 1, 1},
    {"1x1_image", 4, 40, 1, 1, 70, 1, 1, 0},
    {"1x1_image_3x3_kernel", 2, 20, 1, 1, 18, 3, 1, 1},
    {"pad_larger_than_image", 1, 4, 2, 2, 6, 3, 1, 3},
    {"kernel_equals_image", 1, 16, 6, 6, 20, 6, 1, 0},
    {"even_kernel", 1, 8, 9, 9, 8, 2, 2, 0},
    {"4x4_stride4_patches", 1, 3, 32, 32, 96, 4, 4, 0},
    {"stride_larger_than_kernel", 1, 8, 20, 20, 10, 2, 5, 0},
    {"dilation2", 1, 16, 20, 20, 16, 3, 1, 2, 2},
    {"dilation3_stride2", 1, 8, 25, 25, 12, 3, 2, 3, 3},
    {"depthwise_dilation2", 1, 20, 14, 14, 20, 3, 1, 2, 2, 20},
    {"batch_7", 7, 16, 10, 10, 16, 3, 1, 1},
    // Epilogues.
    {"relu", 1, 16, 12, 12, 24, 3, 1, 1, 1, 1, true, "Relu"},
    {"leaky_relu", 1, 16, 12, 12, 24, 3, 1, 1, 1, 1, true, "LeakyRelu"},
    {"sigmoid", 1, 16, 12, 12, 24, 1, 1, 0, 1, 1, true, "Sigmoid"},
    {"hard_sigmoid", 1, 16, 12, 12, 24, 1, 1, 0, 1, 1, true, "HardSigmoid"},
    {"hard_swish", 1, 16, 12, 12, 24, 3, 1, 1, 1, 1, true, "HardSwish"},
    {"tanh", 1, 16, 12, 12, 24, 3, 1, 1, 1, 1, true, "Tanh"},
    {"residual", 2, 16, 12, 12, 24, 3, 1, 1, 1, 1, true, "", true},
    {"residual_relu", 2, 32, 7, 7, 40, 3, 1, 1, 1, 1, true, "Relu", true},
    {"residual_batch3_odd", 3, 16, 13, 11, 24, 3, 2, 1, 1, 1, true, "HardSwish", true},
    {"residual_relu_no_bias", 1, 32, 7, 7, 40, 1, 1, 0, 1, 1, false, "Relu", true},
    {"depthwise_residual_relu", 1, 21, 9, 9, 21, 3, 1, 1, 1, 21, true, "Relu", true},
};

void add_activation(const std::string& activation, ir::Attrs& attrs) {
  if (activation.empty()) return;
  attrs.set("activation", activation);
  if (activation == "Clip") {
    attrs.set("activation_a", 0.0F);
    attrs.set("activation_b", 6.0F);
  } else if (activation == "LeakyRelu") {
    attrs.set("activation_a", 0.1F);
  } else if (activation == "HardSigmoid") {
    attrs.set("activation_a", 0.2F);
    attrs.set("activation_b", 0.5F);
  }
}

OpCase conv_case(const Conv2d& c) {
  OpCase result;
  result.name = std::string("conv_") + c.name;
  result.op = "Conv";
  result.attrs = attrs({{"kernel_shape", Ints{c.kernel, c.kernel}},
                        {"strides", Ints{c.stride, c.stride}},
                        {"pads", Ints{c.pad, c.pad, c.pad, c.pad}},
                        {"dilations", Ints{c.dilation, c.dilation}},
                        {"group", c.group}});
  add_activation(c.activation, result.attrs);
  result.inputs = {tensor({c.batch, c.in, c.height, c.width}),
                   weight({c.out, c.in / c.group, c.kernel, c.kernel})};
  result.inputs.push_back(c.bias ? weight({c.out}, CaseInput::wide) : absent());
  if (c.residual) {
    const auto extent = [&](int64_t in) {
      return (in + 2 * c.pad - c.dilation * (c.kernel - 1) - 1) / c.stride + 1;
    };
    result.inputs.push_back(
        tensor({c.batch, c.out, extent(c.height), extent(c.width)}, CaseInput::wide));
  }
  return result;
}

}  // namespace

void add_conv_cases(std::vector<OpCase>& cases) {
  for (const Conv2d& c : kConv2d) cases.push_back(conv_case(c));
  // Attributes left to their defaults.
  cases.push_back({"conv_defaults", "Conv", {}, {tensor({1, 4, 6, 6}), weight({5, 4, 3, 3})}});
  cases.push_back({"conv_not_square",
                   "Conv",
                   attrs({{"kernel_shape", Ints{1, 5}},
                          {"strides", Ints{2, 1}},
                          {"pads", Ints{0, 1, 2, 3}},
                          {"dilations", Ints{1, 2}}}),
                   {tensor({2, 6, 11, 17}), weight({10, 6, 1, 5}), weight({10})}});
  cases.push_back({"conv_pad_at_end_only",
                   "Conv",
                   attrs({{"strides", Ints{2, 2}}, {"pads", Ints{0, 0, 1, 1}}}),
                   {tensor({1, 32, 16, 16}), weight({24, 32, 3, 3}), weight({24})}});
  cases.push_back({"conv_7x1",
                   "Conv",
                   attrs({{"pads", Ints{3, 0, 3, 0}}}),
                   {tensor({1, 16, 17, 17}), weight({18, 16, 7, 1}), weight({18})}});
  cases.push_back({"conv1d",
                   "Conv",
                   attrs({{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}, {"strides", Ints{2}}}),
                   {tensor({2, 12, 50}), weight({20, 12, 3}), weight({20})}});
  cases.push_back({"conv1d_depthwise",
                   "Conv",
                   attrs({{"pads", Ints{2, 2}}, {"dilations", Ints{2}}, {"group", int64_t{10}}}),
                   {tensor({1, 10, 33}), weight({10, 1, 3}), weight({10})}});
  cases.push_back({"conv1d_1x1", "Conv", {}, {tensor({1, 16, 40}), weight({24, 16, 1}), absent()}});
}

}  // namespace taoism::conformance
