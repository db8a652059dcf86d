// The dataflow graph that import produces, strategies rewrite and devices compile. Nodes and values
// are named by index; every value has one producer (a node, a graph input or a constant). Trusted
// code links this, but only ever sees lowered programs (program/program.h).
// Thread-safety: as a std::vector: many readers or one writer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/attrs.h"
#include "ir/types.h"

namespace taoism::ir {

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input that is absent
inline constexpr NodeId kNoNode = -1;
using OriginId = int32_t;
inline constexpr OriginId kNoOrigin = -1;

// Where a node runs. `automatic` follows the input: in the TEE if one of its tensors is there, else
// on the device; partition/placement.h resolves it before anything is compiled.
enum class Placement : uint8_t { automatic, tee, device };
const char* placement_name(Placement placement);  // "auto", "tee", "device"

// A part of a tensor: in each dimension where it begins and ends.
struct Box {
  std::vector<int64_t> begin, end;
};

// Where the elements of constants come from: a tensor that the model has, or what is computed from
// others. Constants have one together where they have the same elements, or some of the same.
struct Origin {
  std::vector<OriginId> from;  // smaller numbers; none: a tensor that the model has
  uint64_t elems = 0;
  // Of what comes from one: all its elements come from in here. Empty: from anywhere.
  Box box;
  bool is_public = false;  // such a tensor that is no secret
};

struct Value {
  std::string name;
  TensorDesc desc;
  NodeId producer = kNoNode;                 // kNoNode for graph inputs and constants
  std::shared_ptr<const Constant> constant;  // set for weights and folded constants
  // What the owner of the model wants secret. Import marks every weight private.
  bool is_private = true;
  OriginId origin = kNoOrigin;  // of a constant; what comes from the codec has none

  bool is_constant() const { return constant != nullptr; }
};

struct Node {
  std::string op;    // the name of an OpDef: an ONNX operator, or "taoism.X" for ours
  std::string name;  // unique in the graph, from the model file where it has one
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attrs attrs;
  Placement placement = Placement::automatic;
  std::string why;     // one phrase: the strategy's reason for the placement
  std::string origin;  // the source node this one was rewritten from, or empty
};

class Graph {
 public:
  std::string name;

  ValueId add_value(std::string name, TensorDesc desc);
  // kNoOrigin: a tensor that the model has, with an origin of its own.
  ValueId add_constant(std::string name, std::shared_ptr<const Constant> constant,
                       OriginId origin = kNoOrigin);
  OriginId add_origin(Origin origin);
  ValueId add_input(std::string name, TensorDesc desc);
  // Appends; outputs must not have a producer yet.
  NodeId add_node(Node node);
  void set_inputs(std::vector<ValueId> inputs) { inputs_ = std::move(inputs); }
  void set_outputs(std::vector<ValueId> outputs);

  size_t node_count() const { return nodes_.size(); }
  size_t value_count() const { return values_.size(); }
  const Node& node(NodeId id) const { return nodes_.at(static_cast<size_t>(id)); }
  Node& node(NodeId id) { return nodes_.at(static_cast<size_t>(id)); }
  const Value& value(ValueId id) const { return values_.at(static_cast<size_t>(id)); }
  Value& value(ValueId id) { return values_.at(static_cast<size_t>(id)); }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Origin>& origins() const { return origins_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }

  // consumers()[v] = the nodes that read v, in order, each once.
  std::vector<std::vector<NodeId>> consumers() const;
  bool is_output(ValueId id) const;
  // Makes every reader of `from`, and the graph's outputs, use `to`.
  void replace_uses(ValueId from, ValueId to);
  // Drops nodes whose outputs nobody reads, then sorts nodes topologically (stable) and rebuilds
  // producers. Call after a rewrite. Errors: invalid_argument naming a node on a cycle.
  Status tidy();
  // Structure: indices in range, one producer a value, node names unique, topological order.
  Status verify() const;

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<Origin> origins_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<bool> is_output_;  // by value, as far as one is
};

}  // namespace taoism::ir
