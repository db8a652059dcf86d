// Tensors of one element type as another. Thread-safety: free functions.
#pragma once

#include <optional>
#include <string_view>

#include "files/tensor_file.h"

namespace taoism::files {

// The type of this name ("float32", ...), or nothing.
std::optional<ir::DType> find_dtype(std::string_view name);

// The tensor with elements of type `to`, each of exactly the value that it had (NaN stays NaN).
// Errors: invalid_argument naming the first that has no such value, or a type that is not
// converted.
Result<Tensor> convert_exactly(Tensor tensor, ir::DType to);

}  // namespace taoism::files
