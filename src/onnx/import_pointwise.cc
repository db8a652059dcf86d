// Activations, element-by-element arithmetic, reductions, and what is nothing at inference.
#include <numeric>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

// An operator of ours under the same name, with so many inputs and no attribute.
template <size_t kInputs>
Status import_as(NodeImport& node, const char* op) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(kInputs));
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs(); ++i) inputs.push_back(node.input(i));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(op, inputs));
  return node.give(std::move(y));
}

Status import_relu(NodeImport& node) { return import_as<1>(node, "Relu"); }
Status import_sigmoid(NodeImport& node) { return import_as<1>(node, "Sigmoid"); }
Status import_tanh(NodeImport& node) { return import_as<1>(node, "Tanh"); }
Status import_hard_swish(NodeImport& node) { return import_as<1>(node, "HardSwish"); }
Status import_global_average(NodeImport& node) { return import_as<1>(node, "GlobalAveragePool"); }
Status import_global_max(NodeImport& node) { return import_as<1>(node, "GlobalMaxPool"); }
Status import_add(NodeImport& node) { return import_as<2>(node, "Add"); }
Status import_sub(NodeImport& node) { return import_as<2>(node, "Sub"); }
Status import_mul(NodeImport& node) { return import_as<2>(node, "Mul"); }
Status import_div(NodeImport& node) { return import_as<2>(node, "Div"); }

Status give_attrs(NodeImport& node, const char* op, ir::Attrs attrs) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(op, {node.input(0)}, std::move(attrs)));
  return node.give(std::move(y));
}

Status import_leaky_relu(NodeImport& node) {
  ir::Attrs attrs;
  attrs.set("alpha", node.attrs.f("alpha", 0.01F));
  return give_attrs(node, "LeakyRelu", std::move(attrs));
}

Status import_hard_sigmoid(NodeImport& node) {
  ir::Attrs attrs;
  attrs.set("alpha", node.attrs.f("alpha", 0.2F));
  attrs.set("beta", node.attrs.f("beta", 0.5F));
  return give_attrs(node, "HardSigmoid", std::move(attrs));
}

Status import_clip(NodeImport& node) {
  ir::Attrs attrs;
  constexpr const char* kNames[] = {"min", "max"};
  for (size_t i = 0; i < 2; ++i) {
    TAOISM_ASSIGN_OR_RETURN(const auto bound, node.number(i + 1, kNames[i]));
    if (bound) attrs.set(kNames[i], *bound);
    if (node.attrs.has(kNames[i])) attrs.set(kNames[i], node.attrs.f(kNames[i], 0));
  }
  return give_attrs(node, "Clip", std::move(attrs));
}

// Min and Max of one tensor and one number are a Clip.
Status import_bound(NodeImport& node, const char* bound) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  const size_t constant = node.input(0).constant ? 0 : 1;
  if (node.inputs() != 2 || !node.input(constant).constant ||
      node.input(constant).constant->desc.shape.elements() != 1 ||
      node.shape(constant).rank() > node.shape(1 - constant).rank()) {
    return unsupported("is supported between a tensor and one constant number alone");
  }
  ir::Attrs attrs;
  TAOISM_ASSIGN_OR_RETURN(const auto value, node.number(constant, bound));
  attrs.set(bound, *value);
  TAOISM_ASSIGN_OR_RETURN(Tensor y,
                          node.emit("Clip", {node.input(1 - constant)}, std::move(attrs)));
  return node.give(std::move(y));
}

Status import_min(NodeImport& node) { return import_bound(node, "max"); }
Status import_max(NodeImport& node) { return import_bound(node, "min"); }

// Before opset 13 everything from the axis on was one dimension.
Status import_softmax(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  const ir::Shape shape = node.shape(0);
  const bool flattens = node.opset() < 13;
  TAOISM_ASSIGN_OR_RETURN(const size_t axis,
                          resolve_axis(node.attrs.i("axis", flattens ? 1 : -1), shape.rank()));
  Tensor x = node.input(0);
  ir::Attrs attrs;
  attrs.set("axis", static_cast<int64_t>(axis));
  const bool rewrite = flattens && axis + 1 != shape.rank();
  if (rewrite) {
    const ir::Shape flat{shape.product(0, axis), shape.product(axis, shape.rank())};
    TAOISM_ASSIGN_OR_RETURN(x, node.reshape(x, flat, "/flat"));
    attrs.set("axis", int64_t{1});
  }
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Softmax", {x}, std::move(attrs)));
  if (rewrite) {
    TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, shape, "/shape"));
  }
  return node.give(std::move(y));
}

Status import_reduce_mean(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(const auto given, node.ints(1, "axes"));
  std::vector<int64_t> axes = given ? *given : std::vector<int64_t>();
  const bool keeps_all = node.attrs.i("noop_with_empty_axes", 0) != 0;
  const int64_t keep_dims = node.attrs.i("keepdims", 1);
  if (axes.empty()) {
    if (keeps_all) return node.give(node.input(0));
    axes.resize(node.shape(0).rank());
    std::iota(axes.begin(), axes.end(), 0);
  }
  ir::Attrs attrs;
  attrs.set("axes", std::move(axes));
  attrs.set("keepdims", keep_dims);
  return give_attrs(node, "ReduceMean", std::move(attrs));
}

Status import_arg_max(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  if (node.attrs.i("select_last_index", 0) != 0) {
    return node.refuse("select_last_index", "of equal elements the first is taken, not the last");
  }
  ir::Attrs attrs;
  attrs.set("axis", node.attrs.i("axis", 0));
  attrs.set("keepdims", node.attrs.i("keepdims", 1));
  return give_attrs(node, "ArgMax", std::move(attrs));
}

Status import_identity(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  return node.give(node.input(0));
}

Status import_dropout(NodeImport& node) {
  node.attrs.ignore("seed");
  node.attrs.ignore("ratio");
  TAOISM_ASSIGN_OR_RETURN(const auto training, node.number(2, "training_mode"));
  if (training && *training != 0) {
    return node.refuse("training_mode", "export the model in evaluation mode");
  }
  return import_identity(node);
}

Status import_cast(NodeImport& node) {
  node.attrs.ignore("saturate");
  const auto to = static_cast<int32_t>(node.attrs.i("to", 0));
  if (to != ::onnx::TensorProto::FLOAT) {
    return node.refuse("to", "activations are float32, not " + element_type_name(to));
  }
  return import_identity(node);
}

constexpr ImportEntry kImports[] = {
    {"Relu", import_relu},
    {"Sigmoid", import_sigmoid},
    {"Tanh", import_tanh},
    {"HardSwish", import_hard_swish},
    {"LeakyRelu", import_leaky_relu},
    {"HardSigmoid", import_hard_sigmoid},
    {"Clip", import_clip},
    {"Min", import_min},
    {"Max", import_max},
    {"Add", import_add},
    {"Sub", import_sub},
    {"Mul", import_mul},
    {"Div", import_div},
    {"GlobalAveragePool", import_global_average},
    {"GlobalMaxPool", import_global_max},
    {"Softmax", import_softmax},
    {"ReduceMean", import_reduce_mean},
    {"ArgMax", import_arg_max},
    {"Identity", import_identity},
    {"Dropout", import_dropout},
    {"Cast", import_cast},
};

}  // namespace

std::span<const ImportEntry> pointwise_imports() { return kImports; }

}  // namespace taoism::onnx
