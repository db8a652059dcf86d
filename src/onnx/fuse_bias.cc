#include "onnx/bind.h"

namespace taoism::onnx {
namespace {

bool is_row(const ir::Value& value, int64_t features) {
  const ir::Shape& shape = value.desc.shape;
  return value.is_constant() && shape.rank() > 0 && shape[shape.rank() - 1] == features &&
         shape.elements() == features;
}

ir::ValueId as_row(ir::Graph& graph, ir::ValueId id, int64_t features) {
  if (graph.value(id).desc.shape.rank() == 1) return id;
  auto row = std::make_shared<ir::Constant>(*graph.value(id).constant);
  row->desc.shape = {features};
  const std::string name = graph.value(id).name;
  return graph.add_constant(name, std::move(row), graph.value(id).origin);
}

}  // namespace

Status fuse_bias(ir::Graph& graph) {
  const auto consumers = graph.consumers();
  for (ir::Node& linear : graph.nodes()) {
    if (linear.op != "Linear" || linear.inputs.size() != 2) continue;
    const ir::ValueId y = linear.outputs[0];
    const auto& readers = consumers[static_cast<size_t>(y)];
    if (readers.size() != 1 || graph.is_output(y)) continue;
    ir::Node& add = graph.node(readers[0]);
    if (add.op != "Add" || add.inputs.size() != 2 || add.inputs[0] == add.inputs[1]) continue;
    const ir::ValueId bias = add.inputs[add.inputs[0] == y ? 1 : 0];
    const ir::Shape& shape = graph.value(y).desc.shape;
    const int64_t features = shape[shape.rank() - 1];
    const ir::ValueId sum = add.outputs[0];
    if (!is_row(graph.value(bias), features) || !(graph.value(sum).desc.shape == shape)) continue;
    linear.inputs.push_back(as_row(graph, bias, features));
    // The Linear now gives the sum; the Add gives what nobody reads, and tidy() drops it.
    linear.outputs[0] = sum;
    add.outputs[0] = y;
    add.inputs = {sum};
  }
  return {};
}

}  // namespace taoism::onnx
