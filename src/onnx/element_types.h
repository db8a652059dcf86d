// Element types between the file, ONNX's rules, and what is computed with. Internal to this folder.
//
// Every tensor of a file has ONNX's type (Tensor::type, a constant's dtype). When a model runs,
// narrow integers are computed with as int64 and 16-bit floats as float32, and a result is brought
// back to the values of its type; float64 and uint64 live in constants alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/types.h"
#include "ops/core/convert.h"

namespace taoism::onnx {

using ConstantPtr = std::shared_ptr<const ir::Constant>;

// Of TensorProto's numbers; nothing for one that is not supported (text, complex, 4 and 8-bit
// floats).
std::optional<ir::DType> dtype_of(int32_t type);
// "float16", "int4", ...; "type 99" when unknown.
std::string element_type_name(int32_t type);

bool is_float(ir::DType dtype);
inline bool is_integer(ir::DType dtype) { return !is_float(dtype) && dtype != ir::DType::boolean; }
// Whether a model's tensors may be of it when it runs.
inline bool is_for_constants_alone(ir::DType dtype) {
  return dtype == ir::DType::f64 || dtype == ir::DType::u64;
}
// float32, int64 or bool: what operators compute with for this type. Not for float64 and uint64.
ir::DType computed_as(ir::DType dtype);

// The error of reading or making float64 or uint64 where the model runs.
Status refused_type(ir::DType dtype);

// Writes the elements of `from` to `to`, as ONNX's Cast has it (ops/core/convert.h).
void convert_elements(const ir::Constant& from, ir::DType dtype, std::byte* to);
// Whether there is memory for integers_of(). Errors: resource_exhausted.
Status check_integers(const ir::Constant& constant);
// The elements of a tensor of integers that fit into int64; nothing when it is of another type.
std::optional<std::vector<int64_t>> integers_of(const ir::Constant& constant);

}  // namespace taoism::onnx
