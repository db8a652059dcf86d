// Whole models under several splits on `torch:cpu`: the answer is that of `cpu`, and memory does
// not grow. What PyTorch answers to one operator is in device_test.cc.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>

#include "device/torch/torch_device.h"
#include "runtime/session.h"
#include "runtime/tensors.h"
#include "zoo/zoo.h"

namespace taoism::conformance {
namespace {

using runtime::Machine;
using runtime::Prepared;
using runtime::Session;
using runtime::Tensors;

constexpr double kMaxRelative = 1e-3;  // of the output's range
constexpr const char* kSplits[] = {"none", "full", "deep", "shallow", "random"};

Machine machine_with(const char* device) {
  Machine machine;
  machine.device = device;
  machine.tee_threads = 1;
  machine.device_threads = 2;
  machine.worker_path = TAOISM_WORKER;
  return *runtime::resolve(machine);
}

// A placement for each node by itself, or a strategy's.
Result<partition::Plan> plan_of(const ir::Graph& graph, const std::string& split, uint32_t seed) {
  const bool is_random = split == "random";
  TAOISM_ASSIGN_OR_RETURN(const partition::StrategySpec spec,
                          partition::StrategySpec::parse(is_random ? "none" : split));
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, spec, ""));
  std::mt19937 random(seed);
  for (partition::NodeAnnotation& node : plan.annotations.nodes) {
    if (!is_random) break;
    node.placement = random() % 2 == 0 ? ir::Placement::tee : ir::Placement::device;
  }
  return plan;
}

struct Answer {
  Status status;
  Tensors outputs;
};

// The answer to the third of three runs: a recorded or kept state of earlier ones would show.
Answer answer_of(const Prepared& prepared, const Machine& machine,
                 std::shared_ptr<device::Device> device = nullptr) {
  Result<std::unique_ptr<Session>> session = Session::open(prepared, machine, std::move(device));
  if (!session.ok()) return {session.status(), {}};
  Tensors inputs((*session)->inputs());
  Answer answer{{}, Tensors((*session)->outputs())};
  for (uint64_t round = 1; round <= 3 && answer.status.ok(); ++round) {
    runtime::fill_normal(inputs.views(), round);
    runtime::RunProfile profile;
    answer.status = (*session)->run(inputs.const_views(), answer.outputs.views(), profile);
  }
  return answer;
}

class TorchModels : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "torch_test_" + GetParam() + ".onnx";
    const Status written = zoo::write_zoo(GetParam(), {.image = 32, .classes = 10}, path_);
    ASSERT_TRUE(written.ok()) << written.message();
  }
  void TearDown() override { (void)std::remove(path_.c_str()); }

  std::string path_;
};

TEST_P(TorchModels, AnswerAsCpuUnderEverySplit) {
  const Machine cpu = machine_with("cpu"), torch = machine_with("torch:cpu");
  Result<onnx::Model> model = onnx::Model::load(path_);
  ASSERT_TRUE(model.ok()) << model.status().message();
  Result<ir::Graph> graph = model->bind({.batch = 2});
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  const auto prepare = [&](const std::string& split, const Machine& machine) {
    Result<partition::Plan> plan = plan_of(*graph, split, 7);
    return plan.ok() ? runtime::prepare(*graph, *plan, machine) : plan.status();
  };
  Result<Prepared> whole = prepare("none", cpu);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  const Answer want = answer_of(*whole, cpu);
  ASSERT_TRUE(want.status.ok()) << want.status.message();
  const auto expect_same = [&](const Answer& got, const std::string& what) {
    ASSERT_TRUE(got.status.ok()) << what << ": " << got.status.message();
    EXPECT_LE(runtime::difference(want.outputs.const_views(), got.outputs.const_views()).relative,
              kMaxRelative)
        << what;
  };
  for (const char* split : kSplits) {
    Result<Prepared> prepared = prepare(split, torch);
    ASSERT_TRUE(prepared.ok()) << split << ": " << prepared.status().message();
    expect_same(answer_of(*prepared, torch), split);
  }
  // As on a GPU, but for the GPU.
  Result<Prepared> random = prepare("random", torch);
  ASSERT_TRUE(random.ok());
  auto staged = device::open_torch({.threads = 2, .staged_for_testing = true});
  ASSERT_TRUE(staged.ok()) << staged.status().message();
  expect_same(answer_of(*random, torch, std::move(*staged)), "staged");
}

INSTANTIATE_TEST_SUITE_P(Zoo, TorchModels, testing::ValuesIn(zoo::zoo_names()),
                         [](const auto& info) { return std::string(info.param); });

uint64_t resident_bytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

TEST(TorchMemory, DoesNotGrow) {
  constexpr uint64_t kAllowed = uint64_t{2} << 20;
  const Machine machine = machine_with("torch:cpu");
  const std::string path = testing::TempDir() + "torch_test_memory.onnx";
  ASSERT_TRUE(zoo::write_zoo("resnet18", {.image = 32, .classes = 10}, path).ok());
  Result<onnx::Model> model = onnx::Model::load(path);
  (void)std::remove(path.c_str());
  ASSERT_TRUE(model.ok());
  Result<ir::Graph> graph = model->bind({.batch = 1});
  ASSERT_TRUE(graph.ok());
  Result<partition::Plan> plan = plan_of(*graph, "shallow", 0);
  ASSERT_TRUE(plan.ok());
  Result<Prepared> prepared = runtime::prepare(*graph, *plan, machine);
  ASSERT_TRUE(prepared.ok());
  Result<std::unique_ptr<Session>> session = Session::open(*prepared, machine);
  ASSERT_TRUE(session.ok()) << session.status().message();
  const Tensors inputs((*session)->inputs()), outputs((*session)->outputs());
  runtime::fill_normal(inputs.views(), 1);
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      runtime::RunProfile profile;
      ASSERT_TRUE((*session)->run(inputs.const_views(), outputs.views(), profile).ok());
    }
    (void)malloc_trim(0);
  };
  run(100);
  const uint64_t before = resident_bytes();
  run(1000);
  EXPECT_LE(resident_bytes(), before + kAllowed);
}

TEST(TorchDevice, WrongNamesSayWhichThereAre) {
  for (const char* name : {"tpu", "cuda", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""}) {
    const Status status = device::open_torch({.device = name}).status();
    EXPECT_EQ(status.code(), Code::invalid_argument) << name;
    EXPECT_NE(status.message().find("torch:cuda:0"), std::string::npos) << status.message();
  }
}

TEST(TorchDevice, AnIndexBeyondTheGpusIsRefused) {
  const device::TorchFinding found = device::probe_torch();
  ASSERT_TRUE(found.available) << found.text;
  const Status status = device::open_torch({.device = "cuda:99"}).status();
  if (found.cuda_devices > 0) {
    EXPECT_EQ(status.code(), Code::invalid_argument);
    EXPECT_NE(status.message().find(std::to_string(found.cuda_devices)), std::string::npos);
  } else {
    EXPECT_EQ(status.code(), Code::unavailable);
    EXPECT_NE(status.message().find(found.cuda_reason), std::string::npos) << status.message();
    EXPECT_FALSE(found.cuda_reason.empty());
  }
}

}  // namespace
}  // namespace taoism::conformance
