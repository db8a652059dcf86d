#include "partition/segments.h"

#include <gmock/gmock.h>

#include <set>

#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using ir::Placement;
using testing::ElementsAre;

// Walks the segments as a runtime would: everything read must be on the side that reads it.
void expect_runnable(const ir::PartitionedGraph& p) {
  std::set<ir::ValueId> on_side[2];
  std::set<ir::ValueId> with_host(p.graph.inputs().begin(), p.graph.inputs().end());
  size_t nodes = 0;
  for (size_t s = 0; s < p.segments.size(); ++s) {
    const ir::Segment& segment = p.segments[s];
    EXPECT_TRUE(s == 0 || segment.placement != p.segments[s - 1].placement);
    auto& here = on_side[segment.placement == Placement::tee ? 1 : 0];
    for (ir::ValueId input : segment.inputs) {
      EXPECT_TRUE(with_host.count(input)) << p.graph.value(input).name;
      EXPECT_TRUE(here.insert(input).second) << "handed over twice: " << p.graph.value(input).name;
    }
    for (ir::NodeId id : segment.nodes) {
      ++nodes;
      EXPECT_EQ(p.graph.node(id).placement, segment.placement);
      for (ir::ValueId input : p.graph.node(id).inputs) {
        if (input == ir::kNoValue || p.graph.value(input).is_constant()) continue;
        EXPECT_TRUE(here.count(input))
            << p.graph.node(id).name << " reads " << p.graph.value(input).name;
      }
      for (ir::ValueId output : p.graph.node(id).outputs) here.insert(output);
    }
    for (ir::ValueId output : segment.outputs) {
      EXPECT_TRUE(here.count(output));
      EXPECT_TRUE(with_host.insert(output).second);
    }
  }
  EXPECT_EQ(nodes, p.graph.node_count());
  for (ir::ValueId output : p.graph.outputs()) EXPECT_TRUE(with_host.count(output));
}

ir::PartitionedGraph cut(ir::Graph graph, const std::vector<Placement>& placements) {
  for (size_t n = 0; n < graph.node_count(); ++n) graph.nodes()[n].placement = placements[n];
  auto result = make_segments(std::move(graph));
  EXPECT_TRUE(result.ok()) << result.status().message();
  expect_runnable(*result);
  return std::move(result).value();
}

constexpr Placement kT = Placement::tee;
constexpr Placement kD = Placement::device;

TEST(Segments, AChain) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId y = b.relu(x);
  const ir::ValueId z = b.relu(y);
  const ir::ValueId w = b.relu(z);
  const ir::PartitionedGraph p = cut(b.finish({w}), {kD, kT, kT});
  ASSERT_EQ(p.segments.size(), 2u);
  EXPECT_THAT(p.segments[0].inputs, ElementsAre(x));
  EXPECT_THAT(p.segments[0].outputs, ElementsAre(y));
  EXPECT_THAT(p.segments[1].inputs, ElementsAre(y));
  EXPECT_THAT(p.segments[1].outputs, ElementsAre(w));
}

// Two independent branches D-T and T-D: three segments when the TEE goes first or last, four when
// taken branch by branch.
TEST(Segments, BranchesShareSegments) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId left = b.relu(b.relu(x));
  const ir::ValueId right = b.relu(b.relu(x));
  const ir::PartitionedGraph p = cut(b.finish({left, right}), {kD, kT, kT, kD});
  EXPECT_EQ(p.segments.size(), 3u);
}

TEST(Segments, StartsOnTheSideThatGivesFewer) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId a = b.relu(x);              // TEE
  const ir::ValueId c = b.node("Add", {a, x});  // device
  const ir::ValueId d = b.relu(x);              // device, ready at once
  const ir::PartitionedGraph p = cut(b.finish({c, d}), {kT, kD, kD});
  ASSERT_EQ(p.segments.size(), 2u);
  EXPECT_EQ(p.segments[0].placement, kT);
}

TEST(Segments, AValueIsHandedToASideOnce) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId a = b.relu(x);              // kD: crosses to the TEE for two of its segments
  const ir::ValueId c = b.node("Add", {a, x});  // TEE
  const ir::ValueId d = b.relu(c);              // device
  const ir::ValueId e = b.node("Add", {d, a});  // kT: a is there, and so is x
  const ir::ValueId f = b.node("Add", {e, x});  // TEE
  const ir::PartitionedGraph p = cut(b.finish({f}), {kD, kT, kD, kT, kT});
  ASSERT_EQ(p.segments.size(), 4u);
  EXPECT_THAT(p.segments[1].inputs, ElementsAre(a, x));
  EXPECT_THAT(p.segments[3].inputs, ElementsAre(d));
}

TEST(Segments, AnOutputThatIsReadInsideAsWell) {
  test::GraphBuilder b;
  const ir::ValueId y = b.relu(b.input({1, 4}));
  const ir::ValueId z = b.relu(y);
  const ir::PartitionedGraph p = cut(b.finish({z, y}), {kT, kT});
  ASSERT_EQ(p.segments.size(), 1u);
  EXPECT_THAT(p.segments[0].outputs, ElementsAre(y, z));
}

TEST(Segments, RandomPlacementsAreRunnable) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    ir::Graph graph = test::small_resnet(1, seed);
    Random random(seed);
    std::vector<Placement> placements;
    for (size_t n = 0; n < graph.node_count(); ++n)
      placements.push_back(random.below(2) == 0 ? kD : kT);
    cut(std::move(graph), placements);
  }
}

TEST(Segments, RefusesWhatItCannotCut) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId y = b.relu(x);
  ir::Graph graph = b.finish({y});
  EXPECT_EQ(make_segments(graph).code(), Code::internal);  // still automatic
  graph.nodes()[0].placement = kD;
  graph.set_outputs({y, x});
  EXPECT_EQ(make_segments(graph).code(), Code::unsupported);
}

}  // namespace
}  // namespace taoism::partition
