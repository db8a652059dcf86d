#include "host.h"

#include <cmath>

#include "crypto/ecdh.h"
#include "crypto/hash.h"
#include "ops/graph_view.h"
#include "program/codec.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;

constexpr size_t kPayloadBytes = size_t{64} << 10;
constexpr size_t kElements = 4 * 6 * 6;
constexpr uint64_t kListOffset = 0;
constexpr uint64_t kTensorOffset = 1024;

std::shared_ptr<const ir::Constant> constant(ir::Shape shape, float phase) {
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 0.3F * std::sin(phase + 0.7F * static_cast<float>(i));
  }
  return ir::make_f32_constant(shape, values);
}

}  // namespace

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
  ir::Attrs conv;
  conv.set("kernel_shape", std::vector<int64_t>{3, 3});
  conv.set("pads", std::vector<int64_t>{1, 1, 1, 1});
  const auto tee = ir::Placement::tee;
  g.add_node({"Conv", "conv", {x, w, b}, {c}, conv, tee, "", ""});
  g.add_node({"Relu", "relu", {c}, {r}, {}, tee, "", ""});
  g.add_node({"Add", "add", {r, y}, {s}, {}, tee, "", ""});
  g.add_node({"Relu", "last", {s}, {z}, {}, tee, "", ""});
  g.set_outputs({z});
  p.segments = {{tee, {0, 1}, {x}, {r}}, {tee, {2, 3}, {y}, {z}}};
  return p;
}

std::vector<float> small_reference(std::span<const float> x, std::span<const float> y) {
  const ir::PartitionedGraph p = small_partition();
  const ir::Graph& g = p.graph;
  std::vector<AlignedBuffer> memory;
  for (size_t v = 0; v < g.value_count(); ++v) {
    const ir::Value& value = g.value(static_cast<ir::ValueId>(v));
    memory.emplace_back(value.desc.bytes());
    if (value.is_constant()) {
      std::memcpy(memory[v].data(), value.constant->data, value.desc.bytes());
    }
  }
  const auto of = [&](ir::ValueId v) -> AlignedBuffer& { return memory[static_cast<size_t>(v)]; };
  std::memcpy(of(g.inputs()[0]).data(), x.data(), x.size_bytes());
  std::memcpy(of(g.inputs()[1]).data(), y.data(), y.size_bytes());
  SerialParallel serial;
  for (const ir::Node& node : g.nodes()) {
    const ops::OpDef* op = ops::find_op(node.op);
    const ops::GraphNodeView view(g, node);
    std::vector<const std::byte*> inputs;
    for (const ir::ValueId v : node.inputs) inputs.push_back(of(v).data());
    std::byte* output = of(node.outputs[0]).data();
    op->reference({view.view(), inputs, {&output, 1}, {}, serial});
  }
  const float* z = of(g.outputs()[0]).as<float>();
  return {z, z + kElements};
}

std::vector<float> small_input(int seed) {
  std::vector<float> values(kElements);
  for (size_t i = 0; i < kElements; ++i) {
    values[i] = std::sin(static_cast<float>(seed) + 0.37F * static_cast<float>(i));
  }
  return values;
}

Host::Host(uint64_t budget_bytes)
    : partition_(small_partition()),
      lowered_(program::lower(partition_, ir::Placement::tee, 1).value()),
      encoded_(program::encode(lowered_.program)),
      id_(crypto::sha256(encoded_).value()),
      memory_(budget_bytes != 0 ? budget_bytes : lowered_.program.arena_bytes()),
      payload_(kPayloadBytes),
      image_(std::make_unique<trusted::Image>(memory_.span(), parallel_)) {}

Outcome Host::send(const Message& message) {
  image_->call(message, payload_.span(), reply_);
  return {static_cast<Code>(reply_.code), static_cast<wire::Text>(reply_.text)};
}

Outcome Host::open_session() {
  auto pair = crypto::EcdhKeyPair::create().value();
  wire::OpenSession request{};
  request.host_public_key = pair.public_key();
  const Outcome outcome = send(Message::of(MessageType::open_session, request));
  if (outcome.code != Code::ok) return outcome;
  const auto answer = reply_.as<wire::OpenSessionReply>();
  crypto::PublicKey tee;
  tee[0] = std::byte{4};
  std::memcpy(tee.data() + 1, answer.tee_public_key_xy.data(), answer.tee_public_key_xy.size());
  auto secret = pair.agree(tee).value();
  auto keys = crypto::derive_session_keys(secret, pair.public_key(), tee).value();
  auto from_tee = crypto::Channel::create(keys.to_host).value();
  TAOISM_CHECK(from_tee.open(object_bytes(request), {}, answer.confirmation).ok());
  to_tee_ = crypto::Channel::create(keys.to_tee).value();
  return outcome;
}

Message Host::seal_program(uint64_t offset) {
  wire::LoadProgram request{};
  request.program = id_;
  request.sealed = {offset, encoded_.size() + crypto::kTagBytes};
  request.sequence = to_tee_->next();
  wire::SealedContext context;
  context.type = static_cast<uint32_t>(MessageType::load_program);
  context.program = id_;
  context.sequence = request.sequence;
  context.bytes = encoded_.size();
  std::vector<std::byte> sealed = encoded_;
  crypto::Tag tag;
  TAOISM_CHECK(to_tee_->seal(object_bytes(context), sealed, tag).ok());
  std::memcpy(payload_.data() + offset, sealed.data(), sealed.size());
  std::memcpy(payload_.data() + offset + sealed.size(), tag.data(), tag.size());
  return Message::of(MessageType::load_program, request);
}

Message Host::seal_weights(uint32_t weight, uint64_t piece_offset, uint64_t bytes,
                           uint64_t offset) {
  AlignedBuffer packed(lowered_.program.weights[weight].packed_bytes);
  program::pack_weight(partition_.graph, lowered_, weight, packed.data());
  const ByteSpan piece = packed.span().subspan(piece_offset, bytes);
  wire::LoadWeights request{};
  request.program = id_;
  request.sealed = {offset, bytes + crypto::kTagBytes};
  request.sequence = to_tee_->next();
  request.offset = piece_offset;
  request.weight = weight;
  wire::SealedContext context;
  context.type = static_cast<uint32_t>(MessageType::load_weights);
  context.program = id_;
  context.sequence = request.sequence;
  context.bytes = bytes;
  context.offset = piece_offset;
  context.weight = weight;
  crypto::Tag tag;
  TAOISM_CHECK(to_tee_->seal(object_bytes(context), piece, tag).ok());
  std::memcpy(payload_.data() + offset, piece.data(), piece.size());
  std::memcpy(payload_.data() + offset + piece.size(), tag.data(), tag.size());
  return Message::of(MessageType::load_weights, request);
}

Message Host::close_program() const {
  return Message::of(MessageType::close_program, wire::CloseProgram{id_});
}

void Host::load_everything() {
  TAOISM_CHECK(open_session().code == Code::ok);
  TAOISM_CHECK(send(seal_program()).code == Code::ok);
  for (uint32_t w = 0; w < program().weights.size(); ++w) {
    TAOISM_CHECK(send(seal_weights(w, 0, program().weights[w].packed_bytes)).code == Code::ok);
  }
}

Message Host::run_message(uint32_t segment, std::span<const std::vector<float>> inputs) {
  const program::Segment& s = program().segments[segment];
  last_slots_.clear();
  uint64_t offset = kTensorOffset;
  const auto place = [&](program::SlotId slot) {
    const uint64_t bytes = program().slots[slot].desc.bytes();
    last_slots_.push_back({offset, bytes});
    offset = round_up(offset + bytes, kAlignment);
  };
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    place(s.inputs[i]);
    std::memcpy(payload_.data() + last_slots_[i].offset, inputs[i].data(), last_slots_[i].bytes);
  }
  for (const program::SlotId slot : s.outputs) {
    place(slot);
    std::memset(payload_.data() + last_slots_.back().offset, 0xee, last_slots_.back().bytes);
  }
  const size_t list_bytes = last_slots_.size() * sizeof(wire::Range);
  std::memcpy(payload_.data() + kListOffset, last_slots_.data(), list_bytes);
  wire::RunSegment request{};
  request.program = id_;
  request.slots = {kListOffset, list_bytes};
  request.segment = segment;
  return Message::of(MessageType::run_segment, request);
}

std::vector<float> Host::output(uint32_t segment) {
  const wire::Range& slot = last_slots_[program().segments[segment].inputs.size()];
  std::vector<float> values(slot.bytes / sizeof(float));
  std::memcpy(values.data(), payload_.data() + slot.offset, slot.bytes);
  return values;
}

std::vector<float> Host::run_all(std::span<const float> x, std::span<const float> y) {
  const std::vector<float> first(x.begin(), x.end());
  const std::vector<float> second(y.begin(), y.end());
  TAOISM_CHECK(send(run_message(0, {&first, 1})).code == Code::ok);
  TAOISM_CHECK(send(run_message(1, {&second, 1})).code == Code::ok);
  return output(1);
}

}  // namespace taoism::attack
