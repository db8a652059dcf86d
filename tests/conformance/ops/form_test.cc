// What an operator's form claims, of every case, by numbers: what can be had of weights by asking
// is concluded from it (partition/asking.h).
#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "cases.h"
#include "loaded_case.h"

namespace taoism::conformance {
namespace {

using ops::Form;
using Values = std::vector<float>;

// A case whose float inputs are set by hand; the others stay as the case has them.
class Function {
 public:
  explicit Function(OpCase op_case) : case_(std::move(op_case)) {
    const auto tensors = inputs_of(case_);
    const ir::Graph graph = graph_of(case_);
    const ir::Node& node = graph.node(0);
    size_t next = 0;
    for (size_t i = 0; i < case_.inputs.size(); ++i) {
      CaseInput& input = case_.inputs[i];
      if (input.kind == CaseInput::absent) continue;
      input.given =
          input.kind == CaseInput::weight ? graph.value(node.inputs[i]).constant : tensors[next++];
      if (dtype_of(input) == ir::DType::f32) floats_.push_back(i);
    }
  }

  const std::vector<size_t>& floats() const { return floats_; }
  bool is_weight(size_t input) const { return case_.inputs[input].kind == CaseInput::weight; }
  Values get(size_t input) const {
    const ir::Constant& given = *case_.inputs[input].given;
    return {given.f32(), given.f32() + given.desc.shape.elements()};
  }
  void set(size_t input, const Values& values) {
    case_.inputs[input].given =
        ir::make_f32_constant(case_.inputs[input].given->desc.shape, values);
  }
  // Empty where the output is no float32, or the case meets a fault.
  Values operator()() const {
    const auto output = expected_of(case_).values;
    if (output == nullptr || output->desc.dtype != ir::DType::f32) return {};
    return {output->f32(), output->f32() + output->desc.shape.elements()};
  }
  std::vector<int64_t> integers() const {
    const auto output = expected_of(case_).values;
    return {output->i64(), output->i64() + output->desc.shape.elements()};
  }

 private:
  OpCase case_;
  std::vector<size_t> floats_;
};

// f(a + b - base) = f(a) + f(b) - f(base), where `inputs` move together.
void expect_affine_in(Function f, const std::vector<size_t>& inputs, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<Values> base, a, b;
  for (const size_t i : inputs) {
    base.push_back(f.get(i));
    a.push_back(base.back());
    b.push_back(base.back());
    for (float& x : a.back()) x += normal(random);
    for (float& x : b.back()) x += normal(random);
  }
  const auto at = [&](auto&& value) {
    for (size_t n = 0; n < inputs.size(); ++n) {
      Values values = base[n];
      for (size_t k = 0; k < values.size(); ++k) values[k] = value(n, k);
      f.set(inputs[n], values);
    }
    return f();
  };
  const Values zero = at([&](size_t n, size_t k) { return base[n][k]; });
  const Values one = at([&](size_t n, size_t k) { return a[n][k]; });
  const Values other = at([&](size_t n, size_t k) { return b[n][k]; });
  const Values both = at([&](size_t n, size_t k) { return a[n][k] + b[n][k] - base[n][k]; });
  for (size_t k = 0; k < zero.size(); ++k) {
    if (!std::isfinite(zero[k])) continue;
    const float scale = 1 + std::fabs(zero[k]) + std::fabs(one[k]) + std::fabs(other[k]);
    ASSERT_NEAR(both[k], one[k] + other[k] - zero[k], 1e-4F * scale) << "element " << k;
  }
}

// Under two numberings of all input elements each output element follows one of them, or none.
void expect_moves(Function f) {
  std::vector<std::pair<float, float>> known;
  Values outputs[2];
  for (const int round : {0, 1}) {
    float next = round == 0 ? 1.0F : 20000.0F;
    const float step = round == 0 ? 1.0F : 2.0F;
    for (const size_t i : f.floats()) {
      Values values = f.get(i);
      for (float& x : values) {
        x = next;
        next += step;
      }
      f.set(i, values);
    }
    outputs[round] = f();
  }
  for (size_t k = 0; k < outputs[0].size(); ++k) {
    const float number = outputs[0][k];
    if (outputs[1][k] == number || std::isnan(number)) continue;  // fixed: a pad's value
    ASSERT_EQ(outputs[1][k], 20000.0F + 2 * (number - 1)) << "element " << k;
  }
}

// No output element follows two elements of an input. `somewhere` is set when one follows any.
void expect_reveals(Function f, float above, std::mt19937& random, bool& somewhere) {
  for (const size_t i : f.floats()) {
    if (f.is_weight(i)) continue;
    Values values = f.get(i);
    // None as near to another as they are moved.
    for (size_t k = 0; k < values.size(); ++k) {
      values[k] = above + 0.1F + 0.8F * static_cast<float>(k) / static_cast<float>(values.size());
    }
    std::shuffle(values.begin(), values.end(), random);
    f.set(i, values);
  }
  const Values base = f();
  for (const size_t i : f.floats()) {
    if (f.is_weight(i)) continue;
    std::vector<int> followed(base.size(), 0);
    const Values values = f.get(i);
    for (size_t k = 0; k < std::min<size_t>(values.size(), 400); ++k) {
      Values moved = values;
      moved[k] += 1e-4F;
      f.set(i, moved);
      const Values output = f();
      for (size_t o = 0; o < base.size(); ++o) {
        followed[o] += output[o] != base[o] && !std::isnan(base[o]) ? 1 : 0;
      }
    }
    f.set(i, values);
    for (size_t o = 0; o < base.size(); ++o) {
      ASSERT_LE(followed[o], 1) << "element " << o;
      somewhere = somewhere || followed[o] == 1;
    }
  }
}

class OpForm : public testing::TestWithParam<OpCase> {};

TEST_P(OpForm, IsWhatItComputes) {
  const OpCase& op_case = GetParam();
  const Form form = ops::find_op(op_case.op)->form;
  Function f(op_case);
  std::mt19937 random(1);
  if (op_case.attrs.has("activation") || f.floats().empty()) return;
  if (form != Form::ranks && f().empty()) return;  // of integers
  if (form == Form::moves) expect_moves(f);
  if (form == Form::affine) {
    std::vector<size_t> tensors;
    for (const size_t i : f.floats()) {
      if (!f.is_weight(i)) tensors.push_back(i);
    }
    expect_affine_in(f, tensors, random);
  }
  if (form == Form::affine_in_each) {
    for (const size_t i : f.floats()) expect_affine_in(f, {i}, random);
  }
  if (form == Form::affine_in_first) expect_affine_in(f, {f.floats().front()}, random);
  if (form == Form::affine_in_rest && f.floats().size() > 1) {
    expect_affine_in(f, {f.floats().begin() + 1, f.floats().end()}, random);
  }
  if (form == Form::ranks) {
    const std::vector<int64_t> before = f.integers();
    Values values = f.get(0);
    for (float& x : values) x = 2 * x + 1;
    f.set(0, values);
    EXPECT_EQ(f.integers(), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, OpForm, testing::ValuesIn(all_cases()),
                         [](const auto& test) { return test.param.name; });

// Softmax is the exception to "one element of the input": up to a shift, its logarithm is the
// input.
const std::set<std::string> kOfARow = {"Softmax", "LogSoftmax"};
// These reveal by steps: an input that is scaled up is told ever more exactly.
const std::set<std::string> kSteps = {"Ceil", "Floor", "Round"};

TEST(OpFormTable, WhatRevealsFollowsOneElement) {
  std::mt19937 random(1);
  std::set<std::string> revealing, seen;
  for (const OpCase& op_case : all_cases()) {
    if (ops::find_op(op_case.op)->form != Form::reveals || kOfARow.contains(op_case.op)) continue;
    revealing.insert(op_case.op);
    Function f(op_case);
    if (op_case.attrs.has("activation") || f.floats().empty() || f().empty()) continue;
    if (f.get(f.floats().front()).size() > 2000) continue;
    SCOPED_TRACE(op_case.name);
    bool somewhere = false;
    for (const float above : {0.0F, 1.0F}) expect_reveals(f, above, random, somewhere);
    if (somewhere) seen.insert(op_case.op);
  }
  seen.insert(kSteps.begin(), kSteps.end());
  EXPECT_EQ(seen, revealing);
}

TEST(OpFormTable, EveryFormIsTested) {
  std::set<Form> forms;
  for (const ops::OpDef* op : ops::all_ops()) forms.insert(op->form);
  EXPECT_EQ(forms.size(), 8U);
}

// What claims nothing: a new operator is added here on purpose, or says what it is.
TEST(OpFormTable, SaysWhichOperatorsClaimNothing) {
  std::set<std::string> opaque;
  for (const ops::OpDef* op : ops::all_ops()) {
    if (op->form == Form::opaque) opaque.insert(op->name);
  }
  const std::set<std::string> expected = {"And",
                                          "Equal",
                                          "Greater",
                                          "GreaterOrEqual",
                                          "IsInf",
                                          "IsNaN",
                                          "LRN",
                                          "Less",
                                          "LessOrEqual",
                                          "Mod",
                                          "Not",
                                          "Or",
                                          "ReduceL1",
                                          "ReduceL2",
                                          "ReduceLogSum",
                                          "ReduceLogSumExp",
                                          "ReduceProd",
                                          "ReduceSumSquare",
                                          "ScatterElements",
                                          "ScatterND",
                                          "Sign",
                                          "Xor"};
  EXPECT_EQ(opaque, expected);
}

}  // namespace
}  // namespace taoism::conformance
