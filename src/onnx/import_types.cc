// What changes or chooses element types, and what has any.
#include "onnx/node_import.h"

namespace taoism::onnx {
namespace {

Status give_converted(NodeImport& node, ir::DType dtype) {
  node.attrs.ignore("saturate");  // of types that are refused
  node.attrs.ignore("round_mode");
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.converted(node.input(0), dtype));
  return node.give(std::move(y));
}

Status import_cast(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  const auto to = static_cast<int32_t>(node.attrs.i("to", 0));
  const std::optional<ir::DType> dtype = dtype_of(to);
  if (!dtype) return node.refuse("to", "is " + element_type_name(to));
  return give_converted(node, *dtype);
}

Status import_cast_like(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  return give_converted(node, node.type(1));
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

constexpr ImportEntry kImports[] = {{"Cast", import_cast, false},
                                    {"CastLike", import_cast_like, false},
                                    {"Identity", import_identity, false},
                                    {"Dropout", import_dropout, false}};

}  // namespace

std::span<const ImportEntry> type_imports() { return kImports; }

}  // namespace taoism::onnx
