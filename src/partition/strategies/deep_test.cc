#include <gtest/gtest.h>

#include "partition/strategy.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

std::vector<std::string> inside(const ir::Graph& graph, const char* strategy) {
  const auto marks = annotate(graph, *StrategySpec::parse(strategy));
  EXPECT_TRUE(marks.ok());
  std::vector<std::string> result;
  for (size_t n = 0; n < marks->nodes.size(); ++n) {
    if (marks->nodes[n].placement == ir::Placement::tee) result.push_back(graph.nodes()[n].op);
  }
  return result;
}

TEST(Deep, TheLastBlocks) {
  const ir::Graph graph = test::small_resnet();
  const std::vector<std::string> classifier = {"GlobalAveragePool", "Reshape", "Linear"};
  EXPECT_TRUE(inside(graph, "deep:k=0").empty());
  EXPECT_EQ(inside(graph, "deep"), classifier);
  EXPECT_EQ(inside(graph, "deep:k=4").size(), graph.node_count());
}

TEST(Deep, SaysWhichBlock) {
  const ir::Graph graph = test::small_resnet();
  const auto marks = annotate(graph, *StrategySpec::parse("deep"));
  EXPECT_EQ(marks->nodes.front().why, "convolution block 1 of 4");
  EXPECT_EQ(marks->nodes.back().why, "linear block 4 of 4");
}

}  // namespace
}  // namespace taoism::partition
