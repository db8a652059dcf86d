#include <cmath>

#include "case_builder.h"

namespace taoism::conformance {
namespace {

void add_batch_norm_cases(std::vector<OpCase>& cases) {
  struct Shape {
    const char* name;
    ir::Shape x;
  };
  const Shape shapes[] = {
      {"7x7", {1, 512, 7, 7}},       {"7x7_batch3", {3, 33, 7, 7}}, {"56x56", {1, 64, 56, 56}},
      {"56x56_odd", {2, 5, 56, 56}}, {"1x1", {4, 10, 1, 1}},        {"1d", {2, 6, 19}},
      {"vector", {5, 24}},
  };
  for (const Shape& s : shapes) {
    const int64_t c = s.x[1];
    cases.push_back(
        {std::string("batch_norm_") + s.name,
         "BatchNormalization",
         attrs({{"epsilon", 1e-3F}}),
         {tensor(s.x), weight({c}), weight({c}), weight({c}), weight({c}, CaseInput::positive)}});
  }
}

void add_activation_cases(std::vector<OpCase>& cases) {
  struct Activation {
    const char* name;
    const char* op;
    ir::Attrs attrs;
  };
  const Activation activations[] = {
      {"relu", "Relu", {}},
      {"leaky_relu", "LeakyRelu", {}},
      {"leaky_relu_alpha", "LeakyRelu", attrs({{"alpha", 0.3F}})},
      {"clip_0_6", "Clip", attrs({{"min", 0.0F}, {"max", 6.0F}})},
      {"clip_min", "Clip", attrs({{"min", -1.5F}})},
      {"clip_max", "Clip", attrs({{"max", 2.5F}})},
      {"clip_nothing", "Clip", {}},
      {"clip_min_above_max", "Clip", attrs({{"min", 3.0F}, {"max", -1.0F}})},
      {"sigmoid", "Sigmoid", {}},
      {"hard_sigmoid", "HardSigmoid", {}},
      {"hard_sigmoid_sixth", "HardSigmoid", attrs({{"alpha", 1.0F / 6}, {"beta", 0.5F}})},
      {"hard_swish", "HardSwish", {}},
      {"tanh", "Tanh", {}},
  };
  for (const Activation& a : activations) {
    cases.push_back({std::string(a.name) + "_large",
                     a.op,
                     a.attrs,
                     {tensor({2, 33, 17, 31}, CaseInput::wide)}});
    cases.push_back({std::string(a.name) + "_7", a.op, a.attrs, {tensor({7}, CaseInput::wide)}});
    cases.push_back(
        {std::string(a.name) + "_batch3", a.op, a.attrs, {tensor({3, 5, 7, 9}, CaseInput::wide)}});
  }
}

void add_binary_cases(std::vector<OpCase>& cases) {
  struct Operands {
    const char* name;
    CaseInput a, b;
  };
  constexpr auto kPositive = CaseInput::positive;
  const Operands operands[] = {
      {"same", tensor({2, 16, 14, 14}), tensor({2, 16, 14, 14}, kPositive)},
      {"same_odd", tensor({3, 7}), tensor({3, 7}, kPositive)},
      {"large", tensor({1, 64, 112, 112}), tensor({1, 64, 112, 112}, kPositive)},
      {"channel_weight", tensor({2, 12, 9, 9}), weight({12, 1, 1}, kPositive)},
      {"channel_gate", tensor({2, 12, 9, 9}), tensor({2, 12, 1, 1}, kPositive)},
      {"row", tensor({5, 33}), weight({33}, kPositive)},
      {"scalar", tensor({2, 3, 4, 5}), weight(ir::Shape{}, kPositive)},
      {"one_element", tensor({2, 3, 4, 5}), weight({1}, kPositive)},
      {"weight_left", weight({6, 1}), tensor({2, 6, 5}, kPositive)},
      {"grows_left", tensor({4, 1, 6}), tensor({2, 1, 5, 1}, kPositive)},
      {"outer", tensor({17, 1}), tensor({1, 23}, kPositive)},
      {"scalars", tensor(ir::Shape{}), tensor(ir::Shape{}, kPositive)},
      {"same_batch3", tensor({3, 5, 7, 9}), tensor({3, 5, 7, 9}, kPositive)},
      {"row_gate_batch3", tensor({3, 5, 7, 9}), tensor({3, 5, 1, 9}, kPositive)},
      {"grows_down_batch3", tensor({3, 1, 1, 9}), tensor({3, 5, 7, 1}, kPositive)},
      {"channel_weight_batch3", tensor({3, 5, 7, 9}), weight({5, 1, 1}, kPositive)},
      {"weight_per_row", tensor({3, 5, 7, 9}), weight({7, 1}, kPositive)},
      {"weight_per_image", tensor({3, 5, 7, 9}), weight({3, 1, 1, 1}, kPositive)},
      {"tensor_row", tensor({3, 4}), tensor({4}, kPositive)},
  };
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    for (const Operands& o : operands) {
      cases.push_back({std::string(op) + "_" + o.name, op, {}, {o.a, o.b}});
    }
  }
  for (const char* activation : {"Relu", "HardSwish"}) {
    cases.push_back({std::string("Add_then_") + activation,
                     "Add",
                     attrs({{"activation", activation}}),
                     {tensor({2, 16, 15, 15}, CaseInput::wide), tensor({2, 16, 15, 15})}});
    cases.push_back({std::string("Add_broadcast_then_") + activation,
                     "Add",
                     attrs({{"activation", activation}}),
                     {tensor({2, 16, 15, 15}, CaseInput::wide), weight({16, 1, 1})}});
  }
}

void add_reduction_cases(std::vector<OpCase>& cases) {
  struct Softmax {
    const char* name;
    ir::Shape shape;
    int64_t axis;
  };
  const Softmax softmaxes[] = {
      {"last", {4, 1000}, -1},          {"first", {12, 5}, 0},
      {"channels", {2, 21, 7, 9}, 1},   {"one", {3, 1}, 1},
      {"attention", {2, 4, 33, 33}, 3}, {"vector", {10}, 0},
  };
  for (const Softmax& s : softmaxes) {
    cases.push_back({std::string("softmax_") + s.name,
                     "Softmax",
                     attrs({{"axis", s.axis}}),
                     {tensor(s.shape, CaseInput::wide)}});
  }
  cases.push_back({"softmax_default_axis", "Softmax", {}, {tensor({3, 17}, CaseInput::wide)}});

  const auto arg_max = [&](const char* name, ir::Shape shape, ir::Attrs a) {
    cases.push_back({std::string("arg_max_") + name, "ArgMax", std::move(a), {tensor(shape)}});
  };
  arg_max("classes", {5, 1000}, attrs({{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}));
  arg_max("channels", {2, 21, 7, 9}, attrs({{"axis", int64_t{-3}}}));
  arg_max("first", {3, 4}, {});
  arg_max("one", {3, 1}, attrs({{"axis", int64_t{1}}}));

  const auto mean = [&](const char* name, ir::Shape shape, ir::Attrs a) {
    cases.push_back(
        {std::string("reduce_mean_") + name, "ReduceMean", std::move(a), {tensor(shape)}});
  };
  mean("spatial", {2, 40, 7, 7}, attrs({{"axes", Ints{2, 3}}}));
  mean("spatial_flat", {2, 40, 7, 7}, attrs({{"axes", Ints{-1, -2}}, {"keepdims", int64_t{0}}}));
  mean("all", {3, 4, 5}, {});
  mean("all_flat", {3, 4, 5}, attrs({{"keepdims", int64_t{0}}}));
  mean("first", {6, 50}, attrs({{"axes", Ints{0}}}));
  mean("batch3", {3, 5, 7, 9}, attrs({{"axes", Ints{1, 3}}}));
  mean("middle", {4, 9, 6}, attrs({{"axes", Ints{1}}, {"keepdims", int64_t{0}}}));
}

}  // namespace

void add_pointwise_cases(std::vector<OpCase>& cases) {
  add_batch_norm_cases(cases);
  add_activation_cases(cases);
  add_binary_cases(cases);
  add_reduction_cases(cases);
}

}  // namespace taoism::conformance
