#include "partition/exposure.h"

#include <gmock/gmock.h>

#include "partition/plan.h"
#include "partition/test_account.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using ir::Placement;
using test::placed;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A layer outside, then three inside, of which the last is the first one's weights over again.
ir::Graph tied(bool is_tied) {
  test::GraphBuilder b;
  const ir::ValueId first = b.linear(b.input({1, 16}), 20, false);
  const ir::ValueId middle =
      b.relu(b.linear(b.relu(b.linear(b.relu(first), 24, false)), 20, false));
  ir::Graph graph = b.finish({b.linear(middle, 16, false)});
  if (!is_tied) return graph;
  ir::Value& last = graph.value(graph.node(graph.node_count() - 1).inputs[1]);
  const ir::OriginId from = graph.value(graph.node(0).inputs[1]).origin;
  last.origin = graph.add_origin({.from = {from}, .elems = 16 * 20});
  return graph;
}

TEST(Exposure, WhatFollowsFromWhatTheDeviceHasIsExposed) {
  for (const bool is_tied : {false, true}) {
    const ir::Graph graph = tied(is_tied);
    const std::string first = graph.node(0).name;
    const Report report = placed(graph, [&](const ir::Node& node) { return node.name != first; });
    EXPECT_EQ(report.private_params_total, 2U * 16 * 20 + 2 * 20 * 24);
    if (!is_tied) {
      EXPECT_EQ(report.private_params_exposed, 16U * 20);
      EXPECT_THAT(report.followed_weights, IsEmpty());
      continue;
    }
    EXPECT_EQ(report.private_params_exposed, 2U * 16 * 20);
    ASSERT_EQ(report.exposed_weights.size(), 2U);
    EXPECT_EQ(report.exposed_weights[1].note, "follows from what the device has");
    ASSERT_EQ(report.followed_weights.size(), 1U);
    EXPECT_EQ(report.followed_weights[0].params, 16U * 20);
    EXPECT_THAT(report.warnings,
                testing::Contains(HasSubstr("320 private weights in the TEE follow from what")));
  }
}

TEST(Exposure, WithEverythingInTheTeeNothingFollows) {
  const Report report = placed(tied(true), [](const ir::Node&) { return true; });
  EXPECT_EQ(report.private_params_exposed, 0U);
  EXPECT_THAT(report.followed_weights, IsEmpty());
}

// The same tensor on both sides is no secret, and counts once.
TEST(Exposure, OneTensorReadOnBothSides) {
  ir::Graph graph = tied(false);
  graph.node(graph.node_count() - 1).inputs[1] = graph.node(0).inputs[1];
  graph.node(graph.node_count() - 1).attrs.set("trans_w", int64_t{0});
  const std::string first = graph.node(0).name;
  const Report report = placed(graph, [&](const ir::Node& node) { return node.name != first; });
  EXPECT_EQ(report.private_params_total, 16U * 20 + 2 * 20 * 24);
  EXPECT_EQ(report.private_params_exposed, 16U * 20);
  EXPECT_EQ(report.followed_weights.size(), 1U);
}

// A mask that layers on both sides share counts once, and is nothing that a plan gives away.
TEST(Exposure, AMaskThatIsReadOnBothSides) {
  test::GraphBuilder b;
  const ir::ValueId mask = b.weight({16, 20});
  const ir::ValueId outside = b.relu(b.node("Add", {b.input({16, 20}), mask}));
  const ir::ValueId middle = b.relu(b.linear(b.relu(b.linear(outside, 24, false)), 20, false));
  const ir::ValueId masked = b.node("Add", {middle, mask});
  const ir::Graph graph = b.finish({b.linear(b.relu(masked), 9, false)});
  const std::string first = graph.node(0).name;
  const Report report = placed(graph, [&](const ir::Node& node) { return node.name != first; });
  EXPECT_EQ(report.private_params_total, 16U * 20 + 2 * 20 * 24 + 20 * 9);
  EXPECT_EQ(report.private_params_exposed, 16U * 20);
  EXPECT_THAT(report.followed_weights, IsEmpty());
}

TEST(Exposure, ATensorWithTwoReadersCountsOnce) {
  test::GraphBuilder b;
  ir::ValueId x = b.relu(b.linear(b.input({1, 16}), 16, false));
  ir::Graph graph = b.finish({b.linear(b.relu(b.linear(x, 16, false)), 16, false)});
  const ir::ValueId weights = graph.node(0).inputs[1];
  graph.node(graph.node_count() - 1).inputs[1] = weights;
  for (const char* strategy : {"magnitude:p=0.25", "magnitude:p=0", "intermediate", "none"}) {
    auto plan = make_plan(graph, *StrategySpec::parse(strategy), "hash");
    const auto partition = carry_out(graph, *plan);
    ASSERT_TRUE(partition.ok()) << partition.status().message();
    const Report& report = partition->report;
    EXPECT_EQ(report.private_params_total, 2U * 256) << strategy;
    EXPECT_EQ(report.private_params_exposed, 2U * 256) << strategy;
    if (std::string(strategy) != "magnitude:p=0.25") continue;
    // What the TEE keeps of them is asked for.
    EXPECT_EQ(report.private_params_asked, 2U * 64);
    EXPECT_EQ(report.exposed_weights.size(), 2U);
  }
}

// Integers and truth values that are computed with are parameters; what says where is none.
TEST(Exposure, ParametersAreOfAnyType) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({2, 4});
  ir::Graph graph = b.finish({b.relu(x)});
  const ir::ValueId ids = graph.add_input("ids", {ir::DType::i64, {2}});
  const auto constant = [&](ir::DType dtype, ir::Shape shape) {
    return graph.add_constant("c", ir::make_constant({dtype, shape}).first);
  };
  std::vector<ir::ValueId> outputs;
  const auto add = [&](const char* op, std::vector<ir::ValueId> inputs, ir::TensorDesc desc) {
    outputs.push_back(graph.add_value(op, desc));
    graph.add_node({op,
                    std::string(op) + std::to_string(outputs.size()),
                    std::move(inputs),
                    {outputs.back()},
                    {},
                    Placement::tee,
                    "",
                    ""});
  };
  add("Gather", {constant(ir::DType::i64, {5, 3}), ids}, {ir::DType::i64, {2, 3}});
  add("Add", {outputs.back(), constant(ir::DType::i64, {7, 1, 1})}, {ir::DType::i64, {7, 2, 3}});
  add("Gather", {constant(ir::DType::boolean, {5, 11}), ids}, {ir::DType::boolean, {2, 11}});
  add("And", {outputs.back(), constant(ir::DType::boolean, {13, 1, 1})},
      {ir::DType::boolean, {13, 2, 11}});
  add("Gather", {x, constant(ir::DType::i64, {17})}, {ir::DType::f32, {17, 4}});
  add("Where", {constant(ir::DType::boolean, {2, 4}), x, constant(ir::DType::f32, {19, 1, 1})},
      {ir::DType::f32, {19, 2, 4}});
  graph.set_outputs(outputs);
  const Report report = placed(graph, [](const ir::Node&) { return true; });
  EXPECT_EQ(report.private_params_total, 15U + 7 + 55 + 13 + 19);
  std::vector<uint64_t> asked;
  for (const ExposedWeight& weight : report.asked_weights) asked.push_back(weight.params);
  EXPECT_THAT(asked, UnorderedElementsAre(15, 7, 55, 13, 19));
}

}  // namespace
}  // namespace taoism::partition
