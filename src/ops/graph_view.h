// A graph node as an operator's rules see it. Used wherever the host asks a rule about a node:
// import, partition, lowering.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "ops/op.h"

namespace taoism::ops {

// Owns what a NodeView points to; the graph must outlive it and keep the node where it is.
class GraphNodeView {
 public:
  GraphNodeView(const ir::Graph& graph, const ir::Node& node) : node_(node) {
    inputs_.reserve(node.inputs.size());
    for (ir::ValueId id : node.inputs) {
      if (id == ir::kNoValue) {
        inputs_.emplace_back();
        continue;
      }
      const ir::Value& value = graph.value(id);
      inputs_.push_back({value.desc, true, value.is_constant(), value.constant.get()});
    }
    outputs_.reserve(node.outputs.size());
    for (ir::ValueId id : node.outputs) {
      outputs_.push_back(id == ir::kNoValue ? ir::TensorDesc{} : graph.value(id).desc);
    }
  }

  NodeView view() const { return {node_.name, node_.attrs, inputs_, outputs_}; }

 private:
  const ir::Node& node_;
  std::vector<Input> inputs_;
  std::vector<ir::TensorDesc> outputs_;
};

}  // namespace taoism::ops
