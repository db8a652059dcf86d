#include "partition/split_layer.h"

#include <gmock/gmock.h>

#include <limits>

#include "partition/placement.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

// The first layer of `graph` rewritten, everything else in the TEE.
Result<ir::Graph> rewritten(const ir::Graph& graph, const std::string& transform) {
  Annotations marks;
  marks.nodes.assign(graph.node_count(), {ir::Placement::tee, "test", ""});
  marks.nodes[0] = {ir::Placement::device, "test", transform};
  return apply(graph, marks);
}

struct LayerCase {
  const char* name;
  ir::Graph (*build)();
};

ir::Graph convolution(bool bias, int64_t groups, int64_t stride) {
  test::GraphBuilder b(3);
  const ir::ValueId x = b.input({2, 6, 9, 7});
  return b.finish({b.conv(x, 12, 3, stride, bias, groups)});
}
ir::Graph linear(ir::Shape x, bool bias, bool trans_w) {
  test::GraphBuilder b(4);
  return b.finish({b.linear(b.input(x), 5, bias, trans_w)});
}

const LayerCase kLayers[] = {
    {"conv", [] { return convolution(false, 1, 1); }},
    {"conv with bias and stride", [] { return convolution(true, 1, 2); }},
    {"grouped conv", [] { return convolution(true, 3, 1); }},
    {"depthwise conv", [] { return convolution(true, 6, 1); }},
    {"linear",
     [] {
       return linear({3, 8}, true, true);
     }},
    {"linear in x out",
     [] {
       return linear({3, 8}, true, false);
     }},
    {"linear of rank 3",
     [] {
       return linear({2, 3, 8}, true, true);
     }},
    {"linear of rank 3 without bias",
     [] {
       return linear({2, 3, 8}, false, false);
     }},
};

TEST(SplitLayer, TheWholeIsWhatItWas) {
  for (const LayerCase& layer : kLayers) {
    const ir::Graph graph = layer.build();
    const std::vector<float> expected = test::evaluate(graph);
    for (const char* transform :
         {"magnitude:p=0", "magnitude:p=0.02", "magnitude:p=0.5", "magnitude:p=0.99",
          "magnitude:p=1", "intermediate:mu=1", "intermediate:mu=1.37", "intermediate:mu=0.5"}) {
      const auto split = rewritten(graph, transform);
      ASSERT_TRUE(split.ok()) << layer.name << " " << transform << ": " << split.status().message();
      EXPECT_TRUE(split->verify().ok());
      EXPECT_LT(test::relative_error(test::evaluate(*split), expected), 2e-6)
          << layer.name << " " << transform;
    }
  }
}

TEST(SplitLayer, NoDeviceNodeGetsABiasOrAKeptWeight) {
  for (const LayerCase& layer : kLayers) {
    const ir::Graph graph = layer.build();
    const auto split = rewritten(graph, "magnitude:p=0.25");
    ASSERT_TRUE(split.ok());
    for (const ir::Node& node : split->nodes()) {
      if (node.placement != ir::Placement::device) continue;
      EXPECT_EQ(node.inputs.size(), 2u);
      const auto whole = layer_weights(graph, 0);
      const ir::Constant& outside = *split->value(node.inputs[1]).constant;
      size_t zeroes = 0;
      float largest_outside = 0;
      float smallest_kept = std::numeric_limits<float>::infinity();
      for (size_t i = 0; i < whole->values.size(); ++i) {
        if (outside.f32()[i] == 0) {
          ++zeroes;
          smallest_kept = std::min(smallest_kept, std::fabs(whole->values[i]));
        } else {
          EXPECT_EQ(outside.f32()[i], whole->values[i]);
          largest_outside = std::max(largest_outside, std::fabs(outside.f32()[i]));
        }
      }
      EXPECT_EQ(zeroes, static_cast<size_t>(
                            std::llround(0.25 * static_cast<double>(whole->values.size()))));
      EXPECT_LE(largest_outside, smallest_kept);
    }
  }
}

TEST(SplitLayer, ScaledWeightsAreScaled) {
  const ir::Graph graph = convolution(true, 1, 1);
  const auto split = rewritten(graph, "intermediate:mu=1.5");
  ASSERT_TRUE(split.ok());
  const ir::Node& outside = split->node(0);
  EXPECT_EQ(outside.inputs.size(), 2u);
  const auto whole = layer_weights(graph, 0);
  for (size_t i = 0; i < whole->values.size(); ++i) {
    EXPECT_EQ(split->value(outside.inputs[1]).constant->f32()[i], whole->values[i] * 1.5F);
  }
}

TEST(SplitLayer, StrangeWeightsAreKeptRatherThanGivenAway) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float weights[] = {1, 2, nan, 4, 5, 6, 7, std::numeric_limits<float>::infinity()};
  ir::Graph graph = b.finish({b.linear(x, 2, false)});
  graph.value(graph.node(0).inputs[1]).constant = ir::make_f32_constant({2, 4}, weights);
  const auto split = rewritten(graph, "magnitude:p=0.25");
  ASSERT_TRUE(split.ok());
  const float* outside = split->value(split->node(0).inputs[1]).constant->f32();
  EXPECT_EQ(outside[2], 0);
  EXPECT_EQ(outside[7], 0);
  EXPECT_EQ(outside[6], 7);
}

TEST(SplitLayer, TiesAreBrokenTheSameWayEverywhere) {
  test::GraphBuilder b;
  ir::Graph graph = b.finish({b.linear(b.input({1, 4}), 2, false)});
  const float weights[] = {1, -1, 1, -1, 1, -1, 1, -1};
  graph.value(graph.node(0).inputs[1]).constant = ir::make_f32_constant({2, 4}, weights);
  const auto split = rewritten(graph, "magnitude:p=0.5");
  ASSERT_TRUE(split.ok());
  const float* outside = split->value(split->node(0).inputs[1]).constant->f32();
  EXPECT_THAT(std::vector<float>(outside, outside + 8),
              testing::ElementsAre(0, 0, 0, 0, 1, -1, 1, -1));
}

TEST(SplitLayer, PublicWeightsStayPublic) {
  ir::Graph graph = convolution(true, 1, 1);
  graph.value(graph.node(0).inputs[1]).is_private = false;
  const auto split = rewritten(graph, "magnitude:p=0.1");
  ASSERT_TRUE(split.ok());
  EXPECT_FALSE(split->value(split->node(0).inputs[1]).is_private);
}

TEST(SplitLayer, RefusesWhatIsNoLayer) {
  test::GraphBuilder b;
  const ir::Graph graph = b.finish({b.relu(b.input({1, 4}))});
  const auto split = rewritten(graph, "magnitude:p=0.1");
  EXPECT_EQ(split.code(), Code::unsupported);
  EXPECT_THAT(split.status().message(), testing::HasSubstr("node 'Relu_0'"));
}

TEST(Placement, WhatIsAddedHasANameOfItsOwn) {
  test::GraphBuilder b;
  const ir::ValueId first = b.linear(b.input({3, 8}), 5, true, true);
  ir::Graph graph = b.finish({b.relu(b.relu(first))});
  const std::string added = graph.node(0).name + ".restore";
  graph.node(1).name = added;
  graph.node(2).name = added + ".2";
  const auto split = rewritten(graph, "intermediate:mu=0.5");
  ASSERT_TRUE(split.ok()) << split.status().message();
  std::vector<std::string> names;
  for (const ir::Node& node : split->nodes()) names.push_back(node.name);
  EXPECT_THAT(names,
              testing::UnorderedElementsAre(graph.node(0).name, added, added + ".2", added + ".3"));
}

TEST(Placement, AutomaticFollowsTheInput) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId inside = b.relu(x);
  const ir::ValueId outside = b.relu(x);
  const ir::ValueId both = b.node("Add", {outside, inside});
  const ir::Graph graph = b.finish({b.relu(both), b.relu(outside)});
  Annotations marks;
  marks.nodes.resize(graph.node_count());
  marks.nodes[0].placement = ir::Placement::tee;
  const auto placed = apply(graph, marks);
  ASSERT_TRUE(placed.ok());
  const ir::Placement expected[] = {ir::Placement::tee, ir::Placement::device, ir::Placement::tee,
                                    ir::Placement::tee, ir::Placement::device};
  for (size_t n = 0; n < std::size(expected); ++n)
    EXPECT_EQ(placed->nodes()[n].placement, expected[n]) << n;
}

TEST(Placement, RefusesMarksThatDoNotFit) {
  const ir::Graph graph = convolution(true, 1, 1);
  EXPECT_EQ(apply(graph, {}).code(), Code::invalid_argument);
  EXPECT_EQ(rewritten(graph, "deep:k=1").code(), Code::invalid_argument);
  EXPECT_EQ(rewritten(graph, "nonsense").code(), Code::invalid_argument);
  Annotations marks;
  marks.nodes.push_back({ir::Placement::tee, "", "magnitude:p=0.1"});
  EXPECT_EQ(apply(graph, marks).code(), Code::invalid_argument);
}

}  // namespace
}  // namespace taoism::partition
