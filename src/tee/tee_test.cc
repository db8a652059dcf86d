// Both kinds of TEE through the Device interface: the same plan, the same numbers, the same errors.
#include "tee/tee.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/graph_view.h"
#include "program/lower.h"
#include "program/schedule.h"

namespace taoism::tee {
namespace {

using ir::Placement;
using ::testing::HasSubstr;

const ir::TensorDesc kImage{ir::DType::f32, {2, 8, 12, 12}};
constexpr size_t kElements = 2 * 8 * 12 * 12;

std::vector<float> wave(size_t count, float phase) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = std::sin(phase + 0.31F * static_cast<float>(i));
  return values;
}

std::shared_ptr<const ir::Constant> constant(ir::Shape shape, float phase) {
  return ir::make_f32_constant(shape, wave(static_cast<size_t>(shape.elements()), phase));
}

ir::Attrs conv_attrs() {
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>{3, 3});
  attrs.set("pads", std::vector<int64_t>{1, 1, 1, 1});
  return attrs;
}

// tee: Conv, Relu | device: Sigmoid | tee: Conv, Add (of the first Relu: state between segments).
ir::PartitionedGraph sandwich() {
  ir::PartitionedGraph p;
  ir::Graph& g = p.graph;
  const auto x = g.add_input("x", kImage);
  const auto w1 = g.add_constant("w1", constant({8, 8, 3, 3}, 0.2F));
  const auto b1 = g.add_constant("b1", constant({8}, 0.4F));
  const auto w2 = g.add_constant("w2", constant({8, 8, 3, 3}, 0.8F));
  const auto c1 = g.add_value("c1", kImage);
  const auto r1 = g.add_value("r1", kImage);
  const auto d = g.add_value("d", kImage);
  const auto c2 = g.add_value("c2", kImage);
  const auto z = g.add_value("z", kImage);
  g.add_node({"Conv", "conv1", {x, w1, b1}, {c1}, conv_attrs(), Placement::tee, "", ""});
  g.add_node({"Relu", "relu1", {c1}, {r1}, {}, Placement::tee, "", ""});
  g.add_node({"Sigmoid", "outside", {r1}, {d}, {}, Placement::device, "", ""});
  g.add_node({"Conv", "conv2", {d, w2}, {c2}, conv_attrs(), Placement::tee, "", ""});
  g.add_node({"Add", "add", {c2, r1}, {z}, {}, Placement::tee, "", ""});
  g.set_outputs({z});
  p.segments = {{Placement::tee, {0, 1}, {x}, {r1}},
                {Placement::device, {2}, {r1}, {d}},
                {Placement::tee, {3, 4}, {d}, {z}}};
  return p;
}

std::vector<float> reference(const ir::Graph& g, const std::vector<float>& x) {
  std::vector<AlignedBuffer> memory;
  for (size_t v = 0; v < g.value_count(); ++v) {
    const ir::Value& value = g.value(static_cast<ir::ValueId>(v));
    memory.emplace_back(value.desc.bytes());
    if (value.is_constant()) {
      std::memcpy(memory[v].data(), value.constant->data, value.desc.bytes());
    }
  }
  const auto of = [&](ir::ValueId v) -> AlignedBuffer& { return memory[static_cast<size_t>(v)]; };
  std::memcpy(of(g.inputs()[0]).data(), x.data(), x.size() * sizeof(float));
  SerialParallel serial;
  for (const ir::Node& node : g.nodes()) {
    const ops::GraphNodeView view(g, node);
    std::vector<const std::byte*> inputs;
    for (const ir::ValueId v : node.inputs) inputs.push_back(of(v).data());
    std::byte* output = of(node.outputs[0]).data();
    const ops::RunContext context{view.view(), inputs, {&output, 1}, {}, serial};
    EXPECT_TRUE(ops::find_op(node.op)->reference(context).ok());
  }
  const float* z = of(g.outputs()[0]).as<float>();
  return {z, z + kElements};
}

ir::ConstTensorView view_of(const float* data) {
  return {kImage, reinterpret_cast<const std::byte*>(data)};
}
ir::TensorView view_of(float* data) { return {kImage, reinterpret_cast<std::byte*>(data)}; }

class TeeTest : public ::testing::TestWithParam<const char*> {
 protected:
  TeeOptions options() const {
    TeeOptions options;
    options.kind = GetParam();
    options.worker_path = options.kind == "inline" ? TAOISM_INLINE : TAOISM_WORKER;
    return options;
  }
  Result<std::unique_ptr<device::Executable>> compile(const TeeOptions& options) {
    TAOISM_ASSIGN_OR_RETURN(const auto device, open_tee(options));
    return device->compile(partition_);
  }
  // All three segments; tensors lie in memory that the executable gives, or in ours.
  std::vector<float> run(device::Executable& executable, const std::vector<float>& x,
                         bool crossing_memory) {
    std::vector<AlignedBuffer> own;
    const auto buffer = [&] {
      if (crossing_memory) {
        std::byte* memory = executable.allocate_crossing(kImage.bytes());
        EXPECT_NE(memory, nullptr);
        if (memory != nullptr) return reinterpret_cast<float*>(memory);
      }
      return own.emplace_back(kImage.bytes()).as<float>();
    };
    own.reserve(4);
    float* in = buffer();
    float* r1 = buffer();
    float* d = buffer();
    float* z = buffer();
    std::memcpy(in, x.data(), kImage.bytes());
    device::RunTimes times;
    const auto run_segment = [&](size_t segment, const float* from, float* to) {
      const ir::ConstTensorView input = view_of(from);
      const ir::TensorView output = view_of(to);
      const Status status = executable.run(segment, {&input, 1}, {&output, 1}, times);
      EXPECT_TRUE(status.ok()) << status.message();
    };
    run_segment(0, in, r1);
    for (size_t i = 0; i < kElements; ++i) d[i] = 1 / (1 + std::exp(-r1[i]));
    run_segment(2, d, z);
    EXPECT_GT(times.compute_ns, 0U);
    EXPECT_GT(times.transfer_ns, 0U);
    return {z, z + kElements};
  }
  void expect_right(device::Executable& executable, bool crossing_memory) {
    const auto x = wave(kElements, crossing_memory ? 1.0F : 2.0F);
    const auto want = reference(partition_.graph, x);
    const auto got = run(executable, x, crossing_memory);
    for (size_t i = 0; i < kElements; ++i) ASSERT_NEAR(got[i], want[i], 2e-5) << i;
  }

  const ir::PartitionedGraph partition_ = sandwich();
  const program::Program program_ = program::lower(partition_, Placement::tee).value().program;
  const uint64_t needed_bytes_ = program::make_schedule(program_, {}).value().arena_bytes();
};

TEST_P(TeeTest, EqualsTheUnpartitionedRun) {
  const auto executable = compile(options());
  ASSERT_TRUE(executable.ok()) << executable.status().message();
  expect_right(**executable, true);
  expect_right(**executable, false);
  expect_right(**executable, false);
}

TEST_P(TeeTest, EqualsTheUnpartitionedRunWithTwoThreads) {
  TeeOptions two = options();
  two.threads = 2;
  const auto executable = compile(two);
  ASSERT_TRUE(executable.ok()) << executable.status().message();
  expect_right(**executable, true);
}

TEST_P(TeeTest, ExactlyEnoughMemoryIsEnough) {
  TeeOptions exact = options();
  exact.memory_bytes = needed_bytes_;
  const auto executable = compile(exact);
  ASSERT_TRUE(executable.ok()) << executable.status().message();
  expect_right(**executable, false);
  const TeeExecutable* tee = as_tee(**executable);
  ASSERT_NE(tee, nullptr);
  EXPECT_EQ(tee->peak_trusted_bytes(), needed_bytes_);
  EXPECT_EQ(tee->budget_bytes(), needed_bytes_);
  EXPECT_EQ(tee->memory_bytes(), needed_bytes_);
}

TEST_P(TeeTest, TooLittleMemoryNamesTheBudgetThatWouldDo) {
  TeeOptions less = options();
  less.memory_bytes = 1000;
  const auto executable = compile(less);
  ASSERT_EQ(executable.code(), Code::resource_exhausted);
  EXPECT_THAT(executable.status().message(), HasSubstr("--tee-memory 1000, "));
  const uint64_t least = program::smallest_memory(program_, 1);
  EXPECT_THAT(executable.status().message(),
              HasSubstr("give --tee-memory " + std::to_string(least >> 10) + "KiB"));
  less.memory_bytes = least;
  const auto enough = compile(less);
  ASSERT_TRUE(enough.ok()) << enough.status().message();
  expect_right(**enough, false);
  EXPECT_LE(as_tee(**enough)->peak_trusted_bytes(), least);
}

TEST_P(TeeTest, APlanWithNothingInTheTeeStartsNothing) {
  const auto device = open_tee(options()).value();
  ir::PartitionedGraph empty;
  const auto x = empty.graph.add_input("x", kImage);
  const auto z = empty.graph.add_value("z", kImage);
  empty.graph.add_node({"Relu", "relu", {x}, {z}, {}, Placement::device, "", ""});
  empty.graph.set_outputs({z});
  empty.segments = {{Placement::device, {0}, {x}, {z}}};
  const auto executable = device->compile(empty);
  ASSERT_TRUE(executable.ok());
  EXPECT_EQ(as_tee(**executable)->worker_pid(), 0);
  EXPECT_EQ((*executable)->memory_bytes(), 0U);
  device::RunTimes times;
  EXPECT_EQ((*executable)->run(0, {}, {}, times).code(), Code::invalid_argument);
}

TEST_P(TeeTest, RefusesTensorsThatAreNotTheSegments) {
  const auto executable = compile(options());
  ASSERT_TRUE(executable.ok());
  device::RunTimes times;
  EXPECT_EQ((*executable)->run(0, {}, {}, times).code(), Code::invalid_argument);
  EXPECT_EQ((*executable)->run(1, {}, {}, times).code(), Code::invalid_argument);
  EXPECT_EQ((*executable)->run(99, {}, {}, times).code(), Code::invalid_argument);
  expect_right(**executable, false);
}

TEST_P(TeeTest, SegmentsOutOfOrderEndTheSession) {
  const auto executable = compile(options());
  ASSERT_TRUE(executable.ok());
  AlignedBuffer in(kImage.bytes());
  AlignedBuffer out(kImage.bytes());
  const ir::ConstTensorView input{kImage, in.data()};
  const ir::TensorView output{kImage, out.data()};
  device::RunTimes times;
  EXPECT_EQ((*executable)->run(2, {&input, 1}, {&output, 1}, times).code(), Code::policy);
  EXPECT_EQ((*executable)->run(0, {&input, 1}, {&output, 1}, times).code(), Code::policy);
}

TEST_P(TeeTest, SupportsWhatHasAKernel) {
  const auto device = open_tee(options()).value();
  EXPECT_EQ(device->name(), std::string("tee:") + GetParam());
  EXPECT_EQ(device->side(), Placement::tee);
  EXPECT_TRUE(device->supports(partition_.graph, partition_.graph.node(0)).ok());
  ir::Node strange;
  strange.op = "Strange";
  strange.name = "n1";
  const Status status = device->supports(partition_.graph, strange);
  EXPECT_EQ(status.code(), Code::unsupported);
  EXPECT_THAT(status.message(), HasSubstr("n1"));
}

TEST_P(TeeTest, AMissingImageIsNamed) {
  TeeOptions missing = options();
  missing.worker_path = "/nowhere/image";
  const auto device = open_tee(missing);
  ASSERT_EQ(device.code(), Code::unavailable);
  EXPECT_THAT(device.status().message(), HasSubstr("/nowhere/image"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, TeeTest, ::testing::Values("process", "inline"),
                         [](const auto& info) { return std::string(info.param); });

TEST(OpenTee, KnowsItsKinds) {
  TeeOptions options;
  options.kind = "sgx";
  EXPECT_EQ(open_tee(options).code(), Code::unavailable);
  options.kind = "trustzone";
  EXPECT_EQ(open_tee(options).code(), Code::invalid_argument);
  options.kind = "process";
  options.threads = 0;
  EXPECT_EQ(open_tee(options).code(), Code::invalid_argument);
}

TEST(ProbeTee, SaysWhyAndHowToMend) {
  for (const TeeFeature& feature : probe_tee(TAOISM_WORKER)) {
    EXPECT_FALSE(feature.reason.empty()) << feature.name;
    EXPECT_EQ(feature.mend.empty(), feature.available) << feature.name;
  }
}

}  // namespace
}  // namespace taoism::tee
