#include "partition/facts.h"

#include "ops/graph_view.h"

namespace taoism::partition {

ops::Role role_of(const ir::Node& node) {
  const ops::OpDef* op = ops::find_op(node.op);
  return op == nullptr ? ops::Role::nonlinear : op->role;
}

ops::Form form_of(const ir::Node& node) {
  const ops::OpDef* op = ops::find_op(node.op);
  return op == nullptr ? ops::Form::opaque : op->form;
}

ir::ValueId input_of(const ir::Node& node, size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : ir::kNoValue;
}

bool is_layer(const ir::Graph& graph, const ir::Node& node) {
  if (role_of(node) != ops::Role::linear) return false;
  const ir::ValueId x = input_of(node, 0);
  const ir::ValueId w = input_of(node, 1);
  if (x == ir::kNoValue || w == ir::kNoValue) return false;
  return !graph.value(x).is_constant() && graph.value(w).is_constant() &&
         graph.value(w).desc.dtype == ir::DType::f32;
}

bool is_splittable(const ir::Graph& graph, const ir::Node& node) {
  if (!is_layer(graph, node) || node.outputs.size() != 1) return false;
  // After fusion a node computes more than its layer.
  if (node.attrs.has("activation") || input_of(node, 3) != ir::kNoValue) return false;
  const size_t rank = graph.value(node.inputs[1]).desc.shape.rank();
  return (node.op == "Conv" && rank >= 3) || (node.op == "Linear" && rank == 2);
}

ops::Cost cost_of(const ir::Graph& graph, const ir::Node& node) {
  const ops::OpDef* op = ops::find_op(node.op);
  if (op == nullptr || op->cost == nullptr) return {};
  const ops::GraphNodeView holder(graph, node);
  return op->cost(holder.view());
}

bool is_parameter(const ir::Graph& graph, const ir::Node& node, size_t index) {
  const ir::ValueId id = input_of(node, index);
  if (id == ir::kNoValue || !graph.value(id).is_constant()) return false;
  const ops::OpDef* op = ops::find_op(node.op);
  if (op != nullptr && index < 8 && (op->place_inputs >> index & 1) != 0) return false;
  return !(node.op == "BatchNormalization" && index > 2);
}

}  // namespace taoism::partition
