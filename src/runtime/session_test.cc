#include "runtime/session.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "runtime/small_model.h"
#include "runtime/tensors.h"
#include "tee/tee.h"

namespace taoism::runtime {
namespace {

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "session_test.onnx";
    write_small_model(path_);
  }
  void TearDown() override { (void)std::remove(path_.c_str()); }

  Result<Prepared> prepare_strategy(const std::string& strategy, int64_t batch = 2) {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path_));
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind({.batch = batch}));
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(strategy));
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, spec, "hash"));
    return prepare(graph, plan, test_machine());
  }

  std::string path_;
};

TEST_F(SessionTest, PhasesAddUpAndAnswersAgree) {
  Tensors want;
  for (const char* strategy : {"none", "full", "deep", "shallow", "nonlinear", "magnitude:p=0.2",
                               "intermediate:theta=0.5"}) {
    Result<Prepared> prepared = prepare_strategy(strategy);
    ASSERT_TRUE(prepared.ok()) << prepared.status().message();
    Result<std::unique_ptr<Session>> opened = Session::open(*prepared, test_machine());
    ASSERT_TRUE(opened.ok()) << strategy << ": " << opened.status().message();
    Session& session = **opened;
    Tensors inputs(session.inputs());
    Tensors outputs(session.outputs());
    fill_normal(inputs.views(), 1);
    for (int repeat = 0; repeat < 3; ++repeat) {
      RunProfile p;
      Status status = session.run(inputs.const_views(), outputs.views(), p);
      ASSERT_TRUE(status.ok()) << strategy << ": " << status.message();
      EXPECT_EQ(p.end_to_end_ns, p.tee_compute_ns + p.device_compute_ns + p.crypto_ns +
                                     p.transfer_ns + p.wait_ns + p.residual_ns);
      EXPECT_LT(p.residual_ns, p.end_to_end_ns);
      EXPECT_EQ(p.tee_compute_ns > 0, prepared->uses_tee) << strategy;
      if (std::string(strategy) == "none" && repeat == 0) {
        want = Tensors(session.outputs());
        std::memcpy(want.views()[0].data, outputs.views()[0].data, outputs.views()[0].desc.bytes());
      }
      EXPECT_LE(difference(want.const_views(), outputs.const_views()).relative, 1e-5) << strategy;
    }
    EXPECT_EQ(session.tee_name().empty(), !prepared->uses_tee);
    EXPECT_LE(session.tee_memory_peak(), session.tee_memory_budget());
  }
}

TEST_F(SessionTest, BudgetTooSmallNamesTheMend) {
  Result<Prepared> prepared = prepare_strategy("full");
  ASSERT_TRUE(prepared.ok());
  Machine machine = test_machine();
  machine.tee_memory_bytes = 1000;
  Result<std::unique_ptr<Session>> session = Session::open(*prepared, machine);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.code(), Code::resource_exhausted);
  EXPECT_NE(session.status().message().find("--tee-memory"), std::string::npos);
}

TEST_F(SessionTest, MissingWorkerIsUnavailable) {
  Result<Prepared> prepared = prepare_strategy("full");
  ASSERT_TRUE(prepared.ok());
  Machine machine = test_machine();
  machine.worker_path = "/no/such/worker";
  EXPECT_EQ(Session::open(*prepared, machine).code(), Code::unavailable);
  // A plan without a TEE does not look for one.
  EXPECT_TRUE(Session::open(*prepare_strategy("none"), machine).ok());
}

TEST_F(SessionTest, WrongTensorsAreRefused) {
  Result<Prepared> prepared = prepare_strategy("none");
  ASSERT_TRUE(prepared.ok());
  Result<std::unique_ptr<Session>> opened = Session::open(*prepared, test_machine());
  ASSERT_TRUE(opened.ok());
  Session& session = **opened;
  Tensors inputs(session.inputs());
  Tensors outputs(session.outputs());
  RunProfile profile;
  EXPECT_EQ(session.run({}, outputs.views(), profile).code(), Code::invalid_argument);
  ir::ConstTensorView wrong = inputs.const_views()[0];
  wrong.desc.shape[0] += 1;
  EXPECT_EQ(session.run({&wrong, 1}, outputs.views(), profile).code(), Code::invalid_argument);
  wrong = inputs.const_views()[0];
  wrong.desc.dtype = ir::DType::i32;
  EXPECT_EQ(session.run({&wrong, 1}, outputs.views(), profile).code(), Code::invalid_argument);
  EXPECT_TRUE(session.run(inputs.const_views(), outputs.views(), profile).ok());
}

TEST_F(SessionTest, DeadWorkerEndsTheSession) {
  Result<Prepared> prepared = prepare_strategy("deep");
  ASSERT_TRUE(prepared.ok());
  Result<std::unique_ptr<Session>> opened = Session::open(*prepared, test_machine());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Session& session = **opened;
  Tensors inputs(session.inputs());
  Tensors outputs(session.outputs());
  RunProfile profile;
  ASSERT_TRUE(session.run(inputs.const_views(), outputs.views(), profile).ok());
  ASSERT_GT(session.worker_pid(), 0);
  ASSERT_EQ(kill(session.worker_pid(), SIGKILL), 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(session.run(inputs.const_views(), outputs.views(), profile).code(),
              Code::unavailable);
  }
}

}  // namespace
}  // namespace taoism::runtime
