// Every operator's kernel against its own reference, on one thread and on two, with memory of
// exactly the declared sizes.
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "loaded_case.h"

namespace taoism::conformance {
namespace {

// Empty, or how what was computed is neither the reference's values nor its fault.
std::string difference(const OpCase& op_case, const Expected& expected, Computed computed) {
  const ops::Outcome &want = expected.outcome, &got = computed.outcome;
  if (want.fault != got.fault || want.index != got.index || want.dim != got.dim) {
    return "expected '" + ops::fault_text(want) + "', got '" + ops::fault_text(got) + "'";
  }
  return want.ok() ? difference(op_case, *expected.values, computed.output.f32()) : "";
}

class OpConformance : public testing::TestWithParam<OpCase> {};

TEST_P(OpConformance, RunEqualsReference) {
  const OpCase& op_case = GetParam();
  const Expected expected = expected_of(op_case);
  for_each_target([&] {
    const LoadedCase loaded(op_case);
    SerialParallel serial;
    TwoThreads two;
    EXPECT_EQ(difference(op_case, expected, loaded.run(serial)), "") << "one thread";
    EXPECT_EQ(difference(op_case, expected, loaded.run(two)), "") << "two threads";
    if (loaded.may_run_in_place()) {
      EXPECT_EQ(difference(op_case, expected, loaded.run(two, true)), "") << "in place";
    }
  });
}

std::string case_name(const testing::TestParamInfo<OpCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Ops, OpConformance, testing::ValuesIn(all_cases()), case_name);

TEST(OpTable, IsSortedAndEveryOperatorHasACase) {
  std::set<std::string> covered;
  for (const OpCase& op_case : all_cases()) covered.insert(op_case.op);
  const auto ops = ops::all_ops();
  ASSERT_FALSE(ops.empty());
  for (size_t i = 0; i < ops.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(std::string(ops[i - 1]->name), ops[i]->name);
    }
    EXPECT_EQ(ops::find_op(ops[i]->name), ops[i]);
    EXPECT_TRUE(covered.contains(ops[i]->name)) << ops[i]->name << " has no conformance case";
    EXPECT_NE(ops[i]->run, nullptr) << ops[i]->name;
    EXPECT_EQ(ops[i]->packed_bytes == nullptr, ops[i]->pack == nullptr) << ops[i]->name;
  }
  EXPECT_EQ(ops::find_op("Con"), nullptr);
  EXPECT_EQ(ops::find_op(""), nullptr);
  EXPECT_EQ(ops::find_op("zzz"), nullptr);
}

TEST(OpCases, ExpectationDoesNotAcceptAWrongAnswer) {
  for (const OpCase& op_case : all_cases()) {
    if (op_case.name != "conv_relu" && op_case.name != "max_pool_dilation2") continue;
    const auto expected = expected_of(op_case).values;
    std::vector<float> wrong(expected->f32(), expected->f32() + expected->desc.shape.elements());
    EXPECT_EQ(difference(op_case, *expected, wrong.data()), "");
    wrong[7] += 0.01F;
    EXPECT_NE(difference(op_case, *expected, wrong.data()), "");
    wrong[7] = std::nanf("");
    EXPECT_NE(difference(op_case, *expected, wrong.data()), "");
  }
}

}  // namespace
}  // namespace taoism::conformance
