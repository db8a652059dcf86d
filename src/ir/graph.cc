#include "ir/graph.h"

#include <algorithm>
#include <unordered_set>

namespace taoism::ir {

const char* placement_name(Placement placement) {
  switch (placement) {
    case Placement::automatic: return "auto";
    case Placement::tee: return "tee";
    case Placement::device: return "device";
  }
  return "unknown";
}

ValueId Graph::add_value(std::string value_name, TensorDesc desc) {
  Value value;
  value.name = std::move(value_name);
  value.desc = desc;
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_constant(std::string value_name, std::shared_ptr<const Constant> constant,
                            OriginId origin) {
  if (origin == kNoOrigin) {
    origin = add_origin({.elems = static_cast<uint64_t>(constant->desc.shape.elements())});
  }
  const ValueId id = add_value(std::move(value_name), constant->desc);
  values_.back().constant = std::move(constant);
  values_.back().origin = origin;
  return id;
}

OriginId Graph::add_origin(Origin origin) {
  const auto id = static_cast<OriginId>(origins_.size());
  for (const OriginId from : origin.from) TAOISM_CHECK(from >= 0 && from < id);
  origins_.push_back(std::move(origin));
  return id;
}

ValueId Graph::add_input(std::string value_name, TensorDesc desc) {
  const ValueId id = add_value(std::move(value_name), desc);
  inputs_.push_back(id);
  return id;
}

NodeId Graph::add_node(Node node) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (ValueId output : node.outputs) {
    if (output != kNoValue) value(output).producer = id;
  }
  nodes_.push_back(std::move(node));
  return id;
}

std::vector<std::vector<NodeId>> Graph::consumers() const {
  std::vector<std::vector<NodeId>> result(values_.size());
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (ValueId input : nodes_[n].inputs) {
      if (input == kNoValue) continue;
      auto& readers = result[static_cast<size_t>(input)];
      if (readers.empty() || readers.back() != static_cast<NodeId>(n)) {
        readers.push_back(static_cast<NodeId>(n));
      }
    }
  }
  return result;
}

void Graph::set_outputs(std::vector<ValueId> outputs) {
  outputs_ = std::move(outputs);
  is_output_.assign(values_.size(), false);
  for (const ValueId output : outputs_) {
    if (output >= 0 && static_cast<size_t>(output) < values_.size()) {
      is_output_[static_cast<size_t>(output)] = true;
    }
  }
}

bool Graph::is_output(ValueId id) const {
  return id >= 0 && static_cast<size_t>(id) < is_output_.size() &&
         is_output_[static_cast<size_t>(id)];
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes_) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs_.begin(), outputs_.end(), from, to);
  set_outputs(std::move(outputs_));
}

Status Graph::tidy() {
  std::vector<NodeId> producer(values_.size(), kNoNode);
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (ValueId output : nodes_[n].outputs) {
      if (output != kNoValue) producer[static_cast<size_t>(output)] = static_cast<NodeId>(n);
    }
  }
  // What the outputs need, directly or not.
  std::vector<bool> live(nodes_.size(), false);
  std::vector<NodeId> pending;
  const auto need = [&](ValueId value) {
    if (value == kNoValue) return;
    const NodeId node = producer[static_cast<size_t>(value)];
    if (node != kNoNode && !live[static_cast<size_t>(node)]) {
      live[static_cast<size_t>(node)] = true;
      pending.push_back(node);
    }
  };
  for (ValueId output : outputs_) need(output);
  while (!pending.empty()) {
    const NodeId node = pending.back();
    pending.pop_back();
    for (ValueId input : nodes_[static_cast<size_t>(node)].inputs) need(input);
  }
  // Kahn's algorithm over the live nodes, always taking the earliest ready one.
  std::vector<int> missing(nodes_.size(), 0);
  std::vector<std::vector<NodeId>> readers(nodes_.size());
  std::vector<NodeId> heap;
  const auto later = std::greater<NodeId>();
  size_t live_count = 0;
  for (size_t n = 0; n < nodes_.size(); ++n) {
    if (!live[n]) continue;
    ++live_count;
    for (ValueId input : nodes_[n].inputs) {
      if (input == kNoValue) continue;
      const NodeId source = producer[static_cast<size_t>(input)];
      if (source == kNoNode) continue;
      readers[static_cast<size_t>(source)].push_back(static_cast<NodeId>(n));
      ++missing[n];
    }
    if (missing[n] == 0) heap.push_back(static_cast<NodeId>(n));
  }
  std::make_heap(heap.begin(), heap.end(), later);
  std::vector<Node> sorted;
  sorted.reserve(live_count);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const auto n = static_cast<size_t>(heap.back());
    heap.pop_back();
    live[n] = false;
    sorted.push_back(std::move(nodes_[n]));
    for (NodeId reader : readers[n]) {
      if (--missing[static_cast<size_t>(reader)] == 0) {
        heap.push_back(reader);
        std::push_heap(heap.begin(), heap.end(), later);
      }
    }
  }
  if (sorted.size() != live_count) {
    const auto stuck = std::find(live.begin(), live.end(), true) - live.begin();
    return invalid_argument("node '" + nodes_[static_cast<size_t>(stuck)].name +
                            "' is on a cycle: a model's graph must be acyclic");
  }
  nodes_ = std::move(sorted);
  for (Value& value : values_) value.producer = kNoNode;
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (ValueId output : nodes_[n].outputs) {
      if (output != kNoValue) value(output).producer = static_cast<NodeId>(n);
    }
  }
  return {};
}

Status Graph::verify() const {
  std::vector<bool> ready(values_.size(), false);
  const auto in_range = [&](ValueId id) {
    return id >= 0 && static_cast<size_t>(id) < values_.size();
  };
  for (ValueId input : inputs_) {
    if (!in_range(input)) return invalid_argument("graph input out of range");
    ready[static_cast<size_t>(input)] = true;
  }
  for (size_t v = 0; v < values_.size(); ++v) {
    if (values_[v].is_constant()) ready[v] = true;
  }
  std::unordered_set<std::string> names;
  for (const Node& node : nodes_) {
    if (!names.insert(node.name).second) {
      return invalid_argument("two nodes are named '" + node.name + "'");
    }
    for (ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      if (!in_range(input)) return invalid_argument("node '" + node.name + "': input out of range");
      if (!ready[static_cast<size_t>(input)]) {
        return invalid_argument("node '" + node.name + "' reads '" + value(input).name +
                                "' before anything produced it");
      }
    }
    for (ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      if (!in_range(output))
        return invalid_argument("node '" + node.name + "': output out of range");
      if (ready[static_cast<size_t>(output)]) {
        return invalid_argument("value '" + value(output).name + "' is produced twice");
      }
      ready[static_cast<size_t>(output)] = true;
    }
  }
  for (ValueId output : outputs_) {
    if (!in_range(output) || !ready[static_cast<size_t>(output)]) {
      return invalid_argument("a graph output is never produced");
    }
  }
  return {};
}

}  // namespace taoism::ir
