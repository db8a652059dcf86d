// Schedules at every budget: whatever is streamed, spilled or cut into bands, the answer is the
// same to the bit, within the memory that was predicted, and every byte of an input is read once.
#include "program/schedule.h"

#include <cstring>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "kernels/target.h"
#include "program/bands.h"
#include "program/execute.h"
#include "program/lower.h"
#include "program/schedule_builder.h"
#include "program/weight_plan.h"

namespace taoism::program {
namespace {

using ir::DType;
using ir::Placement;
using ir::ValueId;

// Builds graphs on one side, in one segment or cut after some nodes.
class Net {
 public:
  explicit Net(uint32_t seed) : random_(seed) {}

  ValueId input(ir::Shape shape, const char* name = "x") {
    return graph().add_input(name, {DType::f32, shape});
  }
  ValueId conv(ValueId x, int64_t channels, int64_t kernel, int64_t stride, ValueId residual = -1) {
    const ir::Shape in = graph().value(x).desc.shape;
    const int64_t pad = kernel / 2;
    ir::Attrs attrs;
    attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
    attrs.set("strides", std::vector<int64_t>{stride, stride});
    attrs.set("pads", std::vector<int64_t>{pad, pad, pad, pad});
    const auto extent = [&](int64_t n) { return (n + 2 * pad - kernel) / stride + 1; };
    std::vector<ValueId> inputs{x, constant({channels, in[1], kernel, kernel}),
                                constant({channels})};
    if (residual >= 0) inputs.push_back(residual);
    return add("Conv", inputs, {in[0], channels, extent(in[2]), extent(in[3])}, attrs);
  }
  ValueId relu(ValueId x) { return add("Relu", {x}, graph().value(x).desc.shape, {}); }
  ValueId sum(ValueId a, ValueId b) { return add("Add", {a, b}, graph().value(a).desc.shape, {}); }
  ValueId pool(ValueId x) {
    const ir::Shape in = graph().value(x).desc.shape;
    ir::Attrs attrs;
    attrs.set("kernel_shape", std::vector<int64_t>{2, 2});
    attrs.set("strides", std::vector<int64_t>{2, 2});
    return add("MaxPool", {x}, {in[0], in[1], in[2] / 2, in[3] / 2}, attrs);
  }
  ValueId flat(ValueId x) {
    const ir::Shape in = graph().value(x).desc.shape;
    ir::Attrs attrs;
    attrs.set("shape", std::vector<int64_t>{in[0], in.product(1, in.rank())});
    return add("Reshape", {x}, {in[0], in.product(1, in.rank())}, attrs);
  }
  ValueId linear(ValueId x, int64_t features) {
    const ir::Shape in = graph().value(x).desc.shape;
    return add("Linear", {x, constant({features, in[1]}), constant({features})}, {in[0], features},
               {});
  }
  ValueId softmax(ValueId x) {
    ir::Attrs attrs;
    attrs.set("axis", int64_t{1});
    return add("Softmax", {x}, graph().value(x).desc.shape, attrs);
  }

  // One segment; or two, with `crossing` handed over by memory that stays inside.
  ir::PartitionedGraph finish(ValueId output, size_t cut = 0) {
    graph().set_outputs({output});
    ir::Segment first{Placement::tee, {}, graph().inputs(), {}};
    ir::Segment second{Placement::tee, {}, {}, {output}};
    for (size_t n = 0; n < graph().node_count(); ++n) {
      (cut != 0 && n >= cut ? second : first).nodes.push_back(static_cast<ir::NodeId>(n));
    }
    if (cut == 0) {
      first.outputs = {output};
      p_.segments = {first};
    } else {
      p_.segments = {first, second};
    }
    return std::move(p_);
  }

 private:
  ir::Graph& graph() { return p_.graph; }
  ValueId constant(ir::Shape shape) {
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    std::normal_distribution<float> normal(0, 0.1F);
    for (float& v : values) v = normal(random_);
    const size_t number = graph().value_count();
    return graph().add_constant("c" + std::to_string(number), ir::make_f32_constant(shape, values));
  }
  ValueId add(const char* op, std::vector<ValueId> inputs, ir::Shape shape, ir::Attrs attrs) {
    const std::string name = op + std::to_string(graph().node_count());
    const ValueId y = graph().add_value(name + "_y", {DType::f32, shape});
    graph().add_node({op, name, std::move(inputs), {y}, std::move(attrs), Placement::tee, "", ""});
    return y;
  }

  std::mt19937 random_;
  ir::PartitionedGraph p_;
};

// A small residual network: stem, blocks, a classifier whose weights are most of it.
ir::PartitionedGraph residual_net(int64_t batch, size_t cut = 0) {
  Net net(1);
  ValueId x = net.input({batch, 3, 37, 41});
  x = net.relu(net.conv(x, 24, 5, 1));
  x = net.pool(x);
  for (int block = 0; block < 2; ++block) {
    const ValueId y = net.relu(net.conv(x, 24, 3, 1));
    x = net.relu(net.conv(y, 24, 3, 1, x));
  }
  x = net.conv(x, 48, 3, 2);
  const ValueId skip = x;
  x = net.sum(net.conv(net.relu(x), 48, 1, 1), skip);
  x = net.linear(net.flat(x), 64);
  x = net.softmax(net.linear(net.relu(x), 10));
  return net.finish(x, cut);
}

// Large maps with few weights: bands are what helps.
ir::PartitionedGraph wide_net(int64_t batch) {
  Net net(2);
  ValueId x = net.input({batch, 3, 64, 48});
  x = net.relu(net.conv(x, 32, 3, 1));
  x = net.relu(net.conv(x, 32, 3, 1));
  x = net.pool(x);
  x = net.relu(net.conv(x, 32, 3, 1));
  x = net.pool(net.conv(x, 32, 3, 1));
  x = net.linear(net.flat(x), 40);
  return net.finish(x);
}

// Small maps, of which a kernel has few tiles.
ir::PartitionedGraph small_net(int64_t batch, size_t cut = 0) {
  Net net(4);
  ValueId x = net.input({batch, 16, 14, 14});
  x = net.relu(net.conv(x, 64, 3, 2));
  x = net.conv(net.relu(net.conv(x, 64, 3, 1)), 64, 3, 1, x);
  return net.finish(net.linear(net.flat(x), 10), cut);
}

// Wide maps with skips, and an input that is needed again at the end.
ir::PartitionedGraph skipping_net(int64_t batch) {
  Net net(3);
  const ValueId input = net.input({batch, 8, 50, 40});
  ValueId x = net.relu(net.conv(input, 32, 3, 1));
  x = net.conv(net.relu(net.conv(x, 32, 3, 1)), 32, 1, 1, x);
  x = net.sum(net.conv(x, 32, 5, 1), net.conv(x, 32, 1, 1));
  x = net.conv(net.relu(x), 8, 3, 1);
  x = net.sum(x, input);
  x = net.linear(net.flat(net.pool(x)), 16);
  return net.finish(x);
}

// What the TEE keeps outside, in clear.
class PlainMemory final : public SealedMemory {
 public:
  PlainMemory(const ir::PartitionedGraph& p, const Lowered& lowered, const Schedule& schedule)
      : schedule_(schedule) {
    for (WeightId w = 0; w < lowered.program.weights.size(); ++w) {
      weights_.emplace_back(lowered.program.weights[w].packed_bytes);
      pack_weight(p.graph, lowered, w, weights_.back().data());
    }
    chunks_.resize(schedule.spill_chunks);
  }
  bool open_weight(WeightId weight, uint32_t piece, ByteSpan to, size_t) override {
    const uint64_t begin = schedule_.weights[weight].begin_of(piece);
    EXPECT_EQ(to.size(), schedule_.weights[weight].ends[piece] - begin);
    std::memcpy(to.data(), weights_[weight].data() + begin, to.size());
    opened_bytes += to.size();
    return --calls_until_failure != 0;
  }
  bool spill(uint64_t chunk, ConstByteSpan from, size_t) override {
    chunks_[chunk].assign(from.begin(), from.end());
    spilled_bytes += from.size();
    return --calls_until_failure != 0;
  }
  bool fetch(uint64_t chunk, ByteSpan to, size_t) override {
    EXPECT_EQ(chunks_[chunk].size(), to.size()) << "a chunk that was never spilled";
    if (chunks_[chunk].size() == to.size()) {
      std::memcpy(to.data(), chunks_[chunk].data(), to.size());
    }
    spilled_bytes += to.size();
    return --calls_until_failure != 0;
  }

  std::atomic<uint64_t> opened_bytes{0}, spilled_bytes{0};
  std::atomic<int64_t> calls_until_failure{-1};

 private:
  const Schedule& schedule_;
  std::vector<AlignedBuffer> weights_;
  std::vector<std::vector<std::byte>> chunks_;
};

// The caller's tensors, counting every byte.
class CountedTensors final : public Exchange {
 public:
  CountedTensors(std::vector<float> input, size_t output_elems)
      : input_(std::move(input)),
        output(output_elems),
        reads(input_.size() * sizeof(float)),
        writes(output_elems * sizeof(float)) {}
  void read(uint32_t, uint64_t offset, ByteSpan to) override {
    ASSERT_LE(offset + to.size(), reads.size());
    std::memcpy(to.data(), reinterpret_cast<const std::byte*>(input_.data()) + offset, to.size());
    for (uint64_t i = 0; i < to.size(); ++i) ++reads[offset + i];
  }
  void write(uint32_t, uint64_t offset, ConstByteSpan from) override {
    ASSERT_LE(offset + from.size(), writes.size());
    std::memcpy(reinterpret_cast<std::byte*>(output.data()) + offset, from.data(), from.size());
    for (uint64_t i = 0; i < from.size(); ++i) ++writes[offset + i];
  }

 private:
  std::vector<float> input_;

 public:
  std::vector<float> output;
  std::vector<uint8_t> reads, writes;
};

// Real threads, started for every run: slow, and enough for a test.
class Threads final : public Parallel {
 public:
  explicit Threads(size_t count) : count_(count) {}
  size_t threads() const override { return count_; }
  void run(size_t count, Task task, void* context) override {
    std::atomic<size_t> next = 0;
    const auto work = [&](size_t thread) {
      for (size_t i = next++; i < count; i = next++) task(context, i, thread);
    };
    std::vector<std::thread> helpers;
    for (size_t t = 1; t < count_; ++t) helpers.emplace_back(work, t);
    work(0);
    for (std::thread& helper : helpers) helper.join();
  }

 private:
  size_t count_;
};

struct Subject {
  explicit Subject(ir::PartitionedGraph graph)
      : partition(std::move(graph)), lowered(lower(partition, Placement::tee).value()) {
    EXPECT_TRUE(verify(lowered.program).ok());
  }
  const Program& program() const { return lowered.program; }
  std::vector<float> input() const {
    const Slot& slot = program().slots[program().segments[0].inputs[0]];
    std::vector<float> values(static_cast<size_t>(slot.desc.shape.elements()));
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (float& v : values) v = normal(random);
    return values;
  }
  size_t output_elems() const {
    const Segment& last = program().segments.back();
    return static_cast<size_t>(program().slots[last.outputs[0]].desc.shape.elements());
  }
  // Runs twice by one schedule; checks everything but the answer, which it returns.
  std::vector<float> run(const Schedule& schedule, size_t threads, bool has_counts = true) const {
    const Guarded memory(schedule.arena_bytes());
    PlainMemory outside(partition, lowered, schedule);
    Threads parallel(threads);
    Executor executor(program(), schedule, memory.span(), parallel, &outside);
    std::vector<float> first;
    for (int round = 0; round < 2; ++round) {
      outside.opened_bytes = outside.spilled_bytes = 0;
      CountedTensors tensors(input(), output_elems());
      for (size_t s = 0; s < program().segments.size(); ++s) {
        const Status status = executor.run(s, tensors);
        EXPECT_TRUE(status.ok()) << status.message();
      }
      for (const uint8_t count : tensors.reads) EXPECT_EQ(count, 1);
      for (const uint8_t count : tensors.writes) EXPECT_EQ(count, 1);
      if (has_counts) {
        EXPECT_EQ(outside.spilled_bytes, schedule.spilled_bytes);
      }
      if (round == 0) {
        first = tensors.output;
      } else {
        // Resident weights were opened in the first round.
        if (has_counts) {
          EXPECT_EQ(outside.opened_bytes, schedule.streamed_bytes);
        }
        EXPECT_EQ(tensors.output, first) << "a run leaves something behind";
      }
    }
    EXPECT_TRUE(memory.is_intact()) << "memory beyond the arena was written";
    return first;
  }

  // The arena between two stretches that must stay as they are.
  class Guarded {
   public:
    explicit Guarded(size_t bytes) : bytes_(bytes), buffer_(bytes + 2 * kGuard) {
      std::memset(buffer_.data(), 0x5a, buffer_.size());
    }
    ByteSpan span() const { return {const_cast<std::byte*>(buffer_.data()) + kGuard, bytes_}; }
    bool is_intact() const {
      for (size_t i = 0; i < kGuard; ++i) {
        if (buffer_.data()[i] != std::byte{0x5a}) return false;
        if (buffer_.data()[kGuard + bytes_ + i] != std::byte{0x5a}) return false;
      }
      return true;
    }

   private:
    static constexpr size_t kGuard = 4096;
    size_t bytes_;
    AlignedBuffer buffer_;
  };

  ir::PartitionedGraph partition;
  Lowered lowered;
};

struct Seen {
  bool streamed = false, spilled = false, banded = false;
};

void expect_same_at_every_budget(const Subject& subject, Seen& seen) {
  for (const size_t threads : {size_t{1}, size_t{2}}) {
    const Schedule whole = make_schedule(subject.program(), {.threads = threads}).value();
    EXPECT_EQ(whole.streamed_bytes + whole.spilled_bytes + whole.bands, 0U);
    const std::vector<float> want = subject.run(whole, threads);
    const uint64_t least = smallest_memory(subject.program(), threads);
    ASSERT_LT(least, whole.arena_bytes());
    for (int step = 0; step <= 12; ++step) {
      const uint64_t budget =
          least + (whole.arena_bytes() - least) * static_cast<uint64_t>(step) / 12;
      const Result<Schedule> schedule =
          make_schedule(subject.program(), {.memory_bytes = budget, .threads = threads});
      ASSERT_TRUE(schedule.ok()) << budget << ": " << schedule.status().message();
      ASSERT_LE(schedule->arena_bytes(), budget);
      seen.streamed = seen.streamed || schedule->streamed_bytes != 0;
      seen.spilled = seen.spilled || schedule->spilled_bytes != 0;
      seen.banded = seen.banded || schedule->bands != 0;
      const std::vector<float> got = subject.run(*schedule, threads);
      ASSERT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)), 0)
          << "budget " << budget << ", " << threads << " threads";
    }
  }
}

TEST(Schedule, AnyBudgetGivesTheSameBits) {
  Seen seen;
  for (const int64_t batch : {1, 4, 5}) {
    SCOPED_TRACE(batch);
    expect_same_at_every_budget(Subject(residual_net(batch)), seen);
    expect_same_at_every_budget(Subject(wide_net(batch)), seen);
    expect_same_at_every_budget(Subject(skipping_net(batch)), seen);
    expect_same_at_every_budget(Subject(small_net(batch)), seen);
  }
  EXPECT_TRUE(seen.streamed);
  EXPECT_TRUE(seen.spilled);
  EXPECT_TRUE(seen.banded);
}

TEST(Schedule, SegmentsKeepTheirTensorsAtAnyBudget) {
  Seen seen;
  for (const size_t cut : {size_t{1}, size_t{5}, size_t{8}, size_t{12}}) {
    SCOPED_TRACE(cut);
    expect_same_at_every_budget(Subject(residual_net(3, cut)), seen);
  }
}

// Some grouping, whatever it costs: cuts, parts and bands wherever they may be.
std::vector<Stretch> random_stretches(const Analysis& analysis, std::mt19937& random) {
  std::vector<Stretch> stretches;
  const auto batch = static_cast<uint32_t>(analysis.batch());
  for (uint32_t s = 0; s < analysis.program().segments.size(); ++s) {
    const Range32 range = analysis.segment_nodes(s);
    for (uint32_t begin = range.begin; begin < range.end;) {
      const uint32_t end = begin + 1 + random() % std::min(range.end - begin, 6U);
      Stretch stretch{s, 1 + static_cast<int64_t>(random() % batch), {}};
      for (uint32_t n = begin; n < end; ++n) {
        if (!analysis.nodes()[n].splits_batch) stretch.images = batch;
      }
      for (uint32_t n = begin; n < end;) {
        const Range32 nodes{n, n + 1 + static_cast<uint32_t>(random() % (end - n))};
        Item item{{n, n + 1}, 1};
        if (can_band(analysis, nodes)) {
          const int64_t bands = 2 + random() % (most_bands(analysis, nodes) - 1);
          if (band_cost(analysis, nodes, bands).is_possible) item = {nodes, bands};
        }
        stretch.items.push_back(item);
        n = item.nodes.end;
      }
      stretches.push_back(std::move(stretch));
      begin = end;
    }
  }
  return stretches;
}

// Some weights streamed, in calls of some size; memory as it comes.
void random_weights(const Analysis& analysis, std::mt19937& random, Schedule& schedule) {
  const Program& program = analysis.program();
  const uint64_t call_bytes = random() % (256 << 10);
  for (const Node& node : analysis.nodes()) {
    for (size_t i = 0; i < node.instruction->inputs.size(); ++i) {
      const Operand& operand = node.instruction->inputs[i];
      // Of Conv and Linear the first weight comes in pieces.
      if (operand.kind == Operand::weight && i == 1 && random() % 2 == 0) {
        schedule.weights[operand.index].is_resident = false;
      }
    }
  }
  plan_calls(analysis, call_bytes, schedule);
  uint64_t largest = kAlignment;
  for (WeightId w = 0; w < program.weights.size(); ++w) {
    WeightPlan& weight = schedule.weights[w];
    weight.offset = schedule.weight_bytes;
    if (weight.is_resident) {
      schedule.weight_bytes += round_up(program.weights[w].packed_bytes, kAlignment);
    }
    for (const Call& call : weight.calls) {
      largest =
          std::max(largest, weight.ends[call.last_piece - 1] - weight.begin_of(call.first_piece));
    }
  }
  schedule.ring_bytes = round_up(largest, kAlignment) * (1 + random() % 3);
  const Scratch scratch = scratch_of(analysis, schedule);
  schedule.scratch_bytes = random() % 2 == 0 ? scratch.least_bytes : scratch.usable_bytes;
}

TEST(Schedule, AnyGroupingGivesTheSameBits) {
  std::mt19937 random(9);
  Seen seen;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const auto batch = static_cast<int64_t>(1 + random() % 4);
    const Subject subject(round % 4 == 0   ? skipping_net(batch)
                          : round % 4 == 1 ? wide_net(batch)
                          : round % 4 == 2 ? small_net(batch)
                                           : residual_net(batch, random() % 14));
    const size_t threads = 1 + random() % 2;
    const Schedule whole = make_schedule(subject.program(), {.threads = threads}).value();
    const Analysis analysis(subject.program());
    Schedule schedule =
        build_steps(analysis, random_stretches(analysis, random), Between::spilled, threads);
    random_weights(analysis, random, schedule);
    const std::vector<float> want = subject.run(whole, threads);
    const std::vector<float> got = subject.run(schedule, threads, /*has_counts=*/false);
    ASSERT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)), 0);
  }
}

// The same cuts and parts for tensors that are held: without bands, and whole where images of them
// would not be aligned.
std::vector<Stretch> held_stretches(const Analysis& analysis, std::vector<Stretch> stretches) {
  for (Stretch& stretch : stretches) {
    std::vector<Item> items;
    for (const Item& item : stretch.items) {
      for (uint32_t n = item.nodes.begin; n < item.nodes.end; ++n) {
        items.push_back({{n, n + 1}, 1});
        for (const SlotId slot : analysis.touched(n)) {
          if (analysis.unit_bytes(slot) % kAlignment != 0) stretch.images = analysis.batch();
        }
      }
    }
    stretch.items = std::move(items);
  }
  return stretches;
}

TEST(Schedule, PartsOfWhatIsHeldGiveTheSameBits) {
  std::mt19937 random(10);
  int split = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const auto batch = static_cast<int64_t>(2 + random() % 4);
    const Subject subject(round % 3 == 0   ? skipping_net(batch)
                          : round % 3 == 1 ? wide_net(batch)
                                           : small_net(batch, random() % 5));
    const size_t threads = 1 + random() % 2;
    const Analysis analysis(subject.program());
    const auto scheduled = [&](const std::vector<Stretch>& stretches) {
      Schedule schedule = build_steps(analysis, stretches, Between::held, threads);
      random_weights(analysis, random, schedule);
      return schedule;
    };
    const std::vector<Stretch> parts = held_stretches(analysis, random_stretches(analysis, random));
    for (const Stretch& stretch : parts) split += stretch.images < batch ? 1 : 0;
    const std::vector<float> want =
        subject.run(scheduled(whole_stretches(analysis)), threads, /*has_counts=*/false);
    const std::vector<float> got = subject.run(scheduled(parts), threads, /*has_counts=*/false);
    ASSERT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)), 0);
  }
  EXPECT_GT(split, 60);
}

// Large maps of a batch are had for few images after the other, and a batch then takes little more
// memory than these.
TEST(Schedule, WhatLeavesTheCacheIsSplitThoughItFits) {
  const Subject one(wide_net(1));
  const Subject many(wide_net(16));
  const Schedule roomy = make_schedule(many.program(), {}).value();
  const auto& groups = roomy.segments[0];
  EXPECT_LT(groups.front().full.images, 4U);
  EXPECT_GT(groups.front().full_parts, 4U);
  const uint64_t of_one = make_schedule(one.program(), {}).value().activation_bytes;
  EXPECT_LT(roomy.activation_bytes, 6 * of_one);
}

// What a segment takes for a later one comes with its last part, aligned or not.
TEST(Schedule, WhatIsPassedOnNeedNotBeAligned) {
  Net net(5);
  const ValueId x = net.input({16, 3, 64, 48});
  const ValueId late = net.input({16, 7}, "late");
  net.conv(net.conv(x, 32, 3, 1), 16, 3, 1);
  const Subject subject(net.finish(net.linear(late, 5), 2));
  const Schedule schedule = make_schedule(subject.program(), {}).value();
  EXPECT_EQ(schedule.segments[0].back().full.images, 16U);
}

TEST(Schedule, ATighterBudgetIsRefusedAndTheLeastIsTold) {
  const Subject subject(residual_net(2));
  const uint64_t least = smallest_memory(subject.program(), 1);
  EXPECT_TRUE(make_schedule(subject.program(), {.memory_bytes = least}).ok());
  EXPECT_EQ(make_schedule(subject.program(), {.memory_bytes = least - (64 << 10)}).code(),
            Code::resource_exhausted);
  EXPECT_EQ(make_schedule(subject.program(), {.memory_bytes = 0}).code(), Code::resource_exhausted);
}

TEST(Schedule, CallsCoverEveryStreamedWeightInOrder) {
  const Subject subject(residual_net(2));
  const uint64_t least = smallest_memory(subject.program(), 1);
  const Schedule schedule = make_schedule(subject.program(), {.memory_bytes = least}).value();
  size_t streamed = 0;
  for (const WeightPlan& weight : schedule.weights) {
    uint32_t next = 0;
    for (const Call& call : weight.calls) {
      EXPECT_EQ(call.first_piece, next);
      EXPECT_LT(call.first_piece, call.last_piece);
      EXPECT_LE(round_up(weight.ends[call.last_piece - 1] - weight.begin_of(call.first_piece),
                         kAlignment) *
                    2,
                schedule.ring_bytes);
      next = call.last_piece;
    }
    EXPECT_EQ(next, weight.is_resident ? 0U : weight.ends.size());
    streamed += weight.is_resident ? 0 : 1;
  }
  EXPECT_GT(streamed, 0U);
}

TEST(Execute, WhatIsNotAuthenticEndsTheRunWherever) {
  const Subject subject(residual_net(3));
  const uint64_t least = smallest_memory(subject.program(), 2);
  const Schedule schedule =
      make_schedule(subject.program(), {.memory_bytes = least, .threads = 2}).value();
  ASSERT_GT(schedule.streamed_bytes, 0U);
  ASSERT_GT(schedule.spilled_bytes, 0U);
  AlignedBuffer memory(schedule.arena_bytes());
  Threads parallel(2);
  int failed = 0;
  for (int64_t fail_at = 1;; ++fail_at) {
    PlainMemory outside(subject.partition, subject.lowered, schedule);
    Executor executor(subject.program(), schedule, memory.span(), parallel, &outside);
    CountedTensors tensors(subject.input(), subject.output_elems());
    // Resident weights come with the first run, so that only what comes anew can fail.
    ASSERT_TRUE(executor.run(0, tensors).ok());
    outside.calls_until_failure = fail_at;
    const Status status = executor.run(0, tensors);
    if (outside.calls_until_failure > 0) {
      EXPECT_TRUE(status.ok());
      break;
    }
    EXPECT_EQ(status.code(), Code::integrity) << fail_at;
    ++failed;
  }
  EXPECT_GT(failed, 20);
}

}  // namespace
}  // namespace taoism::program
