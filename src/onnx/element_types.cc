#include "onnx/element_types.h"

#include <onnx/onnx_pb.h>

#include <cstring>

#include "host/memory.h"

namespace taoism::onnx {

using ::onnx::TensorProto;

std::optional<ir::DType> dtype_of(int32_t type) {
  switch (type) {
    case TensorProto::FLOAT: return ir::DType::f32;
    case TensorProto::DOUBLE: return ir::DType::f64;
    case TensorProto::FLOAT16: return ir::DType::f16;
    case TensorProto::BFLOAT16: return ir::DType::bf16;
    case TensorProto::INT8: return ir::DType::i8;
    case TensorProto::INT16: return ir::DType::i16;
    case TensorProto::INT32: return ir::DType::i32;
    case TensorProto::INT64: return ir::DType::i64;
    case TensorProto::UINT8: return ir::DType::u8;
    case TensorProto::UINT16: return ir::DType::u16;
    case TensorProto::UINT32: return ir::DType::u32;
    case TensorProto::UINT64: return ir::DType::u64;
    case TensorProto::BOOL: return ir::DType::boolean;
    default: return std::nullopt;
  }
}

std::string element_type_name(int32_t type) {
  static constexpr const char* kNames[] = {
      "undefined",      "float32",    "uint8",          "int8",       "uint16",   "int16",
      "int32",          "int64",      "string",         "bool",       "float16",  "float64",
      "uint32",         "uint64",     "complex64",      "complex128", "bfloat16", "float8e4m3fn",
      "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",      "int4",     "float4e2m1"};
  if (type >= 0 && static_cast<size_t>(type) < std::size(kNames)) return kNames[type];
  return "type " + std::to_string(type);
}

bool is_float(ir::DType dtype) {
  return dtype == ir::DType::f32 || dtype == ir::DType::f64 || dtype == ir::DType::f16 ||
         dtype == ir::DType::bf16;
}

ir::DType computed_as(ir::DType dtype) {
  TAOISM_CHECK(!is_for_constants_alone(dtype));
  if (is_float(dtype)) return ir::DType::f32;
  return dtype == ir::DType::boolean ? dtype : ir::DType::i64;
}

Status refused_type(ir::DType dtype) {
  return unsupported(std::string(ir::dtype_name(dtype)) +
                     " is computed with in constants alone; export the model with " +
                     (is_float(dtype) ? "float32" : "int64") + " there");
}

void convert_elements(const ir::Constant& from, ir::DType dtype, std::byte* to) {
  const auto count = static_cast<size_t>(from.desc.shape.elements());
  if (dtype == from.desc.dtype && dtype != ir::DType::boolean) {
    if (count > 0) std::memcpy(to, from.data, from.desc.bytes());
    return;
  }
  ops::with_type(from.desc.dtype, [&](auto f) {
    ops::with_type(dtype, [&](auto t) {
      using From = decltype(f);
      using To = decltype(t);
      const auto* source = reinterpret_cast<const From*>(from.data);
      auto* target = reinterpret_cast<To*>(to);
      for (size_t i = 0; i < count; ++i) target[i] = ops::convert<To>(source[i]);
    });
  });
}

Status check_integers(const ir::Constant& constant) {
  return host::check_memory(static_cast<uint64_t>(constant.desc.shape.elements()) *
                            sizeof(int64_t));
}

std::optional<std::vector<int64_t>> integers_of(const ir::Constant& constant) {
  if (!is_integer(constant.desc.dtype) || constant.desc.dtype == ir::DType::u64) {
    return std::nullopt;
  }
  std::vector<int64_t> values(static_cast<size_t>(constant.desc.shape.elements()));
  convert_elements(constant, ir::DType::i64, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

}  // namespace taoism::onnx
