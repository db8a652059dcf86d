// Activations, element-by-element arithmetic, reductions, and what is nothing at inference.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

Status give_attrs(NodeImport& node, const char* op, ir::Attrs attrs) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(op, {node.input(0)}, std::move(attrs)));
  return node.give(std::move(y));
}

// Min or Max of all of `tensors`, two at a time.
Result<Tensor> chain(NodeImport& node, const char* op, const std::vector<Tensor>& tensors) {
  Tensor y = tensors[0];
  for (size_t i = 1; i < tensors.size(); ++i) {
    const std::string suffix = i + 1 == tensors.size() ? "" : "/" + std::to_string(i);
    TAOISM_ASSIGN_OR_RETURN(y, node.emit(op, {y, tensors[i]}, {}, suffix.c_str()));
  }
  return y;
}

// The bounds are attributes, or inputs that may depend on the model's.
Status import_clip(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  constexpr const char* kNames[] = {"min", "max"};
  ir::Attrs attrs;
  bool fixed = node.desc(node.input(0)).dtype == ir::DType::f32;
  for (size_t i = 1; i <= 2; ++i) fixed = fixed && (!node.has(i) || node.input(i).constant);
  if (!fixed) {
    Tensor y = node.input(0);
    for (size_t i = 1; i <= 2; ++i) {
      if (!node.has(i)) continue;
      TAOISM_ASSIGN_OR_RETURN(
          y, node.emit(i == 1 ? "Max" : "Min", {y, node.input(i)}, {}, i == 1 ? "/min" : "/max"));
    }
    return node.give(std::move(y));
  }
  for (size_t i = 0; i < 2; ++i) {
    TAOISM_ASSIGN_OR_RETURN(const auto bound, node.number(i + 1, kNames[i]));
    if (bound) attrs.set(kNames[i], *bound);
    if (node.attrs.has(kNames[i])) attrs.set(kNames[i], node.attrs.f(kNames[i], 0));
  }
  return give_attrs(node, "Clip", std::move(attrs));
}

std::vector<Tensor> all_inputs(const NodeImport& node) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs(); ++i) inputs.push_back(node.input(i));
  return inputs;
}

// Min and Max of one tensor and one number are a Clip.
Status import_bound(NodeImport& node, const char* bound) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(std::max<size_t>(node.inputs(), 1)));
  const size_t constant = node.input(0).constant ? 0 : 1;
  if (node.inputs() != 2 || !node.input(constant).constant || node.input(1 - constant).constant ||
      node.input(constant).constant->desc.shape.elements() != 1 ||
      node.input(constant).constant->desc.dtype != ir::DType::f32 ||
      node.shape(constant).rank() > node.shape(1 - constant).rank()) {
    TAOISM_ASSIGN_OR_RETURN(Tensor y, chain(node, node.op().c_str(), all_inputs(node)));
    return node.give(std::move(y));
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

Status import_sum(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(std::max<size_t>(node.inputs(), 1)));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, chain(node, "Add", all_inputs(node)));
  if (node.op() == "Mean") {
    const float factor = 1.0F / static_cast<float>(node.inputs());
    const Tensor constant{.name = node.name() + "/factor",
                          .constant = ir::make_f32_constant({}, {&factor, 1})};
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Mul", {y, constant}, {}, "/mean"));
  }
  return node.give(std::move(y));
}

// The exponent of integers as an integer, where it is a whole number.
Result<Tensor> whole_exponent(NodeImport& node, const Tensor& exponent) {
  const auto refused = [&] {
    return node.refuse("exponent", "of integers must be an integer, or a constant that is whole");
  };
  if (!exponent.constant) return refused();
  const auto count = static_cast<size_t>(exponent.constant->desc.shape.elements());
  for (size_t i = 0; i < count; ++i) {
    const float value = exponent.constant->f32()[i];
    if (!(value >= 0 && value < 0x1p31F && value == std::floor(value))) return refused();
  }
  return node.cast(exponent, ir::DType::i64, "/exponent");
}

// The power has the first one's type.
Status import_pow(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  const ir::DType type = node.desc(node.input(0)).dtype;
  Tensor exponent = node.input(1);
  if (type == ir::DType::i64 && node.desc(exponent).dtype == ir::DType::f32) {
    TAOISM_ASSIGN_OR_RETURN(exponent, whole_exponent(node, exponent));
  }
  TAOISM_ASSIGN_OR_RETURN(exponent, node.cast(exponent, type, "/exponent"));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Pow", {node.input(0), exponent}));
  return node.give(std::move(y));
}

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
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(node.op().c_str(), {x}, std::move(attrs)));
  if (rewrite) {
    TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, shape, "/shape"));
  }
  return node.give(std::move(y));
}

Status import_reduction(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(const auto given, node.ints(1, "axes"));
  std::vector<int64_t> axes = given ? *given : std::vector<int64_t>();
  const bool keeps_all = node.attrs.i("noop_with_empty_axes", 0) != 0;
  const int64_t keep_dims = node.attrs.i("keepdims", 1);
  if (axes.empty()) {
    if (keeps_all) {
      for (const char* op : {"Mean", "Sum", "Max", "Min", "Prod"}) {
        if (node.op() == std::string("Reduce") + op) return node.give(node.input(0));
      }
      return node.refuse("noop_with_empty_axes", "is supported where nothing is computed");
    }
    axes.resize(node.shape(0).rank());
    std::iota(axes.begin(), axes.end(), 0);
  }
  ir::Attrs attrs;
  attrs.set("axes", std::move(axes));
  attrs.set("keepdims", keep_dims);
  const bool integers = node.desc(node.input(0)).dtype == ir::DType::i64;
  if (!integers || (node.op() != "ReduceL1" && node.op() != "ReduceSumSquare")) {
    return give_attrs(node, node.op().c_str(), std::move(attrs));
  }
  const Tensor& x = node.input(0);
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.op() == "ReduceL1"
                                        ? node.emit("Abs", {x}, {}, "/abs")
                                        : node.emit("Mul", {x, x}, {}, "/square"));
  TAOISM_ASSIGN_OR_RETURN(y, node.emit("ReduceSum", {y}, std::move(attrs)));
  return node.give(std::move(y));
}

Status import_relu(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  if (node.desc(node.input(0)).dtype != ir::DType::i64) return give_attrs(node, "Relu", {});
  const int64_t zero = 0;
  const Tensor bound{.name = node.name() + "/zero",
                     .constant = ir::make_i64_constant({}, {&zero, 1})};
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Max", {node.input(0), bound}));
  return node.give(std::move(y));
}

// A constant input as an attribute.
Status import_with_number(NodeImport& node, const char* attribute, size_t required_inputs) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(required_inputs));
  ir::Attrs attrs;
  TAOISM_ASSIGN_OR_RETURN(const auto value, node.number(1, attribute));
  if (value) attrs.set(attribute, static_cast<int64_t>(*value));
  for (const char* name : {"exclusive", "reverse", "upper"}) {
    if (node.attrs.has(name)) attrs.set(name, node.attrs.i(name, 0));
  }
  return give_attrs(node, node.op().c_str(), std::move(attrs));
}

Status import_cum_sum(NodeImport& node) { return import_with_number(node, "axis", 2); }
Status import_trilu(NodeImport& node) { return import_with_number(node, "k", 1); }

constexpr ImportEntry kImports[] = {
    {"Clip", import_clip},
    {"Min", import_min},
    {"Max", import_max},
    {"Sum", import_sum},
    {"Mean", import_sum},
    {"Pow", import_pow},
    {"Softmax", import_softmax},
    {"LogSoftmax", import_softmax},
    {"ReduceMax", import_reduction},
    {"ReduceMean", import_reduction},
    {"ReduceMin", import_reduction},
    {"ReduceL1", import_reduction},
    {"ReduceL2", import_reduction},
    {"ReduceLogSum", import_reduction},
    {"ReduceLogSumExp", import_reduction},
    {"ReduceProd", import_reduction},
    {"ReduceSum", import_reduction},
    {"ReduceSumSquare", import_reduction},
    {"Relu", import_relu},
    {"CumSum", import_cum_sum},
    {"Trilu", import_trilu},
};

}  // namespace

std::span<const ImportEntry> pointwise_imports() { return kImports; }

}  // namespace taoism::onnx
