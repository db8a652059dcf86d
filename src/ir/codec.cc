#include "ir/codec.h"

#include <unordered_map>

#include "ir/flat.h"

namespace taoism::ir {
namespace {

constexpr uint32_t kVersion = 1;
constexpr int32_t kNoConstant = -1;

using flat::Reader;
using flatbuffers::Offset;

size_t idx(int32_t id) { return static_cast<size_t>(id); }
bool is_in(int32_t id, size_t count) { return id >= 0 && idx(id) < count; }
bool is_side(Placement p) { return p == Placement::tee || p == Placement::device; }
size_t side_index(Placement side) { return side == Placement::tee ? 1 : 0; }

// The numbers of a table of constants, which grows.
class Numbering {
 public:
  explicit Numbering(std::vector<std::shared_ptr<const Constant>>& constants)
      : constants_(constants) {
    for (size_t i = 0; i < constants.size(); ++i) {
      numbers_.emplace(constants[i]->data, static_cast<int32_t>(i));
    }
  }

  int32_t number(const std::shared_ptr<const Constant>& constant) {
    const auto [first, last] = numbers_.equal_range(constant->data);
    for (auto it = first; it != last; ++it) {
      if (constants_[idx(it->second)]->desc == constant->desc) return it->second;
    }
    constants_.push_back(constant);
    const auto number = static_cast<int32_t>(constants_.size() - 1);
    numbers_.emplace(constant->data, number);
    return number;
  }

 private:
  std::vector<std::shared_ptr<const Constant>>& constants_;
  std::unordered_multimap<const std::byte*, int32_t> numbers_;
};

// One part after the other: a compiler chooses the order in which a call's arguments are made, and
// the bytes shall not depend on it.
class Encoder {
 public:
  explicit Encoder(std::vector<std::shared_ptr<const Constant>>& constants)
      : numbering_(constants) {}

  std::vector<std::byte> run(const PartitionedGraph& partition) {
    const Graph& graph = partition.graph;
    const auto consumers = graph.consumers();
    std::vector<Offset<fbs::Value>> values;
    for (size_t v = 0; v < graph.value_count(); ++v) {
      values.push_back(value(graph.value(static_cast<ValueId>(v)), !consumers[v].empty()));
    }
    std::vector<Offset<fbs::Node>> nodes;
    for (const Node& n : graph.nodes()) nodes.push_back(node(n));
    std::vector<Offset<fbs::Segment>> segments;
    for (const Segment& s : partition.segments) segments.push_back(segment(s));
    const auto name = builder_.CreateString(graph.name);
    const auto value_list = builder_.CreateVector(values);
    const auto inputs = builder_.CreateVector(graph.inputs());
    const auto outputs = builder_.CreateVector(graph.outputs());
    const auto node_list = builder_.CreateVector(nodes);
    const auto segment_list = builder_.CreateVector(segments);
    builder_.Finish(fbs::CreateGraph(builder_, kVersion, name, value_list, inputs, outputs,
                                     node_list, segment_list),
                    fbs::GraphIdentifier());
    return flat::finished_bytes(builder_);
  }

 private:
  Offset<fbs::Value> value(const Value& v, bool is_read) {
    const bool has_constant = v.is_constant() && is_read;
    const int32_t constant = has_constant ? numbering_.number(v.constant) : kNoConstant;
    const auto name = builder_.CreateString(v.name);
    const auto desc = flat::write_desc(builder_, v.desc);
    return fbs::CreateValue(builder_, name, desc, v.is_private, constant);
  }

  Offset<fbs::Node> node(const Node& n) {
    const auto op = builder_.CreateString(n.op);
    const auto name = builder_.CreateString(n.name);
    const auto inputs = builder_.CreateVector(n.inputs);
    const auto outputs = builder_.CreateVector(n.outputs);
    const auto attrs = builder_.CreateVector(flat::write_attrs(builder_, n.attrs));
    const auto why = builder_.CreateString(n.why);
    const auto origin = builder_.CreateString(n.origin);
    return fbs::CreateNode(builder_, op, name, inputs, outputs, attrs,
                           static_cast<uint8_t>(n.placement), why, origin);
  }

  Offset<fbs::Segment> segment(const Segment& s) {
    const auto nodes = builder_.CreateVector(s.nodes);
    const auto inputs = builder_.CreateVector(s.inputs);
    const auto outputs = builder_.CreateVector(s.outputs);
    return fbs::CreateSegment(builder_, static_cast<uint8_t>(s.placement), nodes, inputs, outputs);
  }

  flatbuffers::FlatBufferBuilder builder_;
  Numbering numbering_;
};

Status refuse(const char* why) { return integrity_error(why); }
Status malformed() { return refuse("graph: malformed encoding"); }

class Decoder {
 public:
  Decoder(ConstByteSpan bytes, std::span<const std::shared_ptr<const Constant>> constants)
      : bytes_(bytes), constants_(constants), reader_(bytes) {}

  Result<PartitionedGraph> run() {
    const auto* from = flat::verified_root<fbs::Graph>(bytes_, fbs::GraphIdentifier());
    if (from == nullptr || from->version() != kVersion ||
        !reader_.text(from->name(), graph_.name) || !reader_.list(from->values()) ||
        !reader_.list(from->nodes()) || !reader_.list(from->segments())) {
      return malformed();
    }
    for (const fbs::Value* value : *from->values()) TAOISM_RETURN_IF_ERROR(read_value(*value));
    TAOISM_RETURN_IF_ERROR(read_ends(*from));
    made_in_.assign(graph_.value_count(), kUnmade);
    for (const fbs::Node* node : *from->nodes()) TAOISM_RETURN_IF_ERROR(read_node(*node));
    if (!graph_.verify().ok()) return refuse("graph: its structure is broken");
    for (std::vector<bool>& side : here_) side.assign(graph_.value_count(), false);
    is_outside_.assign(graph_.value_count(), false);
    for (const ValueId input : graph_.inputs()) is_outside_[idx(input)] = true;
    is_done_.assign(graph_.node_count(), false);
    for (const fbs::Segment* segment : *from->segments()) {
      TAOISM_RETURN_IF_ERROR(read_segment(*segment));
    }
    TAOISM_RETURN_IF_ERROR(check_complete());
    return std::move(partition_);
  }

 private:
  Status read_value(const fbs::Value& from) {
    std::string name;
    TensorDesc desc;
    if (!reader_.text(from.name(), name) || !reader_.desc(from.desc(), desc)) return malformed();
    if (dtype_bytes(desc.dtype) == 0 || !desc.shape.is_bounded()) {
      return refuse("graph: a value's type is out of bounds");
    }
    Value& value = graph_.value(graph_.add_value(std::move(name), desc));
    value.is_private = from.is_private();
    if (from.constant() == kNoConstant) return {};
    if (!is_in(from.constant(), constants_.size())) {
      return refuse("graph: a constant is out of range");
    }
    value.constant = constants_[idx(from.constant())];
    if (value.constant == nullptr || value.constant->desc != desc) {
      return refuse("graph: a constant is not of its value's type");
    }
    return {};
  }

  // The graph's inputs and outputs.
  Status read_ends(const fbs::Graph& from) {
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    if (!reader_.numbers(from.inputs(), inputs) || !reader_.numbers(from.outputs(), outputs)) {
      return malformed();
    }
    std::vector<bool> is_input(graph_.value_count(), false);
    for (const ValueId input : inputs) {
      if (!is_value(input)) return refuse("graph: a graph input is out of range");
      if (graph_.value(input).is_constant()) return refuse("graph: a graph input is a constant");
      if (is_input[idx(input)]) return refuse("graph: a graph input is listed twice");
      is_input[idx(input)] = true;
    }
    for (const ValueId output : outputs) {
      if (!is_value(output)) return refuse("graph: a graph output is out of range");
    }
    graph_.set_inputs(std::move(inputs));
    graph_.set_outputs(std::move(outputs));
    return {};
  }

  Status read_node(const fbs::Node& from) {
    Node node;
    if (!reader_.text(from.op(), node.op) || !reader_.text(from.name(), node.name) ||
        !reader_.numbers(from.inputs(), node.inputs) ||
        !reader_.numbers(from.outputs(), node.outputs) ||
        !reader_.attrs(from.attrs(), node.attrs) || !reader_.text(from.why(), node.why) ||
        !reader_.text(from.origin(), node.origin)) {
      return malformed();
    }
    node.placement = static_cast<Placement>(from.placement());
    if (!is_side(node.placement)) return refuse("graph: a node is on no side");
    for (const ValueId input : node.inputs) {
      if (input != kNoValue && !is_value(input)) {
        return refuse("graph: a node's input is out of range");
      }
    }
    for (const ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      if (!is_value(output)) return refuse("graph: a node's output is out of range");
      if (made_in_[idx(output)] != kUnmade) return refuse("graph: a value is made twice");
      made_in_[idx(output)] = kMadeLater;
    }
    graph_.add_node(std::move(node));
    return {};
  }

  Status read_segment(const fbs::Segment& from) {
    Segment segment{static_cast<Placement>(from.placement()), {}, {}, {}};
    if (!reader_.numbers(from.nodes(), segment.nodes) ||
        !reader_.numbers(from.inputs(), segment.inputs) ||
        !reader_.numbers(from.outputs(), segment.outputs)) {
      return malformed();
    }
    if (!is_side(segment.placement)) return refuse("graph: a segment is on no side");
    TAOISM_RETURN_IF_ERROR(check_handed_in(segment));
    for (const NodeId node : segment.nodes) TAOISM_RETURN_IF_ERROR(check_run(node, segment));
    for (const ValueId output : segment.outputs) {
      if (!is_value(output)) return refuse("graph: a segment's output is out of range");
      if (made_in_[idx(output)] != this_segment()) {
        return refuse("graph: a segment's output is not made in it");
      }
      if (is_outside_[idx(output)]) return refuse("graph: a segment's output is listed twice");
      is_outside_[idx(output)] = true;
    }
    partition_.segments.push_back(std::move(segment));
    return {};
  }

  Status check_handed_in(const Segment& segment) {
    std::vector<bool>& here = here_[side_index(segment.placement)];
    for (const ValueId input : segment.inputs) {
      if (!is_value(input)) return refuse("graph: a segment's input is out of range");
      if (!is_outside_[idx(input)]) {
        return refuse("graph: a segment's input was not made before it");
      }
      here[idx(input)] = true;
    }
    return {};
  }

  // Whether the node may run now, as the next of the segment.
  Status check_run(NodeId id, const Segment& segment) {
    if (!is_in(id, graph_.node_count())) return refuse("graph: a segment's node is out of range");
    if (is_done_[idx(id)]) return refuse("graph: a node is in two segments");
    is_done_[idx(id)] = true;
    const Node& node = graph_.node(id);
    if (node.placement != segment.placement) {
      return refuse("graph: a node is in a segment of the other side");
    }
    std::vector<bool>& here = here_[side_index(segment.placement)];
    for (const ValueId input : node.inputs) {
      if (input != kNoValue && !graph_.value(input).is_constant() && !here[idx(input)]) {
        return refuse("graph: a node reads what has not reached its side");
      }
    }
    for (const ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      here[idx(output)] = true;
      made_in_[idx(output)] = this_segment();
    }
    return {};
  }

  Status check_complete() const {
    for (const bool done : is_done_) {
      if (!done) return refuse("graph: a node is in no segment");
    }
    for (const ValueId output : graph_.outputs()) {
      if (graph_.value(output).producer == kNoNode || !is_outside_[idx(output)]) {
        return refuse("graph: a graph output is not an output of a segment");
      }
    }
    return {};
  }

  bool is_value(ValueId id) const { return is_in(id, graph_.value_count()); }
  int64_t this_segment() const { return static_cast<int64_t>(partition_.segments.size()); }

  static constexpr int64_t kUnmade = -1;
  static constexpr int64_t kMadeLater = -2;

  ConstByteSpan bytes_;
  std::span<const std::shared_ptr<const Constant>> constants_;
  Reader reader_;
  PartitionedGraph partition_;
  Graph& graph_ = partition_.graph;
  // By value: the segment that has made it; on each side, whether it is there; whether the host
  // may have it to hand in: a graph input, or an output of an earlier segment.
  std::vector<int64_t> made_in_;
  std::vector<bool> here_[2];
  std::vector<bool> is_outside_;
  std::vector<bool> is_done_;  // by node
};

}  // namespace

EncodedGraph encode(const PartitionedGraph& graph) {
  EncodedGraph encoded;
  encoded.bytes = encode(graph, encoded.constants);
  return encoded;
}

std::vector<std::byte> encode(const PartitionedGraph& graph,
                              std::vector<std::shared_ptr<const Constant>>& constants) {
  return Encoder(constants).run(graph);
}

Result<PartitionedGraph> decode(ConstByteSpan bytes,
                                std::span<const std::shared_ptr<const Constant>> constants) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) == 0 ||
      bytes.size() > flat::kMaxBytes) {
    return Decoder(bytes, constants).run();
  }
  AlignedBuffer aligned(bytes.size());
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  return Decoder(aligned.span(), constants).run();
}

}  // namespace taoism::ir
