// Models that were taken by asking although one layer of theirs alone was between clear values:
// each is a way on which that layer is alone. And networks of which nothing is.
#include "partition/asking_ways.h"

#include <gtest/gtest.h>

#include "partition/segments.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using ir::Placement;
using ir::ValueId;

ir::Attrs with(const char* name, int64_t value) {
  ir::Attrs attrs;
  attrs.set(name, value);
  return attrs;
}

class AskingWays : public testing::Test {
 protected:
  // Three private layers from `x`, of `out` features.
  ValueId deep(ValueId x, int64_t out) {
    return b.linear(b.relu(b.linear(b.relu(b.linear(x, 8)), 8)), out);
  }
  ValueId add(ValueId a, ValueId c) { return b.node("Add", {a, c}); }
  ValueId mul(ValueId a, ValueId c) { return b.node("Mul", {a, c}); }
  ValueId concat(ValueId a, ValueId c) { return b.node("Concat", {a, c}, with("axis", 1)); }
  ValueId slice(ValueId x, int64_t from, int64_t to) {
    ir::Attrs attrs;
    attrs.set("starts", std::vector<int64_t>{from});
    attrs.set("ends", std::vector<int64_t>{to});
    attrs.set("axes", std::vector<int64_t>{1});
    return b.node("Slice", {x}, attrs);
  }

  // Elements of the weights that are alone on a way, all nodes being inside but the first
  // `outside`.
  int64_t alone(const std::vector<ValueId>& outputs, size_t outside = 0) {
    ir::Graph graph = b.finish(outputs);
    for (ir::Node& node : graph.nodes()) {
      const bool is_outside = outside > 0;
      outside -= is_outside ? 1 : 0;
      node.placement = is_outside ? Placement::device : Placement::tee;
    }
    const auto partitioned = make_segments(std::move(graph));
    EXPECT_TRUE(partitioned.ok());
    int64_t count = 0;
    const AloneOnAWay found = weights_alone_on_a_way(*partitioned, ends_in_clear(*partitioned));
    telling = found.telling.size();
    if_at_rest = elements(*partitioned, found.if_at_rest);
    for (const auto& segment : found.weights) count += elements(*partitioned, segment);
    return count;
  }
  static int64_t elements(const ir::PartitionedGraph& partitioned,
                          const std::vector<ValueId>& weights) {
    int64_t count = 0;
    for (const ValueId id : weights) count += partitioned.graph.value(id).desc.shape.elements();
    return count;
  }

  test::GraphBuilder b;
  // Of the last that was asked for: nodes, and elements.
  size_t telling = 0;
  int64_t if_at_rest = 0;
};

TEST_F(AskingWays, OneLayerBehindWhateverFollows) {
  const ValueId v = b.linear(b.input({1, 12}), 6);
  const ValueId silu = mul(v, b.node("Sigmoid", {v}));
  EXPECT_EQ(alone({silu}), 78);
}

TEST_F(AskingWays, APoolOverActivations) {
  EXPECT_EQ(alone({b.node("GlobalAveragePool", {b.conv_bn_relu(b.input({1, 3, 8, 8}), 4, 3)})}),
            4 * 27 + 8);
}

TEST_F(AskingWays, ScalesBehindActivationsHideNothing) {
  EXPECT_EQ(alone({b.batch_norm(b.relu(b.conv(b.input({1, 3, 8, 8}), 4, 3)))}), 4 * 27 + 8);
}

TEST_F(AskingWays, ProductsAndSumsOfLayers) {
  const ValueId x = b.input({1, 8});
  EXPECT_EQ(alone({mul(b.linear(x, 4), b.linear(x, 4))}), 2 * 36);
}

TEST_F(AskingWays, AnActivatedAndAPlainLayerSideBySide) {
  const ValueId x = b.input({1, 8});
  EXPECT_EQ(alone({add(b.relu(b.linear(x, 4)), b.linear(x, 4))}), 2 * 36);
}

TEST_F(AskingWays, WideBesideDeep) {
  const ValueId x = b.input({1, 8}), z = b.input({1, 16}, "z");
  EXPECT_EQ(alone({add(deep(x, 4), b.linear(z, 4))}), 16 * 4 + 4);
}

TEST_F(AskingWays, AHeadOverWhatIsDeepAndWhatIsKnown) {
  const ValueId x = b.input({1, 8}), z = b.input({1, 6}, "z");
  EXPECT_EQ(alone({b.linear(concat(deep(x, 6), z), 5)}), 12 * 5 + 5);
}

TEST_F(AskingWays, AHeadOverTheirSum) {
  const ValueId x = b.input({1, 8}), z = b.input({1, 6}, "z");
  EXPECT_EQ(alone({b.linear(add(deep(x, 6), z), 5)}), 6 * 5 + 5);
}

// Two parts of one input move by themselves.
TEST_F(AskingWays, PartsOfOneInput) {
  const ValueId x = b.input({1, 16});
  EXPECT_EQ(alone({b.linear(concat(deep(slice(x, 0, 8), 6), slice(x, 8, 16)), 5)}), 14 * 5 + 5);
}

// A known factor of zero switches off what it multiplies.
TEST_F(AskingWays, AKnownSwitch) {
  const ValueId x = b.input({1, 8}), m = b.input({1, 4}, "m");
  EXPECT_EQ(alone({add(b.linear(x, 4), mul(deep(x, 4), m))}), 36);
}
TEST_F(AskingWays, WithoutTheSwitchItIsDeep) {
  const ValueId x = b.input({1, 8});
  EXPECT_EQ(alone({add(b.linear(x, 4), deep(x, 4))}), 0);
  EXPECT_EQ(if_at_rest, 36);
}

// What is seen through an activation, or less what is known, is known from there on.
TEST_F(AskingWays, ASecondHeadOverWhatCanBeUndone) {
  const ValueId hidden = deep(b.input({1, 8}), 6);
  EXPECT_EQ(alone({b.linear(hidden, 5), b.node("Sigmoid", {hidden})}), 35);
}
TEST_F(AskingWays, ASecondHeadOverASumLessWhatIsKnown) {
  const ValueId x = b.input({1, 8});
  const ValueId hidden = deep(x, 8);
  EXPECT_EQ(alone({b.linear(hidden, 5), add(hidden, x)}), 45);
}

// Known but for a private scale and shift; those are no layer by themselves.
TEST_F(AskingWays, BehindAScaleThatIsSeen) {
  const ValueId hidden =
      b.conv(b.relu(b.conv(b.relu(b.conv(b.input({1, 3, 8, 8}), 4, 3)), 4, 3)), 4, 3);
  const ValueId seen = b.relu(b.batch_norm(hidden));
  test::GraphBuilder copy = b;
  EXPECT_EQ(alone({seen}), 0);
  b = copy;
  EXPECT_EQ(alone({seen, b.conv(hidden, 2, 1)}), 8);
}

// An index that private weights decide: out of range or not is a bit of theirs.
TEST_F(AskingWays, AFailureTellsABit) {
  const ValueId x = b.input({1, 8});
  const auto index = [&](ValueId from) {
    ir::Attrs attrs;
    attrs.set("to", std::string("int64"));
    return b.node("Cast", {from}, attrs);
  };
  const ValueId y = b.node("Gather", {b.weight({5, 3}), index(deep(x, 4))});
  alone({b.linear(b.relu(b.linear(y, 4)), 2)});
  EXPECT_EQ(telling, 1U);
  test::GraphBuilder own;
  b = own;
  const ValueId known = b.node("Gather", {b.weight({5, 3}), index(b.input({1, 4}))});
  alone({b.linear(b.relu(b.linear(known, 4)), 2)});
  EXPECT_EQ(telling, 0U);
}

TEST_F(AskingWays, NetworksAreNot) {
  const ValueId x = b.input({1, 3, 8, 8});
  EXPECT_EQ(alone({b.classifier(b.basic_block(b.conv_bn_relu(x, 4, 3), 4, 1), 5)}), 0);
  EXPECT_EQ(if_at_rest, 0);
}
// The skip moves only with what it joins; where that rests, the classifier is behind nothing.
TEST_F(AskingWays, ABlockAndAClassifierAreNot) {
  EXPECT_EQ(alone({b.classifier(b.basic_block(b.input({1, 4, 8, 8}), 4, 1), 5)}), 0);
  EXPECT_EQ(if_at_rest, 25);
}
// More things that move than are told apart: what is not told apart is held by nothing.
TEST_F(AskingWays, ManyParts) {
  const ValueId x = b.input({1, 140});
  std::vector<ValueId> parts;
  for (int64_t part = 0; part < 70; ++part) parts.push_back(slice(x, 2 * part, 2 * part + 2));
  ValueId sum = parts.back();
  for (size_t part = 0; part < 69; ++part) sum = add(sum, deep(parts[part], 2));
  EXPECT_EQ(alone({b.linear(sum, 5)}), 2 * 5 + 5);
}

// Nor behind however many values that the device makes and the TEE never reads.
TEST_F(AskingWays, WhatTheDeviceDoesBeforeChangesNothing) {
  ValueId x = b.input({1, 4, 8, 8});
  for (int i = 0; i < 40; ++i) x = b.relu(b.conv(x, 4, 1));
  EXPECT_EQ(alone({b.classifier(b.basic_block(x, 4, 1), 5)}, 80), 0);
}
TEST_F(AskingWays, AttentionAndAnOutputLayerAreNot) {
  const ValueId x = b.input({6, 8});
  const ValueId scores = b.node("MatMul", {b.linear(x, 8), b.node("Transpose", {b.linear(x, 8)})});
  const ValueId mixed = b.node("MatMul", {b.node("Softmax", {scores}), b.linear(x, 8)});
  EXPECT_EQ(alone({b.linear(mixed, 8)}), 0);
  EXPECT_EQ(if_at_rest, 4 * 72);  // taken so by asking with tokens that are all one
}

}  // namespace
}  // namespace taoism::partition
