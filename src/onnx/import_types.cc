// What changes or chooses element types.
#include "onnx/node_import.h"

namespace taoism::onnx {
namespace {

Status cast_to(NodeImport& node, int32_t type) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  node.attrs.ignore("saturate");  // of types that are refused
  node.attrs.ignore("round_mode");
  const Tensor x = node.input(0);
  switch (type) {
    case ::onnx::TensorProto::FLOAT:
    case ::onnx::TensorProto::INT64:
    case ::onnx::TensorProto::BOOL: break;
    case ::onnx::TensorProto::INT32: {  // wraps where it does not fit; stays an int64 inside
      TAOISM_ASSIGN_OR_RETURN(const Tensor narrow, node.cast(x, ir::DType::i32, "/int32"));
      TAOISM_ASSIGN_OR_RETURN(Tensor y, node.cast(narrow, ir::DType::i64));
      return node.give(std::move(y));
    }
    default: {
      const std::string name = element_type_name(type);
      const bool integer = name.starts_with("int") || name.starts_with("uint");
      if (x.constant && (is_float_type(type) || integer)) break;
      return node.refuse("to", "activations are float32, int64, int32 or bool, not " + name);
    }
  }
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.cast(x, dtype_inside(type)));
  return node.give(std::move(y));
}

Status import_cast(NodeImport& node) {
  return cast_to(node, static_cast<int32_t>(node.attrs.i("to", 0)));
}

Status import_cast_like(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  switch (node.desc(node.input(1)).dtype) {
    case ir::DType::i64: return cast_to(node, ::onnx::TensorProto::INT64);
    case ir::DType::boolean: return cast_to(node, ::onnx::TensorProto::BOOL);
    default: return cast_to(node, ::onnx::TensorProto::FLOAT);
  }
}

constexpr ImportEntry kImports[] = {{"Cast", import_cast}, {"CastLike", import_cast_like}};

}  // namespace

std::span<const ImportEntry> type_imports() { return kImports; }

}  // namespace taoism::onnx
