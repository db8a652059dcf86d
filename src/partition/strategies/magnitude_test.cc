#include <gmock/gmock.h>

#include "partition/plan.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

Report report_of(const ir::Graph& graph, const char* strategy) {
  const auto plan = make_plan(graph, *StrategySpec::parse(strategy), "hash");
  EXPECT_TRUE(plan.ok());
  const auto partition = carry_out(graph, *plan);
  EXPECT_TRUE(partition.ok());
  return partition->report;
}

TEST(Magnitude, EveryLayerIsSplitAndNothingElseIsOutside) {
  const ir::Graph graph = test::small_resnet();
  const Report report = report_of(graph, "magnitude:p=0.1");
  size_t layers = 0;
  size_t residuals = 0;
  for (const ReportNode& node : report.nodes) {
    const bool layer = node.op == "Conv" || node.op == "Linear";
    EXPECT_EQ(node.placement, layer ? ir::Placement::device : ir::Placement::tee) << node.name;
    layers += layer ? 1 : 0;
    residuals += node.op == "taoism.SparseResidual" ? 1 : 0;
  }
  EXPECT_EQ(layers, 7u);
  EXPECT_EQ(residuals, layers);
}

TEST(Magnitude, Ends) {
  const ir::Graph graph = test::small_resnet();
  const Report all = report_of(graph, "magnitude:p=1");
  EXPECT_EQ(all.macs_tee, all.macs_total);
  EXPECT_EQ(all.private_params_exposed, 0u);
  EXPECT_EQ(all.device_segments, 0u);
  const Report nothing = report_of(graph, "magnitude:p=0");
  // Outside are all weights of layers; inside, batch-norm and the classifier's bias.
  EXPECT_EQ(nothing.params_tee, 2u * (8 + 8 + 8 + 12 + 12 + 12) + 5);
}

}  // namespace
}  // namespace taoism::partition
