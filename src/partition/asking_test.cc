#include "partition/asking.h"

#include <gmock/gmock.h>

#include "partition/plan.h"
#include "partition/segments.h"
#include "partition/test_account.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using ir::Placement;
using test::placed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What the TEE gives away, as "weights at queries" by segment.
std::vector<std::pair<uint64_t, uint64_t>> parts(const Report& report) {
  std::vector<std::pair<uint64_t, uint64_t>> result;
  for (const AskedPart& part : report.asked) result.emplace_back(part.params, part.queries);
  return result;
}

Report report_of(const ir::Graph& graph, const std::string& strategy,
                 Answer answer = Answer::logits) {
  auto plan = make_plan(graph, *StrategySpec::parse(strategy), "hash");
  plan->answer = answer;
  auto partition = carry_out(graph, *plan);
  EXPECT_TRUE(partition.ok()) << partition.status().message();
  return std::move(partition->report);
}

bool everything(const ir::Node&) { return true; }

std::string all_warnings(const Report& report) {
  std::string text;
  for (const std::string& warning : report.warnings) text += warning + "\n";
  return text;
}

TEST(Asking, AClassifierBetweenClearEndsIsPublic) {
  const Report report = report_of(test::small_resnet(), "deep:k=1");
  EXPECT_THAT(parts(report), ElementsAre(std::pair(12 * 5 + 5, 13)));
  EXPECT_FALSE(report.asked[0].activated);
  EXPECT_EQ(report.private_params_asked, 65U);
  EXPECT_EQ(report.private_params_exposed, report.private_params_total);
  EXPECT_THAT(all_warnings(report),
              HasSubstr("65 private weights in the TEE can be had by asking"));
}

TEST(Asking, AStemBehindItsActivationIsPublic) {
  const Report report = report_of(test::small_resnet(), "shallow:k=1");
  // Weights, and scale and shift; 27 taps and an offset, of both signs.
  EXPECT_THAT(parts(report), ElementsAre(std::pair(27 * 8 + 2 * 8, 2 * 28)));
  EXPECT_TRUE(report.asked[0].activated);
  EXPECT_EQ(report.private_params_exposed, report.private_params_total);
}

// Whatever the TEE keeps of a layer between values that the device sees.
TEST(Asking, StrategiesThatSplitLayersHideNothing) {
  for (const char* strategy : {"magnitude", "magnitude:p=0", "nonlinear", "intermediate:theta=1"}) {
    const Report report = report_of(test::small_resnet(), strategy);
    EXPECT_EQ(report.private_params_exposed, report.private_params_total) << strategy;
    EXPECT_GT(report.private_params_asked, 0U) << strategy;
  }
}

TEST(Asking, ANetworkInsideIsNotAffine) {
  for (const char* strategy : {"full", "deep:k=2", "shallow:k=2", "none"}) {
    const Report report = report_of(test::small_resnet(), strategy);
    EXPECT_THAT(report.asked, IsEmpty()) << strategy;
    EXPECT_EQ(report.private_params_asked, 0U) << strategy;
  }
}

TEST(Asking, ShallowNetworksAreWarnedOf) {
  // Two convolutions and the classifier, and past that nothing is known.
  EXPECT_THAT(all_warnings(report_of(test::small_resnet(), "deep:k=2")),
              HasSubstr("3 private layers deep"));
  EXPECT_THAT(all_warnings(report_of(test::small_resnet(), "full")),
              testing::Not(HasSubstr("layers deep")));
}

// A second input near the end meets few layers, however many the first one meets.
TEST(Asking, DepthIsThatOfTheNearestInput) {
  for (const bool has_second : {false, true}) {
    test::GraphBuilder b;
    ir::ValueId x = b.input({1, 8});
    for (int i = 0; i < 4; ++i) x = b.relu(b.linear(x, 8));
    if (has_second) x = b.node("Add", {x, b.input({1, 8})});
    const std::string warnings =
        all_warnings(placed(b.finish({b.linear(b.relu(b.linear(x, 8)), 8)}), everything));
    const bool is_warned = warnings.find("2 private layers deep") != std::string::npos;
    EXPECT_EQ(is_warned, has_second) << warnings;
  }
}

// What the device has hides nothing between private layers.
TEST(Asking, DepthIsThatOfPrivateLayers) {
  test::GraphBuilder b;
  ir::ValueId x = b.input({1, 8});
  for (int i = 0; i < 6; ++i) x = b.relu(b.linear(x, 8));
  ir::Graph graph = b.finish({b.linear(x, 8)});
  for (size_t n : {2, 4, 6, 8}) graph.value(graph.node(n).inputs[1]).is_private = false;
  EXPECT_THAT(all_warnings(placed(graph, everything)), HasSubstr("3 private layers deep"));
}

// Where a step is behind one layer, queries find it through whatever follows.
TEST(Asking, AStepBehindOneLayerIsWarnedOf) {
  for (const char* op : {"Round", "Sign", "Floor", "Shrink", "Relu"}) {
    test::GraphBuilder b;
    ir::ValueId x = b.node(op, {b.linear(b.input({1, 8}), 8)});
    for (int i = 0; i < 4; ++i) x = b.relu(b.linear(x, 8));
    const Report report = placed(b.finish({x}), everything);
    EXPECT_EQ(all_warnings(report).find("jumps where") != std::string::npos,
              std::string_view(op) != "Relu")
        << op;
  }
}

// What is had by asking is known to who asks for the rest.
TEST(Asking, GoesOnWithWhatItHasFound) {
  test::GraphBuilder b;
  ir::ValueId x = b.relu(b.linear(b.relu(b.linear(b.input({1, 8}), 8)), 8));
  for (int i = 0; i < 3; ++i) x = b.linear(b.relu(b.node("Add", {x, b.input({1, 8})})), 8);
  const Report report = placed(b.finish({x}), everything);
  // All but the first two, which no input of their own meets.
  EXPECT_EQ(report.private_params_asked, 3U * (64 + 8));
}

TEST(Asking, ALabelShowsOrderAndNoWeights) {
  const Report report = report_of(test::small_resnet(), "deep:k=1", Answer::label);
  EXPECT_THAT(report.asked, IsEmpty());
  EXPECT_EQ(report.private_params_asked, 0U);
  EXPECT_THAT(all_warnings(report), HasSubstr("boundaries by bisection"));
  EXPECT_THAT(all_warnings(report_of(test::small_resnet(), "full", Answer::label)), IsEmpty());
}

TEST(Asking, LayersWithNothingBetweenAreOne) {
  test::GraphBuilder b;
  ir::ValueId y = b.linear(b.linear(b.input({1, 4}), 6), 3);
  const Report report = placed(b.finish({y}), everything);
  EXPECT_THAT(parts(report), ElementsAre(std::pair(4 * 6 + 6 + 6 * 3 + 3, 25)));
}

ir::ValueId cast(test::GraphBuilder& b, ir::ValueId x, const char* type) {
  ir::Attrs attrs;
  attrs.set("to", std::string(type));
  return b.node("Cast", {x}, attrs);
}

// Of a model of 16-bit floats, and of one whose answer is rounded to integers.
TEST(Asking, RoundingHidesNothing) {
  for (const char* narrow : {"float16", "bfloat16", "int8"}) {
    test::GraphBuilder b;
    const ir::ValueId first = cast(b, b.linear(b.input({1, 4}), 6), narrow);
    const ir::ValueId second = cast(b, b.linear(cast(b, first, "float32"), 3), narrow);
    const Report report = placed(b.finish({second}), everything);
    EXPECT_THAT(parts(report), ElementsAre(std::pair(4 * 6 + 6 + 6 * 3 + 3, 25))) << narrow;
  }
}

TEST(Asking, ALabelOfAnyTypeShowsOrder) {
  test::GraphBuilder b;
  ir::Attrs axis;
  axis.set("axis", int64_t{1});
  axis.set("keepdims", int64_t{0});
  const ir::ValueId label = b.node("ArgMax", {b.linear(b.input({1, 4}), 3)}, axis);
  const Report report = placed(b.finish({cast(b, label, "int32")}), everything);
  EXPECT_THAT(report.asked, IsEmpty());
  EXPECT_THAT(all_warnings(report), HasSubstr("boundaries by bisection"));
}

// A value that is seen as well as read on inside makes what follows a segment of its own.
TEST(Asking, ASeenValueIsKnownFromThereOn) {
  test::GraphBuilder b;
  const ir::ValueId first = b.relu(b.linear(b.input({1, 4}), 6));
  const ir::ValueId second = b.relu(b.linear(first, 3));
  ir::Graph graph = b.finish({second});
  EXPECT_THAT(placed(graph, everything).asked, IsEmpty());
  graph.set_outputs({second, first});
  EXPECT_EQ(placed(graph, everything).private_params_asked, 4U * 6 + 6 + 6 * 3 + 3);
}

TEST(Asking, AMaximumShowsOneOfThem) {
  test::GraphBuilder b;
  const ir::ValueId pooled = b.max_pool(b.conv_bn_relu(b.input({1, 3, 8, 8}), 4, 3), 2, 2, 0);
  EXPECT_EQ(parts(placed(b.finish({pooled}), everything)).size(), 1U);
}

TEST(Asking, ALayerTimesWhatIsKnownIsAffine) {
  test::GraphBuilder c;
  const ir::ValueId u = c.input({1, 4});
  const ir::ValueId z = c.node("Mul", {c.linear(u, 4), u});
  EXPECT_THAT(parts(placed(c.finish({z}), everything)), ElementsAre(std::pair(20, 6)));
}

// A head that is affine is public, whatever leaves beside it in the same tensor.
TEST(Asking, APartOfAnOutputIsSeen) {
  test::GraphBuilder b;
  const ir::ValueId x = b.input({1, 4});
  const ir::ValueId deep = b.linear(b.relu(b.linear(x, 8)), 3);
  ir::Attrs axis;
  axis.set("axis", int64_t{1});
  const ir::ValueId y = b.node("Concat", {deep, b.linear(x, 3)}, axis);
  EXPECT_THAT(parts(placed(b.finish({y}), everything)), ElementsAre(std::pair(4 * 3 + 3, 5)));
}

TEST(Asking, PublicWeightsAreNothingToAskFor) {
  ir::Graph graph = test::small_resnet();
  for (ir::ValueId v = 0; v < static_cast<ir::ValueId>(graph.value_count()); ++v) {
    if (graph.value(v).is_constant()) graph.value(v).is_private = false;
  }
  EXPECT_THAT(report_of(graph, "deep:k=1").asked, IsEmpty());
}

// The seam of sound offload: an input that the host does not know.
TEST(Asking, AnInputThatIsNotKnownHidesWhatReadsIt) {
  const ir::Graph source = test::small_resnet();
  const auto plan = make_plan(source, *StrategySpec::parse("deep:k=1"), "hash");
  const auto partition = carry_out(source, *plan);
  auto partitioned = make_segments(partition->graph);
  Ends ends = ends_in_clear(*partitioned);
  EXPECT_EQ(what_asking_gives(*partitioned, ends).segments.size(), 1U);
  for (const ir::Segment& segment : partitioned->segments) {
    if (segment.placement != Placement::tee) continue;
    for (const ir::ValueId input : segment.inputs) ends.known[static_cast<size_t>(input)] = false;
  }
  EXPECT_THAT(what_asking_gives(*partitioned, ends).segments, IsEmpty());
}

}  // namespace
}  // namespace taoism::partition
