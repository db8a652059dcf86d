#include <gmock/gmock.h>

#include "partition/plan.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

Partition partition_of(const ir::Graph& graph, const char* strategy) {
  const auto plan = make_plan(graph, *StrategySpec::parse(strategy), "hash");
  EXPECT_TRUE(plan.ok());
  auto partition = carry_out(graph, *plan);
  EXPECT_TRUE(partition.ok());
  return std::move(partition).value();
}

TEST(Nonlinear, EveryNonLinearOperatorIsInside) {
  const ir::Graph graph = test::small_resnet();
  for (const char* strategy : {"nonlinear", "nonlinear:first=0"}) {
    const Partition p = partition_of(graph, strategy);
    for (const ir::Node& node : p.graph.nodes()) {
      if (node.op == "Relu" || node.op == "GlobalAveragePool") {
        EXPECT_EQ(node.placement, ir::Placement::tee) << node.name;
      }
      if (node.op == "Linear") {
        EXPECT_EQ(node.placement, ir::Placement::device);
      }
    }
    const bool first = std::string(strategy) == "nonlinear";
    EXPECT_EQ(p.graph.node(0).placement, first ? ir::Placement::tee : ir::Placement::device);
    EXPECT_EQ(p.graph.node(1).placement, p.graph.node(0).placement);  // its batch-norm
  }
}

TEST(Nonlinear, ThePlanPlacesABatchNormWithItsLayer) {
  const ir::Graph graph = test::small_resnet();
  const auto marks = annotate(graph, {"nonlinear", {}});
  ASSERT_TRUE(marks.ok());
  for (size_t n = 0; n < graph.node_count(); ++n) {
    if (graph.nodes()[n].op != "BatchNormalization") continue;
    EXPECT_EQ(marks->nodes[n].placement, n == 1 ? ir::Placement::tee : ir::Placement::device) << n;
  }
}

TEST(Nonlinear, JoinsFollowTheirInputs) {
  test::GraphBuilder b;
  const ir::ValueId x = b.relu(b.input({1, 4, 8, 8}));
  const ir::ValueId left = b.conv(x, 4, 3);
  const ir::ValueId right = b.conv(x, 4, 3);
  const ir::ValueId joined = b.node("Add", {left, right});  // outside, as both of its inputs
  const ir::Graph graph = b.finish({b.node("Add", {joined, x})});
  const Partition p = partition_of(graph, "nonlinear:first=0");
  EXPECT_EQ(p.graph.node(3).placement, ir::Placement::device);
  EXPECT_EQ(p.graph.node(4).placement, ir::Placement::tee);
}

}  // namespace
}  // namespace taoism::partition
