#include "partition/fuse.h"

#include "partition/placement.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using test::GraphBuilder;

void place_all(ir::Graph& graph, ir::Placement placement) {
  for (ir::Node& node : graph.nodes()) node.placement = placement;
}

size_t count(const ir::Graph& graph, std::string_view op) {
  size_t n = 0;
  for (const ir::Node& node : graph.nodes()) n += node.op == op;
  return n;
}

// Fuses and checks that the answer stayed.
ir::Graph fused(ir::Graph graph) {
  const auto before = test::evaluate(graph);
  EXPECT_TRUE(fuse(graph).ok());
  EXPECT_TRUE(graph.verify().ok()) << graph.verify().message();
  EXPECT_LT(test::relative_error(test::evaluate(graph), before), 1e-5);
  return graph;
}

TEST(Fuse, ResidualNetworkIsLeftWithConvolutions) {
  ir::Graph graph = test::small_resnet();
  place_all(graph, ir::Placement::device);
  const ir::Graph result = fused(std::move(graph));
  EXPECT_EQ(count(result, "BatchNormalization"), 0U);
  EXPECT_EQ(count(result, "Relu"), 0U);
  EXPECT_EQ(count(result, "Add"), 0U);
  EXPECT_EQ(count(result, "Conv"), 6U);
  EXPECT_EQ(result.node_count(), 9U);  // and pool, reshape, linear
}

TEST(Fuse, NeverAcrossPlacements) {
  ir::Graph graph = test::small_resnet();
  bool in_tee = false;
  for (ir::Node& node : graph.nodes()) {
    node.placement = in_tee ? ir::Placement::tee : ir::Placement::device;
    in_tee = !in_tee;
  }
  const auto before = graph.node_count();
  std::vector<ir::Placement> places;
  for (const ir::Node& node : graph.nodes()) places.push_back(node.placement);
  const ir::Graph result = fused(std::move(graph));
  EXPECT_LE(result.node_count(), before);
  for (const ir::Node& node : result.nodes()) {
    if (node.op == "Conv" && node.inputs.size() > 3) {
      const ir::NodeId producer = result.value(node.inputs[3]).producer;
      EXPECT_NE(producer, ir::kNoNode);
    }
  }
  // Alternating neighbours share no placement along the stem: nothing there was fused.
  EXPECT_EQ(result.node(0).attrs.has("activation"), false);
  EXPECT_GT(count(result, "BatchNormalization"), 0U);
}

TEST(Fuse, KeepsWhatIsReadElsewhere) {
  GraphBuilder b;
  const ir::ValueId x = b.input({1, 3, 6, 6});
  const ir::ValueId c = b.conv(x, 4, 3, 1, true);
  const ir::ValueId y = b.relu(c);
  ir::Graph graph = b.finish({y, c});
  place_all(graph, ir::Placement::device);
  const ir::Graph result = fused(std::move(graph));
  EXPECT_EQ(count(result, "Relu"), 1U);
}

TEST(Fuse, SelfAdditionIsNoResidual) {
  GraphBuilder b;
  const ir::ValueId c = b.conv(b.input({1, 3, 6, 6}), 4, 3);
  ir::Graph graph = b.finish({b.node("Add", {c, c})});
  place_all(graph, ir::Placement::device);
  EXPECT_EQ(count(fused(std::move(graph)), "Add"), 1U);
}

TEST(Fuse, BroadcastAdditionIsNoResidual) {
  GraphBuilder b;
  const ir::ValueId x = b.input({1, 4, 6, 6});
  const ir::ValueId pooled = b.node("GlobalAveragePool", {x});
  ir::Graph graph = b.finish({b.node("Add", {b.conv(x, 4, 3), pooled})});
  place_all(graph, ir::Placement::device);
  EXPECT_EQ(count(fused(std::move(graph)), "Add"), 1U);
}

TEST(Fuse, FoldsIntoConvolutionsWithBiasAndGroupsAndIntoLinear) {
  GraphBuilder b;
  ir::ValueId x = b.conv(b.input({2, 4, 6, 6}), 8, 3, 2, true, 2);
  x = b.relu(b.batch_norm(x));
  x = b.linear(b.flatten(x), 7);
  x = b.batch_norm(x);
  x = b.batch_norm(b.linear(b.relu(x), 6, false, false));
  ir::Graph graph = b.finish({x});
  place_all(graph, ir::Placement::tee);
  const ir::Graph result = fused(std::move(graph));
  EXPECT_EQ(count(result, "BatchNormalization"), 0U);
  EXPECT_EQ(count(result, "Relu"), 0U);
}

// Channels of a convolution laid out as pixels, cropped, normalised and limited.
ir::Graph shuffled(const std::vector<int64_t>& perm) {
  GraphBuilder b;
  ir::Attrs split, order, join, crop;
  split.set("shape", std::vector<int64_t>{2, 3, 2, 2, 6, 6});
  order.set("perm", perm);
  join.set("shape", std::vector<int64_t>{2, 3, 12, 12});
  crop.set("axes", std::vector<int64_t>{2, 3});
  crop.set("starts", std::vector<int64_t>{1, 0});
  crop.set("ends", std::vector<int64_t>{12, 11});
  ir::ValueId x = b.conv(b.input({2, 4, 6, 6}), 12, 3, 1, true);
  x = b.node("Transpose", {b.node("Reshape", {x}, split)}, order);
  x = b.node("Slice", {b.node("Reshape", {x}, join)}, crop);
  ir::Graph graph = b.finish({b.relu(b.batch_norm(x))});
  place_all(graph, ir::Placement::device);
  return graph;
}

TEST(Fuse, ThroughPixelShuffles) {
  const ir::Graph result = fused(shuffled({0, 1, 4, 2, 5, 3}));
  EXPECT_EQ(count(result, "BatchNormalization"), 0U);
  EXPECT_EQ(count(result, "Relu"), 0U);
  EXPECT_EQ(result.node_count(), 5U);
}

// As many shapes agree, but channels do not stay where they were.
TEST(Fuse, NotWhereChannelsMove) {
  ir::Graph graph = shuffled({0, 1, 4, 2, 5, 3});
  for (ir::Node& node : graph.nodes()) {
    if (node.op == "Reshape" && graph.value(node.outputs[0]).desc.shape.rank() == 6) {
      node.attrs.set("shape", std::vector<int64_t>{2, 2, 2, 3, 6, 6});
      graph.value(node.outputs[0]).desc.shape = ir::Shape{2, 2, 2, 3, 6, 6};
    }
    if (node.op == "Transpose") {
      node.attrs.set("perm", std::vector<int64_t>{0, 3, 4, 1, 5, 2});
    }
  }
  ASSERT_TRUE(graph.verify().ok());
  EXPECT_EQ(count(fused(std::move(graph)), "BatchNormalization"), 1U);
}

TEST(Fuse, SwishIsOneActivation) {
  GraphBuilder b;
  const ir::ValueId x = b.conv(b.input({1, 3, 6, 6}), 4, 3);
  ir::Graph graph = b.finish({b.node("Mul", {x, b.node("Sigmoid", {x})})});
  place_all(graph, ir::Placement::tee);
  const ir::Graph result = fused(std::move(graph));
  EXPECT_EQ(result.node_count(), 1U);
  EXPECT_TRUE(result.node(0).attrs.has("activation"));
}

// x / 2 * (1 + erf(x * factor)) in the three orders that exporters use.
ir::Graph written_out_gelu(int order, bool divides, float factor) {
  GraphBuilder b;
  const ir::ValueId x = b.linear(b.input({3, 5}), 4);
  const auto number = [&](float value) { return b.weight({}, value, 1e-12F); };
  const ir::ValueId scaled =
      divides ? b.node("Div", {x, number(1 / factor)}) : b.node("Mul", {number(factor), x});
  const ir::ValueId sum = b.node("Add", {b.node("Erf", {scaled}), number(1.0F)});
  const ir::ValueId half = number(0.5F);
  const ir::ValueId y = order == 0   ? b.node("Mul", {b.node("Mul", {x, sum}), half})
                        : order == 1 ? b.node("Mul", {b.node("Mul", {half, x}), sum})
                                     : b.node("Mul", {x, b.node("Mul", {sum, half})});
  ir::Graph graph = b.finish({y});
  place_all(graph, ir::Placement::device);
  return graph;
}

TEST(Fuse, GeluIsOneActivation) {
  for (const int order : {0, 1, 2}) {
    for (const bool divides : {false, true}) {
      const ir::Graph result = fused(written_out_gelu(order, divides, std::sqrt(0.5F)));
      EXPECT_EQ(result.node_count(), 1U) << order;
      EXPECT_EQ(result.node(0).attrs.s("activation"), "Gelu") << order;
      // Close to it is not it.
      EXPECT_GT(fused(written_out_gelu(order, divides, 0.6F)).node_count(), 1U) << order;
    }
  }
}

TEST(Fuse, GateOfAnotherIsNoSwish) {
  GraphBuilder b;
  const ir::ValueId x = b.input({1, 4, 6, 6});
  const ir::ValueId gate = b.node("Sigmoid", {b.conv(x, 4, 3)});
  ir::Graph graph = b.finish({b.node("Mul", {x, gate})});
  place_all(graph, ir::Placement::tee);
  EXPECT_EQ(count(fused(std::move(graph)), "Mul"), 1U);
}

TEST(Fuse, OneActivationAlone) {
  GraphBuilder b;
  ir::ValueId x = b.conv(b.input({1, 3, 6, 6}), 4, 3);
  x = b.node("Sigmoid", {b.relu(x)});
  ir::Graph graph = b.finish({x});
  place_all(graph, ir::Placement::device);
  const ir::Graph result = fused(std::move(graph));
  EXPECT_EQ(count(result, "Relu"), 0U);
  EXPECT_EQ(count(result, "Sigmoid"), 1U);
}

}  // namespace
}  // namespace taoism::partition
