#include "onnx/node_import.h"

#include "ops/graph_view.h"

namespace taoism::onnx {

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
  return std::optional<float>(constant->desc.dtype == ir::DType::f32
                                  ? *constant->f32()
                                  : static_cast<float>(*constant->i64()));
}

Result<Tensor> NodeImport::emit(const char* op, const std::vector<Tensor>& inputs,
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

Import find_import(std::string_view op) {
  for (const auto table : {linear_imports(), pointwise_imports(), layout_imports()}) {
    for (const ImportEntry& entry : table) {
      if (op == entry.op) return entry.import;
    }
  }
  return nullptr;
}

}  // namespace taoism::onnx
