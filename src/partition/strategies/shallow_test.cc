#include <gtest/gtest.h>

#include "partition/strategy.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

// shallow:k and deep:(all - k) share every graph out between them.
TEST(Shallow, IsTheComplementOfDeep) {
  const ir::Graph graph = test::small_resnet();
  for (int k = 0; k <= 4; ++k) {
    const auto first = annotate(graph, {"shallow", {{"k", std::to_string(k)}}});
    const auto last = annotate(graph, {"deep", {{"k", std::to_string(4 - k)}}});
    ASSERT_TRUE(first.ok() && last.ok());
    for (size_t n = 0; n < graph.node_count(); ++n) {
      EXPECT_NE(first->nodes[n].placement, last->nodes[n].placement) << n;
    }
  }
}

TEST(Shallow, DefaultIsTheStem) {
  const ir::Graph graph = test::small_resnet();
  const auto marks = annotate(graph, {"shallow", {}});
  for (size_t n = 0; n < graph.node_count(); ++n) {
    EXPECT_EQ(marks->nodes[n].placement == ir::Placement::tee, n < 3) << n;
  }
}

}  // namespace
}  // namespace taoism::partition
