#include <gmock/gmock.h>

#include <set>

#include "partition/plan.h"
#include "partition/strategy.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

std::set<size_t> offloaded(const ir::Graph& graph, const std::string& strategy) {
  const auto marks = annotate(graph, *StrategySpec::parse(strategy));
  EXPECT_TRUE(marks.ok());
  std::set<size_t> result;
  for (size_t n = 0; n < marks->nodes.size(); ++n) {
    const bool outside = marks->nodes[n].placement == ir::Placement::device;
    EXPECT_EQ(outside, !marks->nodes[n].transform.empty());
    if (outside) result.insert(n);
  }
  return result;
}

TEST(Intermediate, OffloadsTheShareAskedFor) {
  const ir::Graph graph = test::resnet18(32, 10);  // 21 layers
  EXPECT_EQ(offloaded(graph, "intermediate:theta=0").size(), 0u);
  EXPECT_EQ(offloaded(graph, "intermediate").size(), 19u);
  EXPECT_EQ(offloaded(graph, "intermediate:theta=1").size(), 21u);
}

TEST(Intermediate, TheSeedDecides) {
  const ir::Graph graph = test::resnet18(32, 10);
  EXPECT_EQ(offloaded(graph, "intermediate:theta=0.5"),
            offloaded(graph, "intermediate:theta=0.5,seed=1"));
  EXPECT_NE(offloaded(graph, "intermediate:theta=0.5"),
            offloaded(graph, "intermediate:theta=0.5,seed=2"));
}

// What the seed decides is public; the scales are drawn anew, and no trace of them is in the hash.
TEST(Intermediate, NoSeedGivesTheScales) {
  const ir::Graph graph = test::resnet18(32, 10);
  const auto spec = StrategySpec::parse("intermediate:theta=1,seed=5");
  const auto one = make_plan(graph, *spec, "hash");
  const auto other = make_plan(graph, *spec, "hash");
  size_t same = 0;
  for (size_t n = 0; n < graph.node_count(); ++n) {
    const NodeAnnotation& a = one->annotations.nodes[n];
    const NodeAnnotation& b = other->annotations.nodes[n];
    EXPECT_EQ(a.placement, b.placement);
    EXPECT_EQ(a.transform.empty(), b.transform.empty());
    if (!a.transform.empty() && a.transform == b.transform) ++same;
  }
  EXPECT_LE(same, 1u);
  EXPECT_EQ(plan_hash(*one, graph), plan_hash(*other, graph));
  EXPECT_EQ(carry_out(graph, *one)->report.strategy, "intermediate:seed=5,theta=1");
}

TEST(Intermediate, ScalesDifferFromLayerToLayerAndStaySane) {
  const ir::Graph graph = test::resnet18(32, 10);
  std::set<std::string> scales;
  const auto marks = annotate(graph, *StrategySpec::parse("intermediate:theta=1"));
  for (const NodeAnnotation& mark : marks->nodes) {
    if (mark.transform.empty()) continue;
    const auto spec = StrategySpec::parse(mark.transform);
    scales.insert(spec->parameters.at("mu"));
    const float mu = std::stof(spec->parameters.at("mu"));
    EXPECT_TRUE(mu >= 0.5F && mu < 2.0F) << mu;
    EXPECT_EQ(number_text(mu), spec->parameters.at("mu"));  // read back exactly
  }
  EXPECT_EQ(scales.size(), 21u);
}

}  // namespace
}  // namespace taoism::partition
