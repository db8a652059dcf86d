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
