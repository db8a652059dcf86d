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

// rows = Gather(table, index) | twice = Add(rows, rows) | picked = Gather(twice, other): both
// gathers by indices that a request brings.
ir::Graph gathering_graph() {
  ir::Graph graph;
  const ir::ValueId index = graph.add_input("index", {ir::DType::i64, {4}});
  const ir::ValueId other = graph.add_input("other", {ir::DType::i64, {2}});
  auto [table, data] = ir::make_constant({ir::DType::f32, {10, 3}});
  for (int i = 0; i < 30; ++i) reinterpret_cast<float*>(data)[i] = static_cast<float>(i);
  const auto node = [&](const char* op, const char* name, std::vector<ir::ValueId> inputs,
                        ir::Shape shape) {
    ir::Node made;
    made.op = op;
    made.name = name;
    made.inputs = std::move(inputs);
    made.outputs = {graph.add_value(std::string(name) + ":0", {ir::DType::f32, shape})};
    const ir::ValueId out = made.outputs[0];
    graph.add_node(std::move(made));
    return out;
  };
  const ir::ValueId rows =
      node("Gather", "embed", {graph.add_constant("table", table), index}, {4, 3});
  const ir::ValueId twice = node("Add", "twice", {rows, rows}, {4, 3});
  graph.set_outputs({node("Gather", "pick", {twice, other}, {2, 3})});
  return graph;
}

// An index that is out of range ends its request, wherever its node is, and no other.
TEST(SessionFaults, EndTheRequestAlone) {
  const ir::Graph graph = gathering_graph();
  ASSERT_TRUE(graph.verify().ok());
  for (int sides = 0; sides < 8; ++sides) {  // a bit for each node
    SCOPED_TRACE(sides);
    Result<partition::StrategySpec> full = partition::StrategySpec::parse("full");
    ASSERT_TRUE(full.ok());
    Result<partition::Plan> plan = partition::make_plan(graph, *full, "hash");
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    for (size_t n = 0; n < plan->annotations.nodes.size(); ++n) {
      plan->annotations.nodes[n].placement =
          (sides >> n & 1) != 0 ? ir::Placement::tee : ir::Placement::device;
    }
    Result<Prepared> prepared = prepare(graph, *plan, test_machine());
    ASSERT_TRUE(prepared.ok()) << prepared.status().message();
    Result<std::unique_ptr<Session>> session = Session::open(*prepared, test_machine());
    ASSERT_TRUE(session.ok()) << session.status().message();
    Tensors inputs((*session)->inputs()), outputs((*session)->outputs());
    const auto run = [&](std::vector<int64_t> index, std::vector<int64_t> other) {
      std::copy(index.begin(), index.end(), reinterpret_cast<int64_t*>(inputs.views()[0].data));
      std::copy(other.begin(), other.end(), reinterpret_cast<int64_t*>(inputs.views()[1].data));
      RunProfile profile;
      return (*session)->run(inputs.const_views(), outputs.views(), profile);
    };
    const auto expect_right = [&] {
      const Status status = run({0, 9, -10, -1}, {-1, 1});
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(outputs.views()[0].f32()[0], 54);
      EXPECT_EQ(outputs.views()[0].f32()[5], 58);
    };
    expect_right();
    const auto expect_fault = [&](const Status& status, int bit, const char* node,
                                  const std::string& text) {
      EXPECT_EQ(status.code(), Code::invalid_argument);
      const bool inside = (sides >> bit & 1) != 0;
      EXPECT_NE(status.message().find(node), std::string::npos) << status.message();
      EXPECT_EQ(status.message().find(text) == std::string::npos, inside) << status.message();
      expect_right();
    };
    expect_fault(run({0, 10, 1, 2}, {0, 0}), 0, "Gather 'embed'", "index 10 is not in [-10, 9]");
    expect_fault(run({0, 0, 1, INT64_MIN}, {0, 0}), 0, "Gather 'embed'", "is not in [-10, 9]");
    expect_fault(run({0, 0, 1, 2}, {3, -5}), 2, "Gather 'pick'", "index -5 is not in [-4, 3]");
    // Of two the first node's.
    expect_fault(run({-11, 0, 1, 2}, {4, 4}), 0, "Gather 'embed'", "index -11 is not in [-10, 9]");
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
