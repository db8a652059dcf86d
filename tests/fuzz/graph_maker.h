// Makes small graphs in code, each type by its operator's own rule.
#pragma once

#include "ops/graph_view.h"

namespace taoism::fuzz {

class GraphMaker {
 public:
  ir::ValueId input(const char* name, const ir::Shape& shape) {
    return graph_.add_input(name, {ir::DType::f32, shape});
  }
  ir::ValueId weight(const ir::Shape& shape) {
    const std::vector<float> values(static_cast<size_t>(shape.elements()), 0.5F);
    return graph_.add_constant("weight " + std::to_string(graph_.value_count()),
                               ir::make_f32_constant(shape, values));
  }
  ir::ValueId node(const std::string& op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    ir::Node made;
    made.op = op;
    made.name = op + " " + std::to_string(graph_.node_count());
    made.inputs = std::move(inputs);
    made.attrs = std::move(attrs);
    made.placement = ir::Placement::tee;
    ir::TensorDesc desc;
    const ops::GraphNodeView holder(graph_, made);
    TAOISM_CHECK(ops::check_and_infer(*ops::find_op(op), holder.view(), std::span(&desc, 1)).ok());
    const ir::ValueId output = graph_.add_value(made.name + " output", desc);
    made.outputs = {output};
    graph_.add_node(std::move(made));
    return output;
  }
  ir::Graph take(ir::ValueId output) {
    graph_.set_outputs({output});
    return std::move(graph_);
  }

  static ir::Attrs window(int64_t kernel, int64_t pad, int64_t stride) {
    ir::Attrs attrs;
    attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
    attrs.set("strides", std::vector<int64_t>{stride, stride});
    attrs.set("pads", std::vector<int64_t>{pad, pad, pad, pad});
    return attrs;
  }
  static ir::Attrs shape(std::vector<int64_t> dims) {
    ir::Attrs attrs;
    attrs.set("shape", std::move(dims));
    return attrs;
  }

 private:
  ir::Graph graph_;
};

}  // namespace taoism::fuzz
