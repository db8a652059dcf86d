#include "sample.h"

#include <cmath>
#include <cstring>

#include "crypto/hash.h"
#include "ops/graph_view.h"
#include "program/codec.h"

namespace taoism::attack {
namespace {

constexpr auto kTee = ir::Placement::tee;

std::shared_ptr<const ir::Constant> constant(ir::Shape shape, float phase, float size = 0.3F) {
  Floats values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = size * std::sin(phase + 0.7F * static_cast<float>(i));
  }
  return ir::make_f32_constant(shape, values);
}

ir::Attrs window(int64_t kernel, int64_t pad, int64_t stride) {
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
  attrs.set("strides", std::vector<int64_t>{stride, stride});
  attrs.set("pads", std::vector<int64_t>{pad, pad, pad, pad});
  return attrs;
}

ir::PartitionedGraph small_partition() {
  ir::PartitionedGraph p;
  ir::Graph& g = p.graph;
  const ir::TensorDesc image{ir::DType::f32, {1, 4, 6, 6}};
  const auto x = g.add_input("x", image);
  const auto y = g.add_input("y", image);
  const auto w = g.add_constant("w", constant({4, 4, 3, 3}, 0.1F));
  const auto b = g.add_constant("b", constant({4}, 0.9F));
  const auto c = g.add_value("c", image);
  const auto r = g.add_value("r", image);
  const auto s = g.add_value("s", image);
  const auto z = g.add_value("z", image);
  g.add_node({"Conv", "conv", {x, w, b}, {c}, window(3, 1, 1), kTee, "", ""});
  g.add_node({"Relu", "relu", {c}, {r}, {}, kTee, "", ""});
  g.add_node({"Add", "add", {r, y}, {s}, {}, kTee, "", ""});
  g.add_node({"Relu", "last", {s}, {z}, {}, kTee, "", ""});
  g.set_outputs({z});
  p.segments = {{kTee, {0, 1}, {x}, {r}}, {kTee, {2, 3}, {y}, {z}}};
  return p;
}

ir::PartitionedGraph large_partition() {
  constexpr int64_t kBatch = 4, kChannels = 8, kWide = 32, kSide = 48;
  constexpr int64_t kFeatures = kChannels * (kSide / 4) * (kSide / 4), kOut = 64;
  ir::PartitionedGraph p;
  ir::Graph& g = p.graph;
  const auto map = [&](int64_t side) {
    return ir::TensorDesc{ir::DType::f32, {kBatch, kChannels, side, side}};
  };
  const ir::TensorDesc flat{ir::DType::f32, {kBatch, kFeatures}};
  const ir::TensorDesc vector{ir::DType::f32, {kBatch, kOut}};
  ir::Attrs to_flat;
  to_flat.set("shape", std::vector<int64_t>{kBatch, kFeatures});

  const auto x = g.add_input("x", {ir::DType::f32, {kBatch, 4, kSide, kSide}});
  const auto y = g.add_input("y", map(kSide));
  const auto w1 = g.add_constant("w1", constant({kChannels, 4, 3, 3}, 0.1F));
  const auto w2 = g.add_constant("w2", constant({kChannels, kChannels, 3, 3}, 0.2F));
  const auto w3 = g.add_constant("w3", constant({kWide, kChannels, 1, 1}, 0.3F));
  const auto b3 = g.add_constant("b3", constant({kWide}, 0.4F));
  const auto w4 = g.add_constant("w4", constant({kChannels, kWide, 1, 1}, 0.8F, 0.1F));
  const auto l1 = g.add_constant("l1", constant({kOut, kFeatures}, 0.5F, 0.05F));
  const auto l2 = g.add_constant("l2", constant({kOut, kFeatures}, 0.6F, 0.05F));
  const auto c1 = g.add_value("c1", map(kSide)), r1 = g.add_value("r1", map(kSide));
  const auto c2 = g.add_value("c2", map(kSide)), a = g.add_value("a", map(kSide));
  const auto p1 = g.add_value("p1", map(kSide / 2)), p2 = g.add_value("p2", map(kSide / 4));
  const auto f1 = g.add_value("f1", flat), h = g.add_value("h", vector);
  const ir::TensorDesc wide{ir::DType::f32, {kBatch, kWide, kSide, kSide}};
  const auto s = g.add_value("s", map(kSide)), c3 = g.add_value("c3", wide);
  const auto r3 = g.add_value("r3", wide), c4 = g.add_value("c4", map(kSide));
  const auto p3 = g.add_value("p3", map(kSide / 2)), p4 = g.add_value("p4", map(kSide / 4));
  const auto f2 = g.add_value("f2", flat), v = g.add_value("v", vector);
  const auto z = g.add_value("z", vector);

  g.add_node({"Conv", "conv1", {x, w1}, {c1}, window(3, 1, 1), kTee, "", ""});
  g.add_node({"Relu", "relu1", {c1}, {r1}, {}, kTee, "", ""});
  g.add_node({"Conv", "conv2", {r1, w2}, {c2}, window(3, 1, 1), kTee, "", ""});
  g.add_node({"Add", "add1", {c2, r1}, {a}, {}, kTee, "", ""});
  g.add_node({"MaxPool", "pool1", {a}, {p1}, window(2, 0, 2), kTee, "", ""});
  g.add_node({"MaxPool", "pool2", {p1}, {p2}, window(2, 0, 2), kTee, "", ""});
  g.add_node({"Reshape", "flat1", {p2}, {f1}, to_flat, kTee, "", ""});
  g.add_node({"Linear", "linear1", {f1, l1}, {h}, {}, kTee, "", ""});
  g.add_node({"Add", "add2", {a, y}, {s}, {}, kTee, "", ""});
  g.add_node({"Conv", "conv3", {s, w3, b3}, {c3}, window(1, 0, 1), kTee, "", ""});
  g.add_node({"Relu", "relu3", {c3}, {r3}, {}, kTee, "", ""});
  g.add_node({"Conv", "conv4", {r3, w4}, {c4}, window(1, 0, 1), kTee, "", ""});
  g.add_node({"MaxPool", "pool3", {c4}, {p3}, window(2, 0, 2), kTee, "", ""});
  g.add_node({"MaxPool", "pool4", {p3}, {p4}, window(2, 0, 2), kTee, "", ""});
  g.add_node({"Reshape", "flat2", {p4}, {f2}, to_flat, kTee, "", ""});
  g.add_node({"Linear", "linear2", {f2, l2}, {v}, {}, kTee, "", ""});
  g.add_node({"Add", "add3", {v, h}, {z}, {}, kTee, "", ""});
  g.set_outputs({z});
  p.segments = {{kTee, {0, 1, 2, 3, 4, 5, 6, 7}, {x}, {p1, h}},
                {kTee, {8, 9, 10, 11, 12, 13, 14, 15, 16}, {y}, {z}}};
  return p;
}

}  // namespace

Sample::Sample(ir::PartitionedGraph partition)
    : partition_(std::move(partition)),
      lowered_(program::lower(partition_, kTee).value()),
      encoded_(program::encode(lowered_.program)),
      id_(crypto::sha256(encoded_).value()),
      layout_(lowered_.program),
      header_(store::new_store(/*version=*/7).value()),
      sealed_weights_(seal_weights(header_)) {}

std::vector<std::byte> Sample::seal_weights(const store::StoreHeader& header) const {
  std::vector<std::byte> sealed(layout_.bytes());
  const Status status = store::seal_weights(
      program(), layout_, header,
      [&](program::WeightId w, std::byte* packed) {
        program::pack_weight(partition_.graph, lowered_, w, packed);
      },
      sealed);
  TAOISM_CHECK(status.ok());
  return sealed;
}

AlignedBuffer Sample::packed_weight(program::WeightId weight) const {
  AlignedBuffer packed(program().weights[weight].packed_bytes);
  program::pack_weight(partition_.graph, lowered_, weight, packed.data());
  return packed;
}

const program::Schedule* Sample::schedule(uint64_t budget_bytes, size_t threads) const {
  const auto [found, is_new] = schedules_.try_emplace({budget_bytes, threads});
  if (is_new) {
    const uint64_t limit = budget_bytes != 0 ? budget_bytes : UINT64_MAX;
    auto made = program::make_schedule(program(), {limit, threads});
    if (made.ok()) found->second = std::make_unique<program::Schedule>(std::move(made).value());
  }
  return found->second.get();
}

Floats Sample::input(uint32_t segment, int seed) const {
  const ir::ValueId id = partition_.segments[segment].inputs[0];
  Floats values(partition_.graph.value(id).desc.bytes() / sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(static_cast<float>(seed + 10 * static_cast<int>(segment)) +
                         0.37F * static_cast<float>(i));
  }
  return values;
}

std::vector<std::vector<Floats>> Sample::reference(std::span<const Floats> inputs) const {
  const ir::Graph& g = partition_.graph;
  std::vector<AlignedBuffer> memory;
  for (size_t v = 0; v < g.value_count(); ++v) {
    const ir::Value& value = g.value(static_cast<ir::ValueId>(v));
    memory.emplace_back(value.desc.bytes());
    if (value.is_constant()) {
      std::memcpy(memory[v].data(), value.constant->data, value.desc.bytes());
    }
  }
  const auto of = [&](ir::ValueId v) -> AlignedBuffer& { return memory[static_cast<size_t>(v)]; };
  std::vector<std::vector<Floats>> outputs;
  SerialParallel serial;
  for (size_t s = 0; s < inputs.size(); ++s) {
    const ir::Segment& segment = partition_.segments[s];
    std::memcpy(of(segment.inputs[0]).data(), inputs[s].data(), inputs[s].size() * sizeof(float));
    for (const ir::NodeId id : segment.nodes) {
      const ir::Node& node = g.node(id);
      const ops::OpDef* op = ops::find_op(node.op);
      const ops::GraphNodeView view(g, node);
      std::vector<const std::byte*> pointers;
      for (const ir::ValueId v : node.inputs) pointers.push_back(of(v).data());
      std::byte* output = of(node.outputs[0]).data();
      const auto compute = op->reference != nullptr ? op->reference : op->run;
      TAOISM_CHECK(compute({view.view(), pointers, {&output, 1}, {}, serial}).ok());
    }
    outputs.emplace_back();
    for (const ir::ValueId v : segment.outputs) {
      const float* values = of(v).as<float>();
      outputs.back().emplace_back(values, values + of(v).size() / sizeof(float));
    }
  }
  return outputs;
}

const Sample& small_sample() {
  static const Sample sample(small_partition());
  return sample;
}

const Sample& large_sample() {
  static const Sample sample(large_partition());
  return sample;
}

uint64_t tight_budget(size_t threads) {
  static std::map<size_t, uint64_t> known;
  const auto [found, is_new] = known.try_emplace(threads);
  if (is_new) found->second = program::smallest_memory(large_sample().program(), threads);
  return found->second;
}

}  // namespace taoism::attack
