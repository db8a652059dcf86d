#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "ops/graph_view.h"
#include "program/codec.h"
#include "program/execute.h"
#include "program/lower.h"
#include "program/memory_plan.h"
#include "program/schedule.h"

namespace taoism::program {
namespace {

using ir::DType;
using ir::Placement;
using ir::TensorDesc;

std::shared_ptr<const ir::Constant> random_constant(ir::Shape shape, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.3F);
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (float& v : values) v = normal(generator);
  return ir::make_f32_constant(shape, values);
}

// x -> conv1 -> relu -> conv2 -> add(conv1's relu) -> reshape: aliases, in-place and a long-lived
// value.
ir::PartitionedGraph small_net(bool split_in_two) {
  ir::PartitionedGraph p;
  ir::Graph& g = p.graph;
  const TensorDesc image{DType::f32, {2, 4, 6, 6}};
  const auto x = g.add_input("x", image);
  const auto w1 = g.add_constant("w1", random_constant({4, 4, 3, 3}, 1));
  const auto w2 = g.add_constant("w2", random_constant({4, 4, 3, 3}, 2));
  const auto c1 = g.add_value("c1", image), r1 = g.add_value("r1", image);
  const auto c2 = g.add_value("c2", image), s = g.add_value("s", image);
  const auto y = g.add_value("y", {DType::f32, {2, 144}});
  ir::Attrs conv;
  conv.set("kernel_shape", std::vector<int64_t>{3, 3});
  conv.set("pads", std::vector<int64_t>{1, 1, 1, 1});
  ir::Attrs flat;
  flat.set("shape", std::vector<int64_t>{2, 144});
  g.add_node({"Conv", "conv1", {x, w1}, {c1}, conv, Placement::device, "", ""});
  g.add_node({"Relu", "relu1", {c1}, {r1}, {}, Placement::device, "", ""});
  g.add_node({"Conv", "conv2", {r1, w2}, {c2}, conv, Placement::device, "", ""});
  g.add_node({"Add", "add", {c2, r1}, {s}, {}, Placement::device, "", ""});
  g.add_node({"Reshape", "flat", {s}, {y}, flat, Placement::device, "", ""});
  g.set_outputs({y});
  if (split_in_two) {
    p.segments = {{Placement::device, {0, 1, 2}, {x}, {c2}}, {Placement::device, {3, 4}, {}, {y}}};
  } else {
    p.segments = {{Placement::device, {0, 1, 2, 3, 4}, {x}, {y}}};
  }
  return p;
}

// The caller's tensors; every segment's input is the same.
class Tensors final : public Exchange {
 public:
  Tensors(const std::vector<float>& input, size_t output_elems)
      : input_(input), output(output_elems) {}
  void read(uint32_t, uint64_t offset, ByteSpan to) override {
    std::memcpy(to.data(), reinterpret_cast<const std::byte*>(input_.data()) + offset, to.size());
  }
  void write(uint32_t, uint64_t offset, ConstByteSpan from) override {
    if (offset + from.size() > output.size() * sizeof(float)) return;  // of an earlier segment
    std::memcpy(reinterpret_cast<std::byte*>(output.data()) + offset, from.data(), from.size());
  }

 private:
  const std::vector<float>& input_;

 public:
  std::vector<float> output;
};

std::vector<float> execute(const ir::PartitionedGraph& p, const std::vector<float>& input,
                           Choose choose = ops::chosen_attrs) {
  auto lowered = lower(p, Placement::device, choose);
  EXPECT_TRUE(lowered.ok()) << lowered.status().message();
  const Program& program = lowered->program;
  EXPECT_TRUE(verify(program).ok()) << verify(program).message();
  const Schedule schedule = make_schedule(program, {}).value();
  AlignedBuffer memory(schedule.arena_bytes());
  SerialParallel serial;
  Executor executor(program, schedule, memory.span(), serial, nullptr);
  for (WeightId w = 0; w < program.weights.size(); ++w) {
    pack_weight(p.graph, *lowered, w, executor.weight(w).data());
  }
  Tensors tensors(input, 2 * 144);
  for (size_t s = 0; s < program.segments.size(); ++s) {
    EXPECT_TRUE(executor.run(s, tensors).ok());
  }
  return tensors.output;
}

// Every node by its operator's plain definition, each value in memory of its own.
std::vector<float> reference(const ir::Graph& g, const std::vector<float>& input) {
  std::vector<AlignedBuffer> memory(g.value_count());
  for (size_t v = 0; v < g.value_count(); ++v) {
    const ir::Value& value = g.value(static_cast<ir::ValueId>(v));
    memory[v] = AlignedBuffer(value.desc.bytes());
    if (value.is_constant())
      std::memcpy(memory[v].data(), value.constant->data, value.desc.bytes());
  }
  std::memcpy(memory[static_cast<size_t>(g.inputs()[0])].data(), input.data(),
              input.size() * sizeof(float));
  SerialParallel serial;
  for (const ir::Node& node : g.nodes()) {
    const ops::OpDef* op = ops::find_op(node.op);
    const ops::GraphNodeView holder(g, node);
    std::vector<const std::byte*> in;
    for (ir::ValueId v : node.inputs)
      in.push_back(v == ir::kNoValue ? nullptr : memory[static_cast<size_t>(v)].data());
    std::byte* out = memory[static_cast<size_t>(node.outputs[0])].data();
    const ops::RunContext context{holder.view(), in, {&out, 1}, {}, serial};
    EXPECT_TRUE((op->reference != nullptr ? op->reference : op->run)(context).ok());
  }
  const auto& y = memory[static_cast<size_t>(g.outputs()[0])];
  return {y.as<float>(), y.as<float>() + y.size() / sizeof(float)};
}

std::vector<float> test_input() {
  std::vector<float> x(2 * 4 * 6 * 6);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 8 - 1;
  return x;
}

TEST(Lower, EqualsTheReference) {
  for (bool split : {false, true}) {
    const auto p = small_net(split);
    const auto got = execute(p, test_input());
    const auto want = reference(p.graph, test_input());
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4) << i;
  }
}

TEST(Schedule, SharesMemoryBetweenLives) {
  const auto lowered = lower(small_net(false), Placement::device);
  ASSERT_TRUE(lowered.ok());
  const Program& program = lowered->program;
  const Schedule schedule = make_schedule(program, {}).value();
  uint64_t sum = 0;
  for (const Slot& slot : program.slots) sum += round_up(slot.desc.bytes(), kAlignment);
  EXPECT_LT(schedule.activation_bytes, sum);
  // The reshape is a view of the sum, and relu writes over the convolution's result.
  const std::vector<Step>& steps = schedule.segments.at(0).at(0).full.steps;
  size_t found = 0;
  for (const Step& step : steps) {
    if (step.kind != Step::compute || (step.index != 1 && step.index != 4)) continue;
    EXPECT_EQ(step.offsets.front(), step.offsets.back()) << step.index;
    ++found;
  }
  EXPECT_EQ(found, 2U);
}

// What a build with other costs would have chosen: other kernels, smaller blocks and tiles.
template <int kChoice>
ir::Attrs chosen_otherwise(const ops::OpDef& op, const ops::NodeView& node) {
  ir::Attrs attrs = ops::chosen_attrs(op, node);
  const auto try_to_set = [&](const char* name, ir::AttrValue value) {
    const ir::Attrs before = attrs;
    attrs.set(name, std::move(value));
    if (!op.applies({node.name, attrs, node.inputs, node.outputs})) attrs = before;
  };
  if (op.choose == nullptr) return attrs;
  constexpr const char* kKernels[] = {"gemm_pixels", "gemm_channels", "winograd_2x2_pixels",
                                      "winograd_4x4_channels"};
  if (op.name == std::string_view("Conv")) {
    const auto taps = node.shape(1).product(2, 4);
    try_to_set("tile_width", int64_t{1});
    try_to_set("block_depth", node.shape(1)[1] * taps);
    try_to_set("kernel", std::string(kKernels[kChoice]));
    if (kChoice < 2) try_to_set("block_depth", taps);
  }
  return attrs;
}

TEST(Execute, FollowsWhatOthersHaveChosen) {
  for (const bool split : {false, true}) {
    const auto p = small_net(split);
    const std::vector<float> want = execute(p, test_input());
    for (const Choose choose :
         {chosen_otherwise<0>, chosen_otherwise<1>, chosen_otherwise<2>, chosen_otherwise<3>}) {
      const std::vector<float> got = execute(p, test_input(), choose);
      for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4) << i;
    }
  }
}

TEST(Execute, RefusesSegmentsOutOfOrder) {
  const auto p = small_net(true);
  const auto lowered = lower(p, Placement::device);
  ASSERT_TRUE(lowered.ok());
  const Schedule schedule = make_schedule(lowered->program, {}).value();
  AlignedBuffer memory(schedule.arena_bytes());
  SerialParallel serial;
  Executor executor(lowered->program, schedule, memory.span(), serial, nullptr);
  const std::vector<float> input = test_input();
  Tensors tensors(input, 2 * 144);
  EXPECT_EQ(executor.run(1, tensors).code(), Code::policy);
  EXPECT_TRUE(executor.run(0, tensors).ok());
  EXPECT_TRUE(executor.run(1, tensors).ok());
  EXPECT_EQ(executor.run(1, tensors).code(), Code::policy);
  EXPECT_EQ(executor.run(7, tensors).code(), Code::policy);
}

Program good_program() {
  auto lowered = lower(small_net(true), Placement::device);
  EXPECT_TRUE(lowered.ok());
  return std::move(lowered)->program;
}

TEST(Verify, RefusesWhatExecutionCouldNotTrust) {
  const Program good = good_program();
  ASSERT_TRUE(verify(good).ok());
  struct Case {
    const char* what;
    void (*spoil)(Program&);
  };
  const Case cases[] = {
      {"target", [](Program& p) { p.target = "other"; }},
      {"slot type", [](Program& p) { p.slots[0].desc.dtype = static_cast<DType>(99); }},
      {"slot shape", [](Program& p) { p.slots[1].desc.shape[0] = -3; }},
      {"packed size", [](Program& p) { p.weights[0].packed_bytes -= 64; }},
      {"no kernel", [](Program& p) { p.segments[0].instructions[0].attrs.erase("kernel"); }},
      {"operand index", [](Program& p) { p.segments[0].instructions[0].inputs[0].index = 1000; }},
      {"weight index", [](Program& p) { p.segments[0].instructions[0].inputs[1].index = 1000; }},
      {"operand kind",
       [](Program& p) {
         p.segments[0].instructions[0].inputs[1].kind = static_cast<Operand::Kind>(9);
       }},
      {"output index", [](Program& p) { p.segments[0].instructions[0].outputs[0] = 1000; }},
      {"output type",
       [](Program& p) {
         p.segments[0].instructions[0].outputs[0] = static_cast<SlotId>(p.slots.size() - 1);
       }},
      {"no outputs", [](Program& p) { p.segments[0].instructions[0].outputs.clear(); }},
      {"read before write",
       [](Program& p) { std::swap(p.segments[0].instructions[0], p.segments[0].instructions[2]); }},
      {"segments swapped", [](Program& p) { std::swap(p.segments[0], p.segments[1]); }},
      {"output never written",
       [](Program& p) { p.segments[0].outputs = {static_cast<SlotId>(p.slots.size() - 1)}; }},
      {"input out of range", [](Program& p) { p.segments[0].inputs = {4096}; }},
      {"slot written twice",
       [](Program& p) {
         p.segments[0].instructions[2].outputs[0] = p.segments[0].instructions[0].outputs[0];
       }},
      {"input written again",
       [](Program& p) { p.segments[0].inputs.push_back(p.segments[0].inputs[0]); }},
      {"weight read twice",
       [](Program& p) {
         p.segments[0].instructions[2].inputs[1] = p.segments[0].instructions[0].inputs[1];
       }},
      {"weight that nobody reads", [](Program& p) { p.weights.push_back(p.weights[0]); }},
      {"attribute",
       [](Program& p) {
         p.segments[0].instructions[0].attrs.set("strides", std::vector<int64_t>{0, 0});
       }},
      {"unknown attribute",
       [](Program& p) { p.segments[0].instructions[0].attrs.set("magic", int64_t{1}); }},
  };
  for (const Case& c : cases) {
    Program spoiled = good;
    c.spoil(spoiled);
    EXPECT_EQ(verify(spoiled).code(), Code::integrity) << c.what;
  }
}

TEST(Codec, RoundTrips) {
  const Program good = good_program();
  const auto bytes = encode(good);
  const auto again = decode(bytes);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(encode(*again), bytes);
}

// What another build may have chosen: right where it applies, refused as that where it does not.
TEST(Verify, FollowsWhatWasChosen) {
  Program program = good_program();
  ir::Attrs& attrs = program.segments[0].instructions[0].attrs;
  ASSERT_GT(attrs.i("tile_width"), 1);
  attrs.set("tile_width", attrs.i("tile_width") - 1);
  EXPECT_TRUE(verify(program).ok()) << verify(program).message();
  for (const auto& [name, value] :
       {std::pair<const char*, ir::AttrValue>{"kernel", std::string("fft")},
        {"tile_width", int64_t{1} << 30},
        {"block_depth", int64_t{0}}}) {
    Program other = good_program();
    other.segments[0].instructions[0].attrs.set(name, value);
    EXPECT_EQ(verify(other).code(), Code::unsupported) << name;
  }
}

TEST(Codec, SurvivesAnyBytes) {
  const auto bytes = encode(good_program());
  std::mt19937 generator(7);
  size_t refused = 0;
  for (int i = 0; i < 4000; ++i) {
    auto spoiled = bytes;
    if (i % 4 == 0) {
      spoiled.resize(generator() % bytes.size());
    } else {
      for (int flips = 1 + static_cast<int>(generator() % 4); flips > 0; --flips) {
        spoiled[generator() % spoiled.size()] ^= static_cast<std::byte>(1U << (generator() % 8));
      }
    }
    const auto result = decode(spoiled);
    if (!result.ok()) {
      ++refused;
      EXPECT_TRUE(result.code() == Code::integrity || result.code() == Code::unsupported);
    }
  }
  EXPECT_GT(refused, 1000U);
}

TEST(MemoryPlan, LivesThatOverlapNeverShare) {
  std::mt19937 generator(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<BufferLife> lives;
    for (int i = 0; i < 40; ++i) {
      const auto first = static_cast<uint32_t>(generator() % 50);
      lives.push_back(
          {generator() % 10000, first, first + static_cast<uint32_t>(generator() % 10)});
    }
    const MemoryPlan plan = plan_memory(lives);
    for (size_t a = 0; a < lives.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % kAlignment, 0U);
      EXPECT_LE(plan.offsets[a] + lives[a].bytes, plan.total_bytes);
      for (size_t b = 0; b < a; ++b) {
        if (lives[a].last < lives[b].first || lives[b].last < lives[a].first) continue;
        EXPECT_TRUE(plan.offsets[a] + lives[a].bytes <= plan.offsets[b] ||
                    plan.offsets[b] + lives[b].bytes <= plan.offsets[a]);
      }
    }
  }
}

// The rule itself, which takes n^2 steps: by size, each at the lowest offset that is free.
std::vector<uint64_t> lowest_offsets(const std::vector<BufferLife>& lives) {
  std::vector<size_t> order(lives.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lives[a].bytes > lives[b].bytes; });
  std::vector<uint64_t> offsets(lives.size());
  std::vector<size_t> placed;
  for (const size_t index : order) {
    const BufferLife& life = lives[index];
    std::vector<uint64_t> tried = {0};
    for (const size_t other : placed) {
      tried.push_back(round_up(offsets[other] + lives[other].bytes, kAlignment));
    }
    std::sort(tried.begin(), tried.end());
    for (const uint64_t offset : tried) {
      const bool is_free = std::none_of(placed.begin(), placed.end(), [&](size_t other) {
        return lives[other].first <= life.last && life.first <= lives[other].last &&
               offset < offsets[other] + lives[other].bytes && offsets[other] < offset + life.bytes;
      });
      if (!is_free) continue;
      offsets[index] = offset;
      break;
    }
    placed.push_back(index);
  }
  return offsets;
}

TEST(MemoryPlan, EachLiesAtTheLowestFreeOffset) {
  std::mt19937 generator(4);
  for (int round = 0; round < 200; ++round) {
    std::vector<BufferLife> lives;
    const uint32_t longest = round % 2 == 0 ? 5 : 60;
    const uint32_t sizes = round % 3 == 0 ? 4 : 9000;
    for (int i = 0; i < 60; ++i) {
      const auto first = static_cast<uint32_t>(generator() % 50);
      lives.push_back({generator() % sizes * (round % 5 == 0 ? 64 : 1), first,
                       first + static_cast<uint32_t>(generator() % longest)});
    }
    EXPECT_EQ(plan_memory(lives).offsets, lowest_offsets(lives)) << round;
  }
}

}  // namespace
}  // namespace taoism::program
