// find_op and check_and_infer: the one gate through which every node passes, on the host and
// inside.
#include <algorithm>
#include <string>
#include <vector>

#include "ops/op.h"

namespace taoism::ops {
namespace {

// Longer lists than this are nobody's model.
constexpr size_t kMaxListElems = 64;

const char* kind_name(size_t kind) {
  constexpr const char* kNames[] = {"an integer", "a number", "a text", "a list of integers",
                                    "a list of numbers"};
  return kind < std::size(kNames) ? kNames[kind] : "unknown";
}

size_t list_elems(const ir::AttrValue& value) {
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) return ints->size();
  if (const auto* reals = std::get_if<std::vector<float>>(&value)) return reals->size();
  return 0;
}

Status check_attrs(const OpDef& def, const ir::Attrs& attrs) {
  for (const ir::Attrs::Entry& entry : attrs.entries()) {
    const auto* spec = std::find_if(def.attrs.data(), def.attrs.data() + def.attrs.size(),
                                    [&](const AttrSpec& s) { return entry.name == s.name; });
    if (spec == def.attrs.data() + def.attrs.size()) {
      return unsupported("unknown attribute " + entry.name);
    }
    if (entry.value.index() != static_cast<size_t>(spec->kind)) {
      return invalid_argument(entry.name + " must be " + kind_name(spec->kind) + ", got " +
                              kind_name(entry.value.index()));
    }
    if (list_elems(entry.value) > kMaxListElems) {
      return invalid_argument(entry.name + " must have at most " + std::to_string(kMaxListElems) +
                              " elements, got " + std::to_string(list_elems(entry.value)));
    }
  }
  for (const AttrSpec& spec : def.attrs) {
    if (spec.required && !attrs.has(spec.name)) {
      return invalid_argument(std::string("attribute ") + spec.name + " is missing");
    }
  }
  return {};
}

Status check_shape(const ir::TensorDesc& desc, const std::string& what, bool may_be_empty) {
  const ir::Shape& shape = desc.shape;
  if (!shape.is_static()) {
    return unsupported(what + " must have a static shape, got " + shape.text());
  }
  if (!shape.is_bounded()) return invalid_argument(what + " is too large: " + shape.text());
  if (shape.elements() == 0 && !may_be_empty)
    return unsupported(what + " is empty: " + shape.text());
  return {};
}

bool is_one_of(ir::DType dtype, Types types) {
  switch (types) {
    case Types::real: return dtype == ir::DType::f32;
    case Types::number: return dtype == ir::DType::f32 || dtype == ir::DType::i64;
    case Types::logical: return dtype == ir::DType::boolean;
    case Types::any: return is_one_of(dtype, Types::number) || dtype == ir::DType::boolean;
    case Types::own: return true;
  }
  return false;
}

Status check_type(Types types, const NodeView& node, size_t input, const std::string& what) {
  constexpr const char* kNames[] = {"float32", "float32 or int64", "float32, int64 or bool", "bool",
                                    ""};
  const ir::DType dtype = node.inputs[input].desc.dtype;
  if (!is_one_of(dtype, types)) {
    return unsupported(what + " must be " + kNames[static_cast<size_t>(types)] + ", got " +
                       dtype_name(dtype));
  }
  if (types != Types::own && node.has(0) && dtype != node.inputs[0].desc.dtype) {
    return unsupported(what + " must be " + dtype_name(node.inputs[0].desc.dtype) +
                       " like input 0, got " + dtype_name(dtype));
  }
  return {};
}

Status check_inputs(const OpDef& def, const NodeView& node, bool may_be_empty) {
  if (node.inputs.size() > def.max_inputs) {
    return invalid_argument("takes at most " + std::to_string(def.max_inputs) + " inputs, got " +
                            std::to_string(node.inputs.size()));
  }
  for (size_t i = 0; i < def.min_inputs; ++i) {
    if (!node.has(i)) return invalid_argument("input " + std::to_string(i) + " is missing");
  }
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.has(i)) continue;
    const std::string what = "input " + std::to_string(i);
    // The lists of our own operators may be empty.
    TAOISM_RETURN_IF_ERROR(
        check_shape(node.inputs[i].desc, what, may_be_empty || def.role == Role::protocol));
    TAOISM_RETURN_IF_ERROR(check_type(def.types, node, i, what));
  }
  return {};
}

Status check_all(const OpDef& def, const NodeView& node, std::span<ir::TensorDesc> outputs,
                 bool may_be_empty) {
  TAOISM_RETURN_IF_ERROR(check_inputs(def, node, may_be_empty));
  if (outputs.empty() || outputs.size() > def.max_outputs) {
    return invalid_argument("gives 1 to " + std::to_string(def.max_outputs) +
                            " outputs, asked for " + std::to_string(outputs.size()));
  }
  TAOISM_RETURN_IF_ERROR(check_attrs(def, node.attrs));
  TAOISM_RETURN_IF_ERROR(def.infer(node, outputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    TAOISM_RETURN_IF_ERROR(check_shape(outputs[i], "output " + std::to_string(i), may_be_empty));
  }
  return {};
}

}  // namespace

const OpDef* find_op(std::string_view name) {
  const auto ops = all_ops();
  const auto it =
      std::lower_bound(ops.begin(), ops.end(), name,
                       [](const OpDef* op, std::string_view n) { return op->name < n; });
  return it != ops.end() && (*it)->name == name ? *it : nullptr;
}

Status check_and_infer(const OpDef& def, const NodeView& node, std::span<ir::TensorDesc> outputs,
                       bool may_be_empty) {
  Status status = check_all(def, node, outputs, may_be_empty && def.takes_empty);
  if (status.ok()) return status;
  return status.annotate(std::string(def.name) + " '" + std::string(node.name) + "'");
}

Status check_types(const OpDef& def, const NodeView& node) {
  std::vector<ir::TensorDesc> made(node.outputs.size());
  if (made.empty() || made.size() > def.max_outputs) {
    return invalid_argument("a wrong number of outputs");
  }
  const NodeView bare{node.name, node.attrs, node.inputs, {}};
  TAOISM_RETURN_IF_ERROR(check_and_infer(def, bare, made));
  if (!std::equal(made.begin(), made.end(), node.outputs.begin())) {
    return invalid_argument("an output's type is not what the operator makes");
  }
  return {};
}

ir::Attrs chosen_attrs(const OpDef& def, const NodeView& node) {
  ir::Attrs attrs = node.attrs;
  if (def.choose != nullptr) def.choose(node, attrs);
  return attrs;
}

bool is_chosen(const OpDef& def, const ir::Attrs& attrs) {
  return std::all_of(def.attrs.begin(), def.attrs.end(),
                     [&](const AttrSpec& spec) { return !spec.chosen || attrs.has(spec.name); });
}

}  // namespace taoism::ops
