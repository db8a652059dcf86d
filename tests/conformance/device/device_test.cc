// The operator cases through every device and TEE, at several thread counts and budgets: the answer
// is the reference's, and a budget is either enough or refused with one that is.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "conformance/ops/cases.h"
#include "device/cpu/cpu_device.h"
#include "device/torch/torch_device.h"
#include "tee/tee.h"

namespace taoism::conformance {
namespace {

using ir::Placement;

struct Place {
  std::string name;
  size_t threads;
  // memory_bytes is ignored where there is no budget.
  std::function<Result<std::unique_ptr<device::Device>>(size_t threads, uint64_t memory_bytes)>
      open;
  bool has_budget = false;
  // A process costs milliseconds to start: it takes every n-th case, another part at each budget.
  size_t every = 1;
  // Not on every machine: the test says so, and why.
  bool may_be_absent = false;
};

Result<std::unique_ptr<device::Device>> open_tee_kind(const char* kind, const char* image,
                                                      size_t threads, uint64_t memory_bytes) {
  tee::TeeOptions options;
  options.kind = kind;
  options.threads = threads;
  options.memory_bytes = memory_bytes;
  options.worker_path = image;
  return tee::open_tee(options);
}

std::vector<Place> places() {
  const auto cpu = [](size_t threads, uint64_t) { return device::open_cpu({.threads = threads}); };
  const auto inlined = [](size_t threads, uint64_t memory) {
    return open_tee_kind("inline", TAOISM_INLINE, threads, memory);
  };
  const auto process = [](size_t threads, uint64_t memory) {
    return open_tee_kind("process", TAOISM_WORKER, threads, memory);
  };
#if defined(TAOISM_TORCH_MODULE)
  const auto torch = [](size_t threads, uint64_t) {
    return device::open_torch({.threads = threads, .module_path = TAOISM_TORCH_MODULE});
  };
  // The way that tensors take to and from a GPU.
  const auto staged = [](size_t threads, uint64_t) {
    return device::open_torch(
        {.threads = threads, .module_path = TAOISM_TORCH_MODULE, .staged_for_testing = true});
  };
  const auto cuda = [](size_t threads, uint64_t) {
    return device::open_torch(
        {.device = "cuda:0", .threads = threads, .module_path = TAOISM_TORCH_MODULE});
  };
#endif
  return {
    {"cpu_1_thread", 1, cpu}, {"cpu_2_threads", 2, cpu}, {"inline_1_thread", 1, inlined, true},
        {"process_1_thread", 1, process, true, 4}, {"process_2_threads", 2, process, true, 4},
#if defined(TAOISM_TORCH_MODULE)
        {"torch_cpu_1_thread", 1, torch}, {"torch_cpu_2_threads", 2, torch, false, 4},
        {"torch_cpu_staged", 2, staged, false, 2}, {"torch_cuda", 1, cuda, false, 1, true},
#endif
  };
}

ir::PartitionedGraph whole_on(const OpCase& op_case, Placement side) {
  ir::PartitionedGraph partition;
  partition.graph = graph_of(op_case);
  ir::Segment segment{side, {}, partition.graph.inputs(), partition.graph.outputs()};
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(partition.graph.node_count()); ++id) {
    partition.graph.node(id).placement = side;
    segment.nodes.push_back(id);
  }
  partition.segments.push_back(std::move(segment));
  return partition;
}

// Empty, or how this is no answer to a request that `outcome` says is wrong: one line that names
// node and index, and from a TEE no more than the kind.
std::string wrong_refusal(const OpCase& op_case, const ops::Outcome& outcome, const Status& status,
                          Placement side) {
  const std::string kind = outcome.fault == ops::Fault::division_by_zero
                               ? "the TEE refused: an integer is divided by 0"
                               : "the TEE refused: an index is out of range";
  const std::string node = op_case.op + " '" + op_case.name + "'";
  const std::string& got = status.message();
  const bool is_told = side == Placement::tee
                           ? got.starts_with(kind) && got.find(node) != std::string::npos
                           : got == node + ": " + ops::fault_text(outcome);
  if (status.code() == Code::invalid_argument && is_told) return "";
  return "wanted '" + ops::fault_text(outcome) + "', got '" + got + "'";
}

// Empty, or what is wrong with what `executable` answers for the case. Runs it twice: state that
// one run leaves behind must not show in the next.
std::string wrong_answer(const OpCase& op_case, device::Executable& executable,
                         const ir::PartitionedGraph& partition) {
  const auto inputs = inputs_of(op_case);
  const Expected expected = expected_of(op_case);
  std::vector<ir::ConstTensorView> in;
  in.reserve(inputs.size());
  for (const auto& input : inputs) in.push_back(input->view());
  for (int round = 0; round < 2; ++round) {
    std::vector<AlignedBuffer> memory;
    std::vector<ir::TensorView> out;
    for (ir::ValueId id : partition.graph.outputs()) {
      memory.emplace_back(partition.graph.value(id).desc.bytes());
      out.push_back({partition.graph.value(id).desc, memory.back().data()});
    }
    device::RunTimes times;
    const Status status = executable.run(0, in, out, times);
    const std::string wrong =
        !expected.outcome.ok()
            ? wrong_refusal(op_case, expected.outcome, status, partition.segments[0].placement)
        : !status.ok() ? status.message()
                       : difference(op_case, *expected.values, memory[0].as<float>());
    if (!wrong.empty()) return wrong;
  }
  return "";
}

// Whether a device refuses while compiling what constants make wrong in every run.
bool is_refused_early(const OpCase& op_case, const Status& status, Placement side) {
  const ops::Outcome outcome = expected_of(op_case).outcome;
  return !outcome.ok() && !status.ok() && wrong_refusal(op_case, outcome, status, side).empty();
}

// Every case once more with other element types, one input at a time and all at once: what the
// operator accepts of them.
std::vector<OpCase> cases_of_other_types() {
  constexpr CaseInput::Fill kFills[] = {CaseInput::uniform, CaseInput::integers, CaseInput::flags};
  std::vector<OpCase> made;
  for (const OpCase& original : all_cases()) {
    const size_t count = original.inputs.size();
    for (const CaseInput::Fill fill : kFills) {
      for (size_t changed = 0; changed <= count; ++changed) {  // `count`: all of them
        OpCase other = original;
        other.name += "_as_" + std::to_string(fill) + "_" + std::to_string(changed);
        bool differs = false;
        for (size_t i = 0; i < count; ++i) {
          CaseInput& input = other.inputs[i];
          if ((i != changed && changed != count) || input.given != nullptr) continue;
          const ir::DType before = dtype_of(input);
          input.fill = fill;
          differs |= dtype_of(input) != before;
        }
        if (differs && is_accepted(other)) made.push_back(std::move(other));
      }
    }
  }
  return made;
}

// The case with 1 for every integer that a request brings: an index of every dimension here, and a
// divisor. Nothing where constants make it fail as well.
std::optional<OpCase> without_fault(const OpCase& op_case) {
  OpCase good = op_case;
  for (CaseInput& input : good.inputs) {
    if (input.kind != CaseInput::tensor || dtype_of(input) != ir::DType::i64) continue;
    auto [constant, data] = ir::make_constant({ir::DType::i64, input.shape});
    std::fill_n(reinterpret_cast<int64_t*>(data), input.shape.elements(), 1);
    input.given = constant;
  }
  return expected_of(good).outcome.ok() ? std::optional(good) : std::nullopt;
}

class DeviceConformance : public testing::TestWithParam<size_t> {};

TEST_P(DeviceConformance, AnswersAsTheReference) {
  const Place place = places()[GetParam()];
  if (place.may_be_absent) {
    const auto device = place.open(place.threads, 0);
    if (device.code() == Code::unavailable) GTEST_SKIP() << device.status().message();
  }
  const auto cases = all_cases();
  size_t ran = 0, faults = 0;
  for (size_t c = 0; c < cases.size(); ++c) {
    if (c % place.every != GetParam() % place.every) continue;
    auto device = place.open(place.threads, 0);
    ASSERT_TRUE(device.ok()) << device.status().message();
    const auto partition = whole_on(cases[c], (*device)->side());
    auto executable = (*device)->compile(partition);
    const Status supports = (*device)->supports(partition.graph, partition.graph.node(0));
    EXPECT_TRUE(supports.ok()) << supports.message();
    ++ran;
    if (is_refused_early(cases[c], executable.status(), (*device)->side())) continue;
    ASSERT_TRUE(executable.ok()) << cases[c].name << ": " << executable.status().message();
    EXPECT_EQ(wrong_answer(cases[c], **executable, partition), "")
        << place.name << " " << cases[c].name;
    if (!expected_of(cases[c]).outcome.ok()) {
      ++faults;
      if (const auto good = without_fault(cases[c])) {
        EXPECT_EQ(wrong_answer(*good, **executable, partition), "")
            << place.name << " " << cases[c].name << ", after a fault";
      }
    }
  }
  EXPECT_GE(ran, cases.size() / (place.every + 1));
  EXPECT_GE(faults, 20 / place.every);
}

// What planning accepts of other element types, running answers.
TEST_P(DeviceConformance, AnswersForEveryTypeThatPlanningAccepts) {
  const Place place = places()[GetParam()];
  if (place.every != 1) return;  // another place has the same device or TEE
  auto device = place.open(place.threads, 0);
  if (place.may_be_absent && device.code() == Code::unavailable) {
    GTEST_SKIP() << device.status().message();
  }
  ASSERT_TRUE(device.ok()) << device.status().message();
  const auto cases = cases_of_other_types();
  EXPECT_GE(cases.size(), 100U);
  for (const OpCase& op_case : cases) {
    const auto partition = whole_on(op_case, (*device)->side());
    const Status supports = (*device)->supports(partition.graph, partition.graph.node(0));
    auto executable = (*device)->compile(partition);
    EXPECT_TRUE(supports.ok()) << supports.message();
    if (is_refused_early(op_case, executable.status(), (*device)->side())) continue;
    ASSERT_TRUE(executable.ok()) << op_case.name << ": " << executable.status().message();
    EXPECT_EQ(wrong_answer(op_case, **executable, partition), "")
        << place.name << " " << op_case.name;
  }
}

// What a segment was handed may be read by a later one of that side; in between its memory is the
// caller's again. relu = Relu(x) | other = Tanh(relu), elsewhere | y = Add(x, other).
TEST_P(DeviceConformance, KeepsWhatALaterSegmentReads) {
  const Place place = places()[GetParam()];
  auto device = place.open(place.threads, 0);
  if (place.may_be_absent && device.code() == Code::unavailable) {
    GTEST_SKIP() << device.status().message();
  }
  ASSERT_TRUE(device.ok()) << device.status().message();
  const Placement here = (*device)->side();
  const Placement there = here == Placement::tee ? Placement::device : Placement::tee;
  const ir::TensorDesc type = {ir::DType::f32, {2, 3}};
  ir::PartitionedGraph partition;
  ir::Graph& graph = partition.graph;
  const ir::ValueId x = graph.add_input("x", type);
  const auto node = [&](const char* op, std::vector<ir::ValueId> inputs, Placement placement) {
    ir::Node made;
    made.op = made.name = op;
    made.inputs = std::move(inputs);
    made.outputs = {graph.add_value(std::string(op) + "_out", type)};
    made.placement = placement;
    const ir::ValueId out = made.outputs[0];
    graph.add_node(std::move(made));
    return out;
  };
  const ir::ValueId relu = node("Relu", {x}, here);
  const ir::ValueId other = node("Tanh", {relu}, there);
  const ir::ValueId y = node("Add", {x, other}, here);
  graph.set_outputs({y});
  partition.segments = {
      {here, {0}, {x}, {relu}}, {there, {1}, {relu}, {other}}, {here, {2}, {other}, {y}}};
  auto executable = (*device)->compile(partition);
  ASSERT_TRUE(executable.ok()) << executable.status().message();

  AlignedBuffer in(type.bytes()), out(type.bytes());
  const ir::ConstTensorView from{type, in.data()};
  const ir::TensorView to{type, out.data()};
  device::RunTimes times;
  for (float round : {1.0F, 2.0F}) {
    std::fill_n(in.as<float>(), 6, -round);
    ASSERT_TRUE((*executable)->run(0, {&from, 1}, {&to, 1}, times).ok());
    EXPECT_EQ(out.as<float>()[0], 0.0F);
    std::fill_n(in.as<float>(), 6, 10.0F);
    ASSERT_TRUE((*executable)->run(2, {&from, 1}, {&to, 1}, times).ok());
    for (int i = 0; i < 6; ++i) EXPECT_EQ(out.as<float>()[i], 10.0F - round) << place.name;
  }
}

// What holds everything gives the answer, and so does plenty more; less gives the answer too,
// within what was given, or is refused before anything starts, with a budget that would do.
TEST_P(DeviceConformance, KeepsItsBudget) {
  const Place place = places()[GetParam()];
  if (!place.has_budget) return;
  const auto cases = all_cases();
  for (size_t c = 1; c < cases.size(); c += 7 * place.every) {
    auto unlimited = place.open(place.threads, 0);
    ASSERT_TRUE(unlimited.ok());
    const auto partition = whole_on(cases[c], (*unlimited)->side());
    auto free_size = (*unlimited)->compile(partition);
    ASSERT_TRUE(free_size.ok()) << free_size.status().message();
    const uint64_t need = tee::as_tee(**free_size)->budget_bytes();
    for (uint64_t budget : {need, need + 4096, need + (uint64_t{64} << 20)}) {
      auto device = place.open(place.threads, budget);
      ASSERT_TRUE(device.ok());
      auto executable = (*device)->compile(partition);
      ASSERT_TRUE(executable.ok()) << cases[c].name << ": " << executable.status().message();
      EXPECT_EQ(wrong_answer(cases[c], **executable, partition), "")
          << place.name << " " << cases[c].name;
      EXPECT_LE(tee::as_tee(**executable)->peak_trusted_bytes(), budget);
    }
    if (need < 64) continue;
    for (uint64_t budget : {need - 1, need / 2, uint64_t{1}}) {
      auto device = place.open(place.threads, budget);
      ASSERT_TRUE(device.ok());
      const auto tight = (*device)->compile(partition);
      if (tight.ok()) {
        EXPECT_EQ(wrong_answer(cases[c], **tight, partition), "")
            << place.name << " " << cases[c].name << " in " << budget;
        EXPECT_LE(tee::as_tee(**tight)->peak_trusted_bytes(), budget);
      } else {
        EXPECT_EQ(tight.code(), Code::resource_exhausted);
        EXPECT_NE(tight.status().message().find("give --tee-memory"), std::string::npos)
            << tight.status().message();
      }
      EXPECT_FALSE(budget == 1 && tight.ok()) << cases[c].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Places, DeviceConformance, testing::Range<size_t>(0, places().size()),
                         [](const auto& info) { return places()[info.param].name; });

}  // namespace
}  // namespace taoism::conformance
