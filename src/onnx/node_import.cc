#include "onnx/node_import.h"

#include <algorithm>

#include "onnx/evaluate.h"
#include "onnx/type_rules.h"
#include "ops/graph_view.h"

namespace taoism::onnx {
namespace {

// What the constants of a node make sure to fail when it runs. `view` has its outputs.
Status check_constants(const ops::OpDef& def, const ops::NodeView& view) {
  if (def.sure_fault == nullptr) return {};
  const ops::Outcome outcome = def.sure_fault(view);
  return outcome.ok() ? Status() : invalid_argument(ops::fault_text(outcome));
}

// An estimate, in operations on one element.
uint64_t work_of(const ops::OpDef& def, const ops::NodeView& view) {
  uint64_t operations = def.cost != nullptr ? def.cost(view).macs : 0;
  for (const ops::Input& input : view.inputs) {
    if (input.present) operations += static_cast<uint64_t>(input.desc.shape.elements());
  }
  return operations;
}

// computed_rows(), its numbers taken from the budget.
Result<Rows> take_computed_rows(GraphImport& import, std::string_view op,
                                std::span<const Operand> operands, const ir::TensorDesc& made) {
  const bool grows = std::ranges::any_of(
      operands, [](const Operand& operand) { return operand.rows->growth != nullptr; });
  if (grows) {
    TAOISM_RETURN_IF_ERROR(
        import.budget.take_numbers(static_cast<uint64_t>(made.shape.elements())));
  }
  return computed_rows(op, operands, made, import.rows);
}

}  // namespace

Result<ConstantPtr> GraphImport::converted(const ir::Constant& constant, ir::DType dtype) {
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, budget.make(dtype, constant.desc.shape));
  convert_elements(constant, dtype, made.data);
  return ConstantPtr(made.constant);
}

Result<ConstantPtr> GraphImport::computed(const Tensor& tensor) {
  const ConstantPtr& constant = tensor.constant;
  const ir::DType dtype = computed_as(constant->desc.dtype);
  if (dtype == constant->desc.dtype) return constant;
  const auto known = computed_constants.find(constant.get());
  if (known != computed_constants.end()) return known->second.second;
  const auto weight = file.constants.find(tensor.name);
  ConstantPtr made;
  if (weight != file.constants.end() && weight->second == constant) {
    auto widened = file.computed_weights.get(*constant);
    if (!widened.ok()) {
      return widened.status().annotate("tensor '" + printable(tensor.name) + "'");
    }
    made = std::move(*widened);
  } else {
    TAOISM_ASSIGN_OR_RETURN(made, converted(*constant, dtype));
  }
  computed_constants.emplace(constant.get(), std::pair(constant, made));
  return made;
}

ir::ValueId GraphImport::value_of(const Tensor& tensor) {
  if (tensor.id != ir::kNoValue || !tensor.constant) return tensor.id;
  const auto [it, added] = constant_ids.emplace(tensor.constant.get(), ir::kNoValue);
  if (added) {
    ir::OriginId origin = tensor.origin;
    if (origin == ir::kNoOrigin) {
      const auto elems = static_cast<uint64_t>(tensor.constant->desc.shape.elements());
      origin = graph.add_origin({.elems = elems, .is_public = true});
    }
    it->second = graph.add_constant(printable(tensor.name), tensor.constant, origin);
  }
  return it->second;
}

ir::OriginId GraphImport::origin_of(const ir::Constant& made, std::span<const Tensor> tensors,
                                    ir::Box box) {
  ir::Origin origin{.from = {}, .elems = static_cast<uint64_t>(made.desc.shape.elements())};
  for (const Tensor& tensor : tensors) {
    if (tensor.constant == nullptr || tensor.origin == ir::kNoOrigin) continue;
    const bool is_same = tensor.constant->data == made.data &&
                         tensor.constant->desc.dtype == made.desc.dtype &&
                         tensor.constant->desc.bytes() == made.desc.bytes();
    if (is_same) return tensor.origin;
    origin.from.push_back(tensor.origin);
  }
  if (origin.from.size() == 1) origin.box = std::move(box);
  return origin.from.empty() ? ir::kNoOrigin : graph.add_origin(std::move(origin));
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
    given_.push_back(input.empty() ? Tensor{} : import.tensors.at(input));
  }
  inputs_ = given_;
  used_.resize(inputs_.size());
}

Growth NodeImport::use_growth(size_t i) {
  if (i >= inputs_.size()) return {};
  const Rows& rows = inputs_[i].rows;
  if (rows.mixed != nullptr) return {};
  used_[i] = true;
  return rows.growth != nullptr ? *rows.growth : Growth();
}

void NodeImport::use(const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (input.constant != nullptr && input.constant == inputs_[i].constant) used_[i] = true;
    }
  }
}

const Tensor* NodeImport::unused_growth() const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Tensor& input = inputs_[i];
    if (input.constant != nullptr && !used_[i] && !input.rows.is_fixed()) return &input;
  }
  return nullptr;
}

Tensor NodeImport::mixed(Tensor tensor, const char* how) const {
  if (tensor.rows.mixed == nullptr) {
    tensor.rows = {.at = {}, .growth = {}, .mixed = mixed_by(name_, op(), how)};
  }
  return tensor;
}

ir::TensorDesc NodeImport::desc(const Tensor& tensor) const {
  if (tensor.constant) return tensor.constant->desc;
  return {computed_as(tensor.type), shape_of(tensor)};
}

const ir::Shape& NodeImport::shape_of(const Tensor& tensor) const {
  return tensor.constant ? tensor.constant->desc.shape : import_.graph.value(tensor.id).desc.shape;
}

Status NodeImport::computes() {
  computes_ = true;
  std::optional<size_t> first;
  for (size_t i = 0; i < inputs(); ++i) {
    if (!has(i)) continue;
    if (is_for_constants_alone(type(i))) return refused_type(type(i));
    if (is_alike(op(), i)) {
      if (first && type(*first) != type(i)) {
        return invalid_argument("input " + std::to_string(i) + " is " + ir::dtype_name(type(i)) +
                                ", input " + std::to_string(*first) + " " +
                                ir::dtype_name(type(*first)) + ": they must be of one type");
      }
      first = first.value_or(i);
    }
    if (!inputs_[i].constant) continue;
    TAOISM_ASSIGN_OR_RETURN(inputs_[i].constant, import_.computed(given_[i]));
  }
  return {};
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
  TAOISM_RETURN_IF_ERROR(check_integers(*constant));
  List list = integers_of(*constant);
  if (!list || constant->desc.shape.rank() > 1) {
    return invalid_argument(std::string(name) + " must be a list of integers");
  }
  return list;
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

namespace {

constexpr const char* kChanges = "what it computes with changes with their number";

// Whether a shape with `growth` in an attribute is the one of a tensor with `rows`, for every
// number of them.
bool follows(const Growth& growth, const Rows& rows, const ir::Shape& shape) {
  if (rows.at.axis >= static_cast<int>(shape.rank())) return false;
  const Growth own = growth_of(rows, shape);
  for (size_t i = 0; i < own.size(); ++i) {
    if (growth[i] != own[i] && growth[i] != kAnyGrowth) return false;
  }
  return true;
}

// Where the attributes say that the rows have to go.
int wanted_axis(const Growth& growth) {
  int any = -1;
  for (size_t i = 0; i < growth.size(); ++i) {
    if (growth[i] == kAnyGrowth) {
      any = static_cast<int>(i);
    } else if (growth[i] != 0) {
      return static_cast<int>(i);
    }
  }
  return any;
}

}  // namespace

Rows NodeImport::rows_after(const ops::OpDef& def, const ops::NodeView& view,
                            const std::vector<Tensor>& inputs, const Growth* shape_growth) const {
  const auto mixed = [&](const char* how) {
    return Rows{.at = {}, .growth = {}, .mixed = mixed_by(name_, op(), how)};
  };
  std::vector<ops::RowAxis> in(view.inputs.size());
  bool any = false, grows = unused_growth() != nullptr;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Rows& rows = inputs[i].rows;
    if (rows.mixed != nullptr) return rows;
    grows = grows || rows.growth != nullptr;
    if (i >= in.size()) continue;
    in[i] = rows.at;
    any = any || rows.at.any();
  }
  if (grows) return mixed(kChanges);
  Rows result;
  if (shape_growth != nullptr) result.at.axis = wanted_axis(*shape_growth);
  if (any) {
    if (def.rows == nullptr) return mixed("it may look at all of them");
    const char* how = def.rows(view, in, result.at);
    if (how != nullptr) return mixed(how);
  } else {
    result.at = {};
  }
  if (shape_growth != nullptr && import_.rows_are_open &&
      !follows(*shape_growth, result, view.outputs[0].shape)) {
    return mixed("its shape does not grow with them");
  }
  return result;
}

// An operator without packed weights and scratch walks over its output, or its input, once.
Result<Tensor> NodeImport::emit(const char* op, const std::vector<Tensor>& inputs,
                                ir::Attrs node_attrs, const char* suffix) {
  const ops::OpDef* def = ops::find_op(op);
  bool constant = def != nullptr && def->packed_bytes == nullptr && def->scratch_bytes == nullptr &&
                  !node_attrs.has("kernel_shape") && !node_attrs.has("size");
  for (const Tensor& input : inputs) constant = constant && (!input.exists() || input.constant);
  if (constant) return evaluate(*def, inputs, node_attrs);
  return emit_node(op, inputs, std::move(node_attrs), suffix);
}

Result<Tensor> NodeImport::evaluate(const ops::OpDef& def, const std::vector<Tensor>& tensors,
                                    const ir::Attrs& node_attrs) {
  use(tensors);
  std::vector<ops::Input> inputs;
  std::vector<const std::byte*> data;
  std::vector<Operand> operands;
  for (const Tensor& tensor : tensors) {
    const ir::Constant* constant = tensor.constant.get();
    operands.push_back({constant, &tensor.rows});
    data.push_back(constant != nullptr ? constant->data : nullptr);
    inputs.push_back(constant != nullptr ? ops::Input{constant->desc, true, true, constant}
                                         : ops::Input{});
  }
  ir::TensorDesc output;
  ops::NodeView view{name_, node_attrs, inputs, {}};
  TAOISM_RETURN_IF_ERROR(ops::check_and_infer(def, view, {&output, 1}, true));
  view.outputs = {&output, 1};
  TAOISM_RETURN_IF_ERROR(import_.budget.spend(work_of(def, view)));
  TAOISM_ASSIGN_OR_RETURN(const Fresh result, import_.budget.make(output.dtype, output.shape));
  std::byte* const to = result.data;
  SerialParallel serial;
  const ops::Outcome outcome =
      (def.reference != nullptr ? def.reference : def.run)({view, data, {&to, 1}, {}, serial});
  if (!outcome.ok()) return invalid_argument(ops::fault_text(outcome));
  Tensor made = made_from(name_, result.constant, tensors);
  TAOISM_ASSIGN_OR_RETURN(made.rows, take_computed_rows(import_, def.name, operands, output));
  return unused_growth() != nullptr ? mixed(std::move(made), kChanges) : made;
}

Result<Tensor> NodeImport::as_computed(const Tensor& tensor) {
  if (tensor.constant || tensor.id == ir::kNoValue) return tensor;
  Tensor computed = tensor;
  computed.type = computed_as(tensor.type);
  if (import_.graph.value(tensor.id).desc.dtype == computed.type) return computed;
  const auto [known, is_new] = import_.computed_values.try_emplace(tensor.id, ir::kNoValue);
  if (is_new) {
    TAOISM_ASSIGN_OR_RETURN(const Tensor made, cast_node(tensor, computed.type));
    import_.computed_values[tensor.id] = made.id;
    return made;
  }
  computed.id = known->second;
  return computed;
}

Result<Tensor> NodeImport::emit_node(const char* op, const std::vector<Tensor>& inputs,
                                     ir::Attrs node_attrs, const char* suffix,
                                     const Growth* shape_growth) {
  std::vector<Tensor> computed;
  for (const Tensor& input : inputs) {
    TAOISM_ASSIGN_OR_RETURN(computed.emplace_back(), as_computed(input));
  }
  return append(op, computed, std::move(node_attrs), suffix, shape_growth);
}

Result<Tensor> NodeImport::cast_node(const Tensor& tensor, ir::DType dtype) {
  const std::string name = ir::dtype_name(dtype);
  ir::Attrs cast_attrs;
  cast_attrs.set("to", name);
  return append("Cast", {tensor}, std::move(cast_attrs), op() == "Cast" ? "" : "/" + name);
}

Result<Tensor> NodeImport::append(const char* op, const std::vector<Tensor>& inputs,
                                  ir::Attrs node_attrs, const std::string& suffix,
                                  const Growth* shape_growth) {
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
  Tensor result;
  use(inputs);
  {
    const ops::GraphNodeView holder(import_.graph, node);
    ops::NodeView view = holder.view();
    TAOISM_RETURN_IF_ERROR(ops::check_and_infer(*def, view, {&output, 1}));
    view.outputs = {&output, 1};
    TAOISM_RETURN_IF_ERROR(check_constants(*def, view));
    result.rows = rows_after(*def, view, inputs, shape_growth);
  }
  result.name = node.name + ":0";
  result.id = import_.graph.add_value(result.name, output);
  result.type = output.dtype;
  node.outputs = {result.id};
  import_.graph.add_node(std::move(node));
  return result;
}

Result<Tensor> NodeImport::reshape(const Tensor& tensor, const ir::Shape& shape, const char* suffix,
                                   const Growth* growth) {
  const bool grows_alike =
      growth == nullptr || !import_.rows_are_open || follows(*growth, tensor.rows, shape);
  if (desc(tensor).shape == shape && grows_alike) return tensor;
  ir::Attrs reshape_attrs;
  reshape_attrs.set("shape", std::vector<int64_t>(shape.begin(), shape.end()));
  if (tensor.constant) {
    TAOISM_ASSIGN_OR_RETURN(Tensor y, emit("Reshape", {tensor}, std::move(reshape_attrs), suffix));
    return grows_alike ? y : mixed(std::move(y), kChanges);
  }
  return emit_node("Reshape", {tensor}, std::move(reshape_attrs), suffix, growth);
}

Result<Tensor> NodeImport::expand(const Tensor& tensor, const ir::Shape& shape,
                                  const Growth& growth, const char* suffix) {
  const ir::Shape from = desc(tensor).shape;
  const bool grows = wanted_axis(growth) >= 0;
  const bool alike = !import_.rows_are_open || follows(growth, tensor.rows, shape);
  if (from == shape && alike) return tensor;
  ir::Attrs expand_attrs;
  expand_attrs.set("shape", std::vector<int64_t>(shape.begin(), shape.end()));
  if (!grows && !tensor.rows.at.any()) {
    return emit("Expand", {tensor}, std::move(expand_attrs), suffix);
  }
  if (!tensor.rows.is_fixed())
    return emit_node("Expand", {tensor}, std::move(expand_attrs), suffix, &growth);
  // The same for all rows, so many times: every row gets its own.
  TAOISM_ASSIGN_OR_RETURN(Tensor y, emit_node("Expand", {tensor}, std::move(expand_attrs), suffix));
  if (y.rows.mixed != nullptr) return y;
  const auto axis = static_cast<size_t>(wanted_axis(growth));
  const size_t added = shape.rank() - from.rank();
  Rows made;
  made.at = {static_cast<int>(axis), 1, growth[axis]};
  const bool is_one = axis < added || from[axis - added] == 1;
  const bool counts = growth[axis] > 0 && growth[axis] != kUnknownGrowth &&
                      shape[axis] == growth[axis] * import_.rows;
  if (!is_one || !counts || !follows(growth, made, shape)) {
    return mixed(std::move(y), "it repeats something by another number");
  }
  y.rows = std::move(made);
  return y;
}

Result<Tensor> NodeImport::cast(const Tensor& tensor, ir::DType dtype, const char* suffix) {
  if (desc(tensor).dtype == dtype) return tensor;
  ir::Attrs cast_attrs;
  cast_attrs.set("to", std::string(ir::dtype_name(dtype)));
  return emit("Cast", {tensor}, std::move(cast_attrs), suffix);
}

Result<Tensor> NodeImport::converted(const Tensor& tensor, ir::DType dtype) {
  const ir::DType from = import_.type_of(tensor);
  if (from == dtype) return tensor;
  Tensor result = tensor;
  if (tensor.constant) {
    TAOISM_ASSIGN_OR_RETURN(result.constant, import_.converted(*tensor.constant, dtype));
    use({tensor});
    const Operand operand{tensor.constant.get(), &tensor.rows};
    TAOISM_ASSIGN_OR_RETURN(
        result.rows, take_computed_rows(import_, "Cast", {&operand, 1}, result.constant->desc));
    return result;
  }
  for (const ir::DType type : {from, dtype}) {
    if (is_for_constants_alone(type)) return refused_type(type);
  }
  if (holds_all_of(dtype, from)) {
    result.type = dtype;
    return result;
  }
  // A value of neither type that is computed with is read as the one it is computed as.
  if (dtype != computed_as(dtype)) {
    TAOISM_ASSIGN_OR_RETURN(result, as_computed(tensor));
  }
  return cast_node(result, dtype);
}

Result<Tensor> NodeImport::in_its_type(const Tensor& tensor) {
  if (import_.graph.value(tensor.id).desc.dtype == tensor.type) return tensor;
  TAOISM_ASSIGN_OR_RETURN(const Tensor computed, as_computed(tensor));
  if (computed.type == tensor.type) return computed;
  return cast_node(computed, tensor.type);
}

std::string NodeImport::types_besides() const {
  std::string text;
  for (size_t i = 0; i < inputs(); ++i) {
    if (!has(i) || inputs_[i].refused || is_for_constants_alone(type(i))) continue;
    if (type(i) == computed_as(type(i))) continue;
    text += (text.empty() ? " (input " : ", input ") + std::to_string(i) + " is " +
            ir::dtype_name(type(i));
  }
  return text.empty() ? text : text + ")";
}

bool NodeImport::needs_evaluation() const {
  if (find_evaluation(op()) == nullptr) return false;
  bool exact = op() == "Pow" && has(1) && is_integer(type(0)) && is_float(type(1));
  for (size_t i = 0; i < inputs(); ++i)
    exact = exact || (has(i) && is_for_constants_alone(type(i)));
  return exact;
}

Result<Tensor> NodeImport::as_result(Tensor tensor, size_t output) {
  const std::optional<size_t> source = typed_by(op(), output);
  if (!source || !has(*source)) return tensor;
  const ir::DType wanted = type(*source);
  if (import_.type_of(tensor) == wanted || desc(tensor).dtype != computed_as(wanted)) return tensor;
  if (!tensor.constant && stays_inside(op(), wanted)) {
    tensor.type = wanted;
    return tensor;
  }
  if (tensor.constant) return converted(tensor, wanted);
  TAOISM_ASSIGN_OR_RETURN(const Tensor computed, as_computed(tensor));
  return cast_node(computed, wanted);
}

Status NodeImport::give(Tensor tensor, size_t i) {
  if (i >= outputs()) return {};
  const std::string& name = node_.output(static_cast<int>(i));
  if (name.empty()) return {};
  if (unused_growth() != nullptr) tensor = mixed(std::move(tensor), kChanges);
  if (computes_) {
    TAOISM_ASSIGN_OR_RETURN(tensor, as_result(std::move(tensor), i));
  }
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

std::optional<ImportEntry> find_import(std::string_view op) {
  for (const auto table :
       {linear_imports(), conv_transpose_imports(), einsum_imports(), pointwise_imports(),
        normalization_imports(), layout_imports(), resize_imports(), type_imports()}) {
    for (const ImportEntry& entry : table) {
      if (op == entry.op) return entry;
    }
  }
  const bool ours = op == "Linear" || op.starts_with("taoism.");
  const ops::OpDef* def = ours ? nullptr : ops::find_op(op);
  if (def == nullptr) return std::nullopt;
  return ImportEntry{def->name, import_as_it_is};
}

}  // namespace taoism::onnx
