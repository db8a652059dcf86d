#include "partition/accounting.h"

#include <gmock/gmock.h>

#include "partition/plan.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using testing::ElementsAre;

struct Sweep {
  std::vector<uint64_t> macs;
  std::vector<uint64_t> params;
  std::vector<uint64_t> published_params;
};

Report report_of(const ir::Graph& graph, const std::string& strategy) {
  const auto spec = StrategySpec::parse(strategy);
  const auto plan = make_plan(graph, *spec, "hash");
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  auto partition = carry_out(graph, *plan);
  EXPECT_TRUE(partition.ok()) << partition.status().message();
  return partition->report;
}

Sweep sweep_of(const ir::Graph& graph, const std::string& strategy) {
  Sweep result;
  const auto points = sweep(graph, {strategy, {}});
  for (const StrategySpec& point : *points) {
    const Report report = report_of(graph, point.text());
    result.macs.push_back(report.macs_tee);
    result.params.push_back(report.params_tee);
    result.published_params.push_back(report.params_tee_published);
  }
  return result;
}

// The published accounting of the field's reference implementation.
TEST(Accounting, DeepSweepOfResnet18At32) {
  const Sweep s = sweep_of(test::resnet18(32, 100), "deep");
  EXPECT_THAT(s.macs, ElementsAre(0, 51300, 75581540, 134350948, 209913956, 268732516, 344361060,
                                  403277924, 479037540, 554797156, 556697700));
  EXPECT_THAT(s.published_params, ElementsAre(0, 51300, 4771940, 8445028, 9625700, 10544740,
                                              10840164, 11070308, 11144292, 11218276, 11220004));
  // They leave out the stem's batch-norm, which is in the last point alone.
  std::vector<uint64_t> all = s.published_params;
  all.back() += 2 * 64;
  EXPECT_EQ(s.params, all);
}

TEST(Accounting, ShallowSweepOfResnet18At32) {
  const Sweep s = sweep_of(test::resnet18(32, 100), "shallow");
  EXPECT_THAT(s.macs, ElementsAre(0, 1900544, 77660160, 153419776, 212336640, 287965184, 346783744,
                                  422346752, 481116160, 556646400, 556697700));
}

TEST(Accounting, ShallowSweepOfResnet18At224) {
  const Sweep s = sweep_of(test::resnet18(224, 10), "shallow");
  EXPECT_THAT(s.macs, ElementsAre(0, 119619584, 351633408, 583647232, 764080128, 995692544,
                                  1175824384, 1407236096, 1587217408, 1818528768, 1818533898));
}

TEST(Accounting, CountsAreForOneImageAndBytesForTheBatch) {
  const Report one = report_of(test::small_resnet(1), "deep:k=1");
  const Report eight = report_of(test::small_resnet(8), "deep:k=1");
  EXPECT_EQ(one.macs_tee, eight.macs_tee);
  EXPECT_EQ(one.macs_total, eight.macs_total);
  EXPECT_EQ(one.params_tee, eight.params_tee);
  EXPECT_EQ(8 * one.bytes_to_tee, eight.bytes_to_tee);
  EXPECT_EQ(8 * one.bytes_to_device, eight.bytes_to_device);
}

TEST(Accounting, Bounds) {
  const ir::Graph graph = test::small_resnet(2);
  const Report none = report_of(graph, "none");
  EXPECT_EQ(none.macs_tee, 0u);
  EXPECT_EQ(none.crossings, 0u);
  EXPECT_EQ(none.bytes_to_tee + none.bytes_to_device, 0u);
  for (const ReportNode& node : none.nodes)
    EXPECT_EQ(node.bytes_in + node.bytes_out, 0u) << node.name;
  EXPECT_EQ(none.private_params_exposed, none.private_params_total);
  EXPECT_EQ(none.private_params_total, none.params_total);
  EXPECT_EQ(none.exposed_activations.size(), graph.node_count() + 1);

  const Report full = report_of(graph, "full");
  EXPECT_EQ(full.macs_tee, full.macs_total);
  EXPECT_EQ(full.params_tee, full.params_total);
  EXPECT_EQ(full.crossings, 2u);
  EXPECT_EQ(full.bytes_to_tee, 2u * 3 * 8 * 8 * 4);
  EXPECT_EQ(full.bytes_to_device, 2u * 5 * 4);
  EXPECT_EQ(full.private_params_exposed, 0u);
  EXPECT_TRUE(full.exposed_weights.empty());
  EXPECT_TRUE(full.exposed_activations.empty());
}

TEST(Accounting, EveryParameterIsOnOneSide) {
  const ir::Graph graph = test::small_resnet();
  for (const char* strategy :
       {"none", "full", "deep:k=2", "shallow:k=2", "magnitude:p=0.1", "magnitude:p=0",
        "magnitude:p=1", "intermediate", "nonlinear", "nonlinear:first=0"}) {
    const Report report = report_of(graph, strategy);
    EXPECT_EQ(report.params_tee + report.private_params_exposed - report.private_params_asked,
              report.params_total)
        << strategy;
    uint64_t params = 0;
    uint64_t into_tee = 0;
    uint64_t out_of_tee = 0;
    for (const ReportNode& node : report.nodes) {
      params += node.params;
      if (node.placement != ir::Placement::tee) continue;
      into_tee += node.bytes_in;
      out_of_tee += node.bytes_out;
    }
    EXPECT_EQ(params, report.params_total) << strategy;
    EXPECT_EQ(into_tee, report.bytes_to_tee) << strategy;
    EXPECT_EQ(out_of_tee, report.bytes_to_device) << strategy;
  }
}

TEST(Accounting, BytesPerNodeOfASplitChain) {
  const ir::Graph graph = test::small_resnet(1);
  const Report report = report_of(graph, "deep:k=1");
  // The classifier's pool is the first in the TEE; what it reads is the last that the device makes.
  uint64_t inside = 0;
  uint64_t outside = 0;
  for (const ReportNode& node : report.nodes) {
    if (node.op == "GlobalAveragePool") inside = node.bytes_in;
    if (node.op == "Relu") outside = node.bytes_out;
  }
  EXPECT_EQ(inside, 12u * 4 * 4 * 4);
  EXPECT_EQ(outside, inside);
  EXPECT_EQ(report.crossings, 2u);
  EXPECT_EQ(report.tee_segments, 1u);
  EXPECT_EQ(report.device_segments, 1u);
}

TEST(Accounting, MagnitudeExposesRemainders) {
  const ir::Graph graph = test::small_resnet();
  const Report report = report_of(graph, "magnitude:p=0.25");
  uint64_t kept = 0;
  for (const ReportNode& node : report.nodes) {
    if (node.op == "taoism.SparseResidual") kept += node.params;
  }
  EXPECT_GT(kept, 0u);
  for (const ExposedWeight& weight : report.exposed_weights) {
    EXPECT_THAT(weight.name, testing::EndsWith(".remainder"));
    EXPECT_THAT(weight.note, testing::HasSubstr("stay in the TEE"));
  }
  // The others are given away by the TEE itself.
  const uint64_t held = report.private_params_exposed - report.private_params_asked;
  EXPECT_NEAR(static_cast<double>(held) / report.private_params_total, 0.75, 0.05);
  EXPECT_EQ(report.private_params_exposed, report.private_params_total);
  ASSERT_EQ(report.warnings.size(), 2u);
}

TEST(Accounting, PublicWeightsAreNotCountedAsExposed) {
  ir::Graph graph = test::small_resnet();
  for (size_t v = 0; v < graph.value_count(); ++v)
    graph.value(static_cast<ir::ValueId>(v)).is_private = false;
  const Report report = report_of(graph, "none");
  EXPECT_EQ(report.private_params_total, 0u);
  EXPECT_EQ(report.private_params_exposed, 0u);
  EXPECT_EQ(report.private_params_exposed_share(), 0);
  EXPECT_TRUE(report.exposed_activations.empty());
}

}  // namespace
}  // namespace taoism::partition
