#include "runtime/measure.h"

#include <gtest/gtest.h>

#include "partition/plan.h"
#include "runtime/small_model.h"

namespace taoism::runtime {
namespace {

class MeasureTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.model_path = testing::TempDir() + "measure_test.onnx";
    write_small_model(options_.model_path);
    options_.machine = test_machine();
    options_.min_iterations = 12;
    options_.min_seconds = 0;
  }
  void TearDown() override { (void)std::remove(options_.model_path.c_str()); }
  MeasureOptions options_;
};

TEST_F(MeasureTest, EverySubjectGetsItsSamplesAndARightAnswer) {
  options_.subjects = {{"none", ""}, {"full", ""}, {"deep:k=1", ""}};
  options_.import.batch = 2;
  double last = 0;
  Result<std::vector<RunRecord>> records =
      measure(options_, [&](double done, const std::string&) { last = done; });
  ASSERT_TRUE(records.ok()) << records.status().message();
  ASSERT_EQ(records->size(), 3U);
  EXPECT_NEAR(last, 1, 1e-9);
  for (const RunRecord& r : *records) {
    EXPECT_GE(r.samples_ms.size(), 12U);
    EXPECT_TRUE(r.valid) << r.strategy << " " << r.max_relative_error;
    EXPECT_GT(r.cold_start_ms, 0);
    EXPECT_EQ(r.batch, 2U);
    EXPECT_TRUE(r.simulated);
    EXPECT_EQ(r.model, "measure_test.onnx");
    EXPECT_EQ(r.model_hash.size(), 64U);
  }
  const RunRecord& none = (*records)[0];
  const RunRecord& full = (*records)[1];
  const RunRecord& deep = (*records)[2];
  EXPECT_EQ(none.tee_macs_share, 0);
  EXPECT_EQ(none.tee_memory_peak, 0U);
  EXPECT_EQ(none.total.tee_compute_ns, 0U);
  EXPECT_EQ(none.private_params_exposed_share, 1);
  EXPECT_EQ(full.tee_macs_share, 1);
  EXPECT_EQ(full.private_params_exposed_share, 0);
  EXPECT_GT(full.tee_memory_peak, 0U);
  EXPECT_EQ(deep.strategy, "deep");
  EXPECT_EQ(deep.parameters, (std::vector<std::pair<std::string, std::string>>{{"k", "1"}}));
  EXPECT_NE(none.plan_hash, full.plan_hash);
}

TEST_F(MeasureTest, MeasuresPlans) {
  TAOISM_CHECK(options_.subjects.empty());
  Result<onnx::Model> model = onnx::Model::load(options_.model_path);
  ASSERT_TRUE(model.ok());
  Result<ir::Graph> graph = model->bind();
  ASSERT_TRUE(graph.ok());
  Result<partition::Plan> plan = partition::make_plan(*graph, {"deep", {}}, *model->hash());
  ASSERT_TRUE(plan.ok());
  options_.subjects = {{"mine", partition::write_plan(*plan, *graph)}, {"deep", ""}};
  Result<std::vector<RunRecord>> records = measure(options_, nullptr);
  ASSERT_TRUE(records.ok()) << records.status().message();
  EXPECT_EQ((*records)[0].strategy, "mine");
  EXPECT_EQ((*records)[0].plan_hash, (*records)[1].plan_hash);
}

TEST_F(MeasureTest, ErrorsNameTheStrategy) {
  options_.subjects = {{"none", ""}, {"deep:k=99", ""}};
  Result<std::vector<RunRecord>> records = measure(options_, nullptr);
  ASSERT_FALSE(records.ok());
  EXPECT_NE(records.status().message().find("deep:k=99"), std::string::npos)
      << records.status().message();
  options_.subjects = {};
  EXPECT_EQ(measure(options_, nullptr).code(), Code::invalid_argument);
}

}  // namespace
}  // namespace taoism::runtime
