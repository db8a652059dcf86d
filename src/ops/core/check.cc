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

Status check_inputs(const OpDef& def, const NodeView& node) {
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
    // The lists of our own operators may be empty or of integers: their rules check that.
    const bool own = def.role == Role::protocol;
    TAOISM_RETURN_IF_ERROR(check_shape(node.inputs[i].desc, what, own));
    if (!own && node.inputs[i].desc.dtype != ir::DType::f32) {
      return unsupported(what + " must be float32, got " + dtype_name(node.inputs[i].desc.dtype));
    }
  }
  return {};
}

Status check_all(const OpDef& def, const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_inputs(def, node));
  if (outputs.empty() || outputs.size() > def.max_outputs) {
    return invalid_argument("gives 1 to " + std::to_string(def.max_outputs) +
                            " outputs, asked for " + std::to_string(outputs.size()));
  }
  TAOISM_RETURN_IF_ERROR(check_attrs(def, node.attrs));
  TAOISM_RETURN_IF_ERROR(def.infer(node, outputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    TAOISM_RETURN_IF_ERROR(check_shape(outputs[i], "output " + std::to_string(i), false));
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

Status check_and_infer(const OpDef& def, const NodeView& node, std::span<ir::TensorDesc> outputs) {
  Status status = check_all(def, node, outputs);
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

}  // namespace taoism::ops
