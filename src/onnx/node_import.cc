#include "onnx/node_import.h"

#include <algorithm>

#include "ops/graph_view.h"

namespace taoism::onnx {
namespace {

bool holds_integer_zero(const ops::Input& input) {
  if (!input.present || input.desc.dtype != ir::DType::i64) return false;
  const int64_t* begin = input.constant->i64();
  const int64_t* end = begin + input.desc.shape.elements();
  return std::find(begin, end, 0) != end;
}

}  // namespace

ir::ValueId GraphImport::value_of(const Tensor& tensor) {
  if (tensor.id != ir::kNoValue || !tensor.constant) return tensor.id;
  const auto [it, added] = constant_ids.emplace(tensor.constant.get(), ir::kNoValue);
  if (added) it->second = graph.add_constant(printable(tensor.name), tensor.constant);
  return it->second;
}

NodeImport::NodeImport(GraphImport& import, const ::onnx::NodeProto& node, std::string name,
                       int64_t opset)
    : attrs(node),
      import_(import),
      node_(node),
      name_(std::move(name)),
      opset_(opset),
      first_value_(import.graph.value_count()) {
  for (const std::string& input : node.input()) {
    inputs_.push_back(input.empty() ? Tensor{} : import.tensors.at(input));
  }
}

const ir::TensorDesc& NodeImport::desc(const Tensor& tensor) const {
  return tensor.constant ? tensor.constant->desc : import_.graph.value(tensor.id).desc;
}

bool NodeImport::is_read(size_t i) const {
  return i < outputs() && import_.readers.contains(node_.output(static_cast<int>(i)));
}

Status NodeImport::expect_inputs(size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    if (!has(i)) return invalid_argument("input " + std::to_string(i) + " is missing");
  }
  return {};
}

Result<std::optional<std::vector<int64_t>>> NodeImport::ints(size_t i, const char* name) {
  using List = std::optional<std::vector<int64_t>>;
  if (attrs.has(name)) return List(attrs.ints(name));
  if (!has(i)) return List();
  const ConstantPtr& constant = inputs_[i].constant;
  if (!constant) return refuse(name, "is computed from the model's input, not a constant");
  if (constant->desc.dtype != ir::DType::i64 || constant->desc.shape.rank() > 1) {
    return invalid_argument(std::string(name) + " must be a list of integers");
  }
  return List(std::in_place, constant->i64(), constant->i64() + constant->desc.shape.elements());
}

Result<std::vector<int64_t>> NodeImport::required_ints(size_t i, const char* name) {
  TAOISM_ASSIGN_OR_RETURN(const auto given, ints(i, name));
  if (given) return *given;
  return invalid_argument(std::string(name) + " is missing");
}

Result<std::optional<float>> NodeImport::number(size_t i, const char* name) {
  if (!has(i)) return std::optional<float>();
  const ConstantPtr& constant = inputs_[i].constant;
  if (!constant) return refuse(name, "is computed from the model's input, not a constant");
  if (constant->desc.shape.elements() != 1) {
    return refuse(name, "has shape " + constant->desc.shape.text() + ", must be one number");
  }
  switch (constant->desc.dtype) {
    case ir::DType::i64: return std::optional(static_cast<float>(*constant->i64()));
    case ir::DType::boolean: return std::optional(*constant->data != std::byte{0} ? 1.0F : 0.0F);
    default: return std::optional(*constant->f32());
  }
}

// An operator without packed weights and scratch walks over its output, or its input, once.
Result<Tensor> NodeImport::emit(const char* op, const std::vector<Tensor>& inputs,
                                ir::Attrs node_attrs, const char* suffix) {
  const ops::OpDef* def = ops::find_op(op);
  bool constant = def != nullptr && def->packed_bytes == nullptr && def->scratch_bytes == nullptr &&
                  !node_attrs.has("kernel_shape");
  for (const Tensor& input : inputs) constant = constant && (!input.exists() || input.constant);
  if (constant) return evaluate(*def, inputs, node_attrs);
  return emit_node(op, inputs, std::move(node_attrs), suffix);
}

Result<Tensor> NodeImport::evaluate(const ops::OpDef& def, const std::vector<Tensor>& tensors,
                                    const ir::Attrs& node_attrs) {
  std::vector<ops::Input> inputs;
  std::vector<const std::byte*> data;
  for (const Tensor& tensor : tensors) {
    const ir::Constant* constant = tensor.constant.get();
    data.push_back(constant != nullptr ? constant->data : nullptr);
    inputs.push_back(constant != nullptr ? ops::Input{constant->desc, true, true, constant}
                                         : ops::Input{});
  }
  const std::string_view op = def.name;
  if ((op == "Div" || op == "Mod") && inputs.size() == 2 && holds_integer_zero(inputs[1])) {
    return invalid_argument("divides by zero");
  }
  ir::TensorDesc output;
  ops::NodeView view{name_, node_attrs, inputs, {}};
  TAOISM_RETURN_IF_ERROR(ops::check_and_infer(def, view, {&output, 1}, true));
  TAOISM_ASSIGN_OR_RETURN(const Fresh result, import_.budget.make(output.dtype, output.shape));
  view.outputs = {&output, 1};
  std::byte* const to = result.data;
  SerialParallel serial;
  (def.reference != nullptr ? def.reference : def.run)({view, data, {&to, 1}, {}, serial});
  return Tensor{.name = name_, .constant = result.constant};
}

Result<Tensor> NodeImport::emit_node(const char* op, const std::vector<Tensor>& inputs,
                                     ir::Attrs node_attrs, const char* suffix) {
  const ops::OpDef* def = ops::find_op(op);
  if (def == nullptr) return taoism::unsupported(std::string("needs ") + op + ", which is missing");
  ir::Node node;
  node.op = op;
  node.name = name_ + suffix;
  while (!import_.node_names.insert(node.name).second) node.name += "_";
  node.attrs = std::move(node_attrs);
  for (const Tensor& input : inputs) node.inputs.push_back(import_.value_of(input));
  while (!node.inputs.empty() && node.inputs.back() == ir::kNoValue) node.inputs.pop_back();
  ir::TensorDesc output;
  {
    const ops::GraphNodeView view(import_.graph, node);
    TAOISM_RETURN_IF_ERROR(ops::check_and_infer(*def, view.view(), {&output, 1}));
  }
  Tensor result;
  result.name = node.name + ":0";
  result.id = import_.graph.add_value(result.name, output);
  node.outputs = {result.id};
  import_.graph.add_node(std::move(node));
  return result;
}

Result<Tensor> NodeImport::reshape(const Tensor& tensor, const ir::Shape& shape,
                                   const char* suffix) {
  if (desc(tensor).shape == shape) return tensor;
  ir::Attrs reshape_attrs;
  reshape_attrs.set("shape", std::vector<int64_t>(shape.begin(), shape.end()));
  return emit("Reshape", {tensor}, std::move(reshape_attrs), suffix);
}

Result<Tensor> NodeImport::cast(const Tensor& tensor, ir::DType dtype, const char* suffix) {
  if (desc(tensor).dtype == dtype) return tensor;
  ir::Attrs cast_attrs;
  cast_attrs.set("to", std::string(ir::dtype_name(dtype)));
  return emit("Cast", {tensor}, std::move(cast_attrs), suffix);
}

Status NodeImport::give(Tensor tensor, size_t i) {
  if (i >= outputs()) return {};
  const std::string& name = node_.output(static_cast<int>(i));
  if (name.empty()) return {};
  if (tensor.id != ir::kNoValue && static_cast<size_t>(tensor.id) >= first_value_ &&
      !tensor.constant) {
    import_.graph.value(tensor.id).name = printable(name);
  }
  tensor.name = name;
  import_.tensors.insert_or_assign(name, std::move(tensor));
  return {};
}

Status NodeImport::refuse(const char* attribute, const std::string& reason) {
  refused_attribute_ = attribute;
  return taoism::unsupported(reason);
}

Status import_as_it_is(NodeImport& node) {
  const ops::OpDef& def = *ops::find_op(node.op());
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(def.min_inputs));
  ir::Attrs attrs;
  for (const ops::AttrSpec& spec : def.attrs) {
    if (!node.attrs.has(spec.name)) continue;
    switch (spec.kind) {
      case ops::AttrSpec::integer: attrs.set(spec.name, node.attrs.i(spec.name, 0)); break;
      case ops::AttrSpec::real: attrs.set(spec.name, node.attrs.f(spec.name, 0)); break;
      case ops::AttrSpec::text: attrs.set(spec.name, printable(node.attrs.s(spec.name, ""))); break;
      case ops::AttrSpec::integers: attrs.set(spec.name, node.attrs.ints(spec.name)); break;
      case ops::AttrSpec::reals: break;  // no operator of ONNX's that comes here has one
    }
  }
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs(); ++i) inputs.push_back(node.input(i));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(def.name, inputs, std::move(attrs)));
  return node.give(std::move(y));
}

Import find_import(std::string_view op) {
  for (const auto table :
       {linear_imports(), conv_transpose_imports(), einsum_imports(), pointwise_imports(),
        normalization_imports(), layout_imports(), resize_imports(), type_imports()}) {
    for (const ImportEntry& entry : table) {
      if (op == entry.op) return entry.import;
    }
  }
  const bool ours = op == "Linear" || op.starts_with("taoism.");
  return !ours && ops::find_op(op) != nullptr ? import_as_it_is : nullptr;
}

}  // namespace taoism::onnx
