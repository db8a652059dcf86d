// How ONNX computes the shapes of the operators that only move or rename elements: shared by what
// folds constants and what imports nodes. Internal to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/types.h"

namespace taoism::onnx {

// "1, -1, 512".
std::string list_text(std::span<const int64_t> values);

// Counted from the front. Errors: invalid_argument.
Result<size_t> resolve_axis(int64_t axis, size_t rank);
// The axes as a set, each once. Errors: invalid_argument.
Result<std::vector<bool>> resolve_axes(std::span<const int64_t> axes, size_t rank);

// Reshape's target with its 0 (copy, unless allow_zero) and -1 (what is left) resolved.
Result<ir::Shape> reshape_target(const ir::Shape& x, std::span<const int64_t> target,
                                 bool allow_zero);
// No axes: every dimension of 1 goes.
Result<ir::Shape> squeeze_target(const ir::Shape& x, std::span<const int64_t> axes);
Result<ir::Shape> unsqueeze_target(const ir::Shape& x, std::span<const int64_t> axes);
// Two dimensions: the product of those before the axis, and of the rest.
Result<ir::Shape> flatten_target(const ir::Shape& x, int64_t axis);

// Lengths of the parts: as given (they must add up), or `count` equal ones of which the last may be
// shorter.
Result<std::vector<int64_t>> split_lengths(int64_t dim, std::span<const int64_t> given,
                                           int64_t count);

}  // namespace taoism::onnx
