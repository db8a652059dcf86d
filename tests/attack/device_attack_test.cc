// A device that lies: a model goes back and forth between the TEE's worker and a device whose
// results are replaced. Nothing promises to find wrong values; what is promised is an answer or a
// typed error, a session that goes on, and no trace of the lie in the next answer.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "hostile_values.h"
#include "runtime/session.h"
#include "runtime/tensors.h"
#include "tee/tee.h"
#include "worker_watch.h"

namespace taoism::attack {
namespace {

using ir::Placement;

// Sees what the device was given and may replace what it answers.
using Lie = std::function<Status(size_t segment, std::span<const ir::ConstTensorView> inputs,
                                 std::span<const ir::TensorView> outputs)>;

class LyingDevice final : public device::Device {
 public:
  explicit LyingDevice(std::unique_ptr<device::Device> honest) : honest_(std::move(honest)) {}
  void set_lie(Lie lie) { *lie_ = std::move(lie); }

  std::string name() const override { return "lying"; }
  size_t threads() const override { return honest_->threads(); }
  Status supports(const ir::Graph& graph, const ir::Node& node) const override {
    return honest_->supports(graph, node);
  }
  Result<std::unique_ptr<device::Executable>> compile(const ir::PartitionedGraph& graph) override {
    TAOISM_ASSIGN_OR_RETURN(auto honest, honest_->compile(graph));
    return std::unique_ptr<device::Executable>(std::make_unique<Liar>(std::move(honest), lie_));
  }

 private:
  class Liar final : public device::Executable {
   public:
    Liar(std::unique_ptr<device::Executable> honest, std::shared_ptr<const Lie> lie)
        : honest_(std::move(honest)), lie_(std::move(lie)) {}
    Status run(size_t segment, std::span<const ir::ConstTensorView> inputs,
               std::span<const ir::TensorView> outputs, device::RunTimes& times) override {
      TAOISM_RETURN_IF_ERROR(honest_->run(segment, inputs, outputs, times));
      return *lie_ ? (*lie_)(segment, inputs, outputs) : Status();
    }
    uint64_t memory_bytes() const override { return honest_->memory_bytes(); }

   private:
    std::unique_ptr<device::Executable> honest_;
    std::shared_ptr<const Lie> lie_;
  };

  std::unique_ptr<device::Device> honest_;
  std::shared_ptr<Lie> lie_ = std::make_shared<Lie>();
};

constexpr int64_t kBatch = 2, kChannels = 8, kSide = 12;
const ir::TensorDesc kImage{ir::DType::f32, {kBatch, kChannels, kSide, kSide}};

// Builds the model below.
class Builder {
 public:
  ir::ValueId input(const char* name) { return p_.graph.add_input(name, kImage); }
  ir::ValueId weight(const char* name, ir::Shape shape, float phase) {
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = 0.3F + 0.2F * std::sin(phase + 0.7F * static_cast<float>(i));
    }
    return p_.graph.add_constant(name, ir::make_f32_constant(shape, values));
  }
  // A new segment. Nodes are added to the latest.
  void segment(Placement placement, std::vector<ir::ValueId> inputs) {
    p_.segments.push_back({placement, {}, std::move(inputs), {}});
  }
  ir::ValueId node(const char* op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {},
                   ir::TensorDesc desc = kImage) {
    ir::Segment& segment = p_.segments.back();
    const std::string name = op + std::to_string(p_.graph.node_count());
    const ir::ValueId output = p_.graph.add_value(name + ".y", desc);
    segment.nodes.push_back(p_.graph.add_node(
        {op, name, std::move(inputs), {output}, std::move(attrs), segment.placement, "", ""}));
    return output;
  }
  ir::ValueId crosses(ir::ValueId value) {
    p_.segments.back().outputs.push_back(value);
    return value;
  }
  void answer(ir::ValueId value) { answers_.push_back(crosses(value)); }
  ir::PartitionedGraph finish() {
    p_.graph.set_outputs(answers_);
    return std::move(p_);
  }

 private:
  ir::PartitionedGraph p_;
  std::vector<ir::ValueId> answers_;
};

ir::Attrs window(int64_t kernel, int64_t pad) {
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
  attrs.set("pads", std::vector<int64_t>{pad, pad, pad, pad});
  return attrs;
}

ir::Attrs ints(const char* name, std::vector<int64_t> values) {
  ir::Attrs attrs;
  attrs.set(name, std::move(values));
  return attrs;
}

// Every operator of the TEE's second segment reads what the device answered.
void read_by_every_kind_of_operator(Builder& b, ir::ValueId d) {
  const ir::TensorDesc pooled{ir::DType::f32, {kBatch, kChannels, 1, 1}};
  const ir::TensorDesc indices{ir::DType::i64, {kBatch, 1, kSide, kSide}};
  const ir::TensorDesc twice{ir::DType::f32, {kBatch, kChannels, 2 * kSide, 2 * kSide}};
  const ir::Shape channel{kChannels};
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu"}) {
    b.answer(b.node(op, {d}));
  }
  b.answer(b.node("Softmax", {d}));
  b.answer(b.node("MaxPool", {d}, window(3, 1)));
  b.answer(b.node("AveragePool", {d}, window(3, 1)));
  b.answer(b.node("GlobalAveragePool", {d}, {}, pooled));
  b.answer(b.node("GlobalMaxPool", {d}, {}, pooled));
  b.answer(b.node("ReduceMean", {d}, ints("axes", {2, 3}), pooled));
  b.answer(b.node("Div", {d, d}));
  b.answer(b.node("Mul", {d, d}));
  b.answer(b.node("Sub", {d, d}));
  b.answer(b.node("MatMul", {d, d}));
  b.answer(b.node("Linear", {d, b.weight("lw", {kSide, kSide}, 0.5F)}));
  b.answer(
      b.node("BatchNormalization", {d, b.weight("bs", channel, 0.1F), b.weight("bb", channel, 0.2F),
                                    b.weight("bm", channel, 0.3F), b.weight("bv", channel, 0.4F)}));
  ir::Attrs linear = ints("sizes", {kBatch, kChannels, 2 * kSide, 2 * kSide});
  linear.set("mode", std::string("linear"));
  b.answer(b.node("Resize", {d}, linear, twice));
  ir::Attrs axis;
  axis.set("axis", int64_t{1});
  b.answer(b.node("ArgMax", {d}, axis, indices));
}

// tee | device | tee, many operators | device | tee, which also reads what it kept of the first.
ir::PartitionedGraph back_and_forth() {
  Builder b;
  const auto x = b.input("x");
  b.segment(Placement::tee, {x});
  const auto c1 =
      b.node("Conv", {x, b.weight("w1", {kChannels, kChannels, 3, 3}, 0.1F)}, window(3, 1));
  const auto r1 = b.crosses(b.node("Relu", {c1}));
  b.segment(Placement::device, {r1});
  const auto d1 = b.crosses(b.node("Sigmoid", {r1}));
  b.segment(Placement::tee, {d1});
  read_by_every_kind_of_operator(b, d1);
  const auto c2 = b.crosses(
      b.node("Conv", {d1, b.weight("w2", {kChannels, kChannels, 3, 3}, 0.2F)}, window(3, 1)));
  b.segment(Placement::device, {c2});
  const auto d2 = b.crosses(b.node("Tanh", {c2}));
  b.segment(Placement::tee, {d2});
  const auto c3 =
      b.node("Conv", {d2, b.weight("w3", {kChannels, kChannels, 1, 1}, 0.3F)}, window(1, 0));
  b.answer(b.node("Add", {c3, r1}));
  return b.finish();
}

using Answers = std::vector<std::vector<std::byte>>;

// By the threads of the TEE.
class DeviceAttack : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    prepared_.partitioned = back_and_forth();
    prepared_.uses_tee = prepared_.uses_device = true;
    runtime::Machine machine;
    machine.tee_threads = GetParam();
    machine.device_threads = 1;
    machine.worker_path = TAOISM_WORKER;
    machine_ = runtime::resolve(machine).value();
    device_ = std::make_shared<LyingDevice>(runtime::open_device(machine_).value());
    open();
    right_ = *run();
  }
  void TearDown() override {
    EXPECT_TRUE(session_ == nullptr || exists(session_->worker_pid()));
    session_.reset();
    EXPECT_EQ(leftovers_.text(), "");
  }

  void open() {
    auto session = runtime::Session::open(prepared_, machine_, device_);
    ASSERT_TRUE(session.ok()) << session.status().message();
    session_ = std::move(*session);
    inputs_.emplace(session_->inputs());
    outputs_.emplace(session_->outputs());
    runtime::fill_normal(inputs_->views(), 1);
  }

  Result<Answers> run() {
    for (const ir::TensorView& view : outputs_->views()) {
      std::memset(view.data, 0xee, view.desc.bytes());
    }
    runtime::RunProfile profile;
    TAOISM_RETURN_IF_ERROR(session_->run(inputs_->const_views(), outputs_->views(), profile));
    EXPECT_LE(session_->tee_memory_peak(), session_->tee_memory_budget());
    Answers answers;
    for (const ir::TensorView& view : outputs_->views()) {
      answers.emplace_back(view.data, view.data + view.desc.bytes());
      if (view.desc.dtype != ir::DType::i64) continue;
      const auto* index = reinterpret_cast<const int64_t*>(view.data);
      EXPECT_TRUE(std::all_of(index, index + view.desc.bytes() / sizeof(int64_t),
                              [](int64_t i) { return i >= 0 && i < kChannels; }));
    }
    return answers;
  }

  const Leftovers leftovers_;
  runtime::Prepared prepared_;
  runtime::Machine machine_;
  std::shared_ptr<LyingDevice> device_;
  std::unique_ptr<runtime::Session> session_;
  std::optional<runtime::Tensors> inputs_, outputs_;
  Answers right_;
};

std::span<float> floats_of(const ir::TensorView& tensor) {
  return {reinterpret_cast<float*>(tensor.data), tensor.desc.bytes() / sizeof(float)};
}

TEST_P(DeviceAttack, AnyValuesGiveAnAnswerAndLeaveNothingBehind) {
  for (const HostileValues& values : kHostileValues) {
    for (const std::vector<size_t>& where : {std::vector<size_t>{1}, {3}, {1, 3}}) {
      int lies = 0;
      device_->set_lie([&](size_t segment, auto, auto outputs) {
        if (std::ranges::find(where, segment) == where.end()) return Status();
        ++lies;
        values.write(floats_of(outputs[0]));
        return Status();
      });
      const Result<Answers> first = run();
      const Result<Answers> again = run();
      ASSERT_TRUE(first.ok()) << values.name << ": " << first.status().message();
      ASSERT_TRUE(again.ok()) << values.name << ": " << again.status().message();
      EXPECT_TRUE(*first == *again) << values.name;
      EXPECT_FALSE(*first == right_) << values.name;
      EXPECT_EQ(lies, 2 * static_cast<int>(where.size()));
      device_->set_lie({});
      const Result<Answers> honest = run();
      ASSERT_TRUE(honest.ok()) << values.name << ": " << honest.status().message();
      EXPECT_TRUE(*honest == right_) << "something is left of " << values.name;
    }
  }
}

// Half of a result is of this run, the other of an earlier one, with other inputs.
TEST_P(DeviceAttack, AResultThatWasNotWrittenToItsEnd) {
  std::vector<float> old;
  device_->set_lie([&](size_t segment, auto, auto outputs) {
    const std::span<float> result = floats_of(outputs[0]);
    if (segment == 1) old.assign(result.begin(), result.end());
    return Status();
  });
  runtime::fill_normal(inputs_->views(), 2);
  ASSERT_TRUE(run().ok());
  runtime::fill_normal(inputs_->views(), 1);
  device_->set_lie([&](size_t segment, auto, auto outputs) {
    const auto half = static_cast<ptrdiff_t>(old.size() / 2);
    if (segment == 1) {
      std::copy(old.begin() + half, old.end(), floats_of(outputs[0]).begin() + half);
    }
    return Status();
  });
  const Result<Answers> mixed = run();
  ASSERT_TRUE(mixed.ok()) << mixed.status().message();
  EXPECT_FALSE(*mixed == right_);
  device_->set_lie({});
  EXPECT_TRUE(*run() == right_);
}

// What the TEE needs again of a value that it gave away, it keeps.
TEST_P(DeviceAttack, WritingOverWhatItWasGivenChangesNothing) {
  for (const HostileValues& values : kHostileValues) {
    device_->set_lie([&](size_t, auto inputs, auto) {
      values.write(floats_of({inputs[0].desc, const_cast<std::byte*>(inputs[0].data)}));
      return Status();
    });
    const Result<Answers> answers = run();
    ASSERT_TRUE(answers.ok()) << answers.status().message();
    EXPECT_TRUE(*answers == right_) << values.name;
  }
}

TEST_P(DeviceAttack, AnErrorOfItsEndsTheSession) {
  device_->set_lie([](size_t segment, auto, auto) {
    return segment == 3 ? unavailable("the device fell over") : Status();
  });
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run().status().message(), "the device fell over");
  device_->set_lie({});
  EXPECT_EQ(run().code(), Code::unavailable);
}

// Waits for the worker's farewell: 2 s.
class StoppingDevice : public DeviceAttack {};

// Between two segments of the TEE the device has the word: it stops the worker.
TEST_P(StoppingDevice, DoesNotHoldUpTheEnd) {
  const int pid = session_->worker_pid();
  device_->set_lie([&](size_t, auto, auto) {
    EXPECT_EQ(kill(pid, SIGSTOP), 0);
    return unavailable("the device has stopped the worker");
  });
  EXPECT_EQ(run().code(), Code::unavailable);
  ASSERT_TRUE(becomes_true([&] { return state_of(pid) == 'T'; }));
  const auto start = std::chrono::steady_clock::now();
  session_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, kLong);
  EXPECT_EQ(leftovers_.text(), "");
}

// The host's own end refuses tensors of another size before the TEE sees them.
TEST_P(DeviceAttack, AResultOfAnotherShapeNeverReachesTheTee) {
  tee::TeeOptions options;
  options.worker_path = TAOISM_WORKER;
  options.threads = GetParam();
  const auto executable = tee::open_tee(options).value()->compile(prepared_.partitioned).value();
  AlignedBuffer in(kImage.bytes()), out(kImage.bytes());
  device::RunTimes times;
  const ir::TensorView output{kImage, out.data()};
  for (const int64_t batch : {int64_t{0}, int64_t{1}, kBatch, 2 * kBatch}) {
    const ir::ConstTensorView input{{ir::DType::f32, {batch, kChannels, kSide, kSide}}, in.data()};
    EXPECT_EQ(executable->run(0, {&input, 1}, {&output, 1}, times).code(),
              batch == kBatch ? Code::ok : Code::invalid_argument);
  }
  EXPECT_TRUE(tee::as_tee(*executable)->ping().ok());
}

INSTANTIATE_TEST_SUITE_P(Threads, DeviceAttack, ::testing::Values(1, 2));
INSTANTIATE_TEST_SUITE_P(Threads, StoppingDevice, ::testing::Values(1));

}  // namespace
}  // namespace taoism::attack
