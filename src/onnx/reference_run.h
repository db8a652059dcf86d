// Runs a bound graph node by node with the operators' reference kernels: what the tests of this
// folder compare with. Not part of the library.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "ops/graph_view.h"

namespace taoism::onnx {

// The graph's first output for these inputs, in the graph's order.
inline std::vector<float> reference_run(const ir::Graph& graph,
                                        const std::vector<std::vector<float>>& inputs) {
  std::vector<AlignedBuffer> memory(graph.value_count());
  std::vector<const std::byte*> data(graph.value_count(), nullptr);
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(v));
    if (value.is_constant()) data[v] = value.constant->data;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    data[static_cast<size_t>(graph.inputs()[i])] =
        reinterpret_cast<const std::byte*>(inputs[i].data());
  }
  SerialParallel serial;
  for (const ir::Node& node : graph.nodes()) {
    const ops::OpDef* def = ops::find_op(node.op);
    TAOISM_CHECK(def != nullptr && node.outputs.size() == 1);
    const ops::GraphNodeView owner(graph, node);
    const ops::NodeView view = owner.view();
    std::vector<const std::byte*> from;
    for (const ir::ValueId id : node.inputs) {
      from.push_back(id == ir::kNoValue ? nullptr : data[static_cast<size_t>(id)]);
    }
    const auto out = static_cast<size_t>(node.outputs[0]);
    memory[out] = AlignedBuffer(graph.value(node.outputs[0]).desc.bytes());
    data[out] = memory[out].data();
    std::byte* const to[] = {memory[out].data()};
    const bool runs = def->reference == nullptr && def->scratch_bytes != nullptr;
    AlignedBuffer scratch(runs ? def->scratch_bytes(view, 1) : 0);
    const ops::RunContext context{view, from, to, scratch.span(), serial};
    TAOISM_CHECK((def->reference ? def->reference : def->run)(context).ok());
  }
  const ir::ValueId output = graph.outputs()[0];
  const auto* first = reinterpret_cast<const float*>(data[static_cast<size_t>(output)]);
  return {first, first + graph.value(output).desc.shape.elements()};
}

}  // namespace taoism::onnx
