// What ONNX says of the types of an operator's tensors, as far as import needs it. Internal to this
// folder. Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "ir/types.h"

namespace taoism::onnx {

// Whether input `input` of this operator is one of those that must be of one type.
bool is_alike(std::string_view op, size_t input);
// The input whose type output `output` has; nothing where the operator itself says the type.
std::optional<size_t> typed_by(std::string_view op, size_t output);
// Whether every result of this operator is a value of `dtype` when the inputs are, so that nothing
// has to be rounded or wrapped.
bool stays_inside(std::string_view op, ir::DType dtype);
// Whether every value of `from` is one of `to`, and is computed as the same.
bool holds_all_of(ir::DType to, ir::DType from);

}  // namespace taoism::onnx
