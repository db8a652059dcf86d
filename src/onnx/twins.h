// Constants of a file that have the same elements, such as a table that its exporter wrote twice,
// once as it is and once transposed: who has the one has the other. Of those alone that are no
// chance (ir::is_telling). Internal to this folder. Thread-safety: pure functions.
#pragma once

#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "onnx/tensor_proto.h"

namespace taoism::onnx {

struct Twins {
  using By = std::unordered_map<const ir::Constant*, const ir::Constant*>;
  By equal;       // of constants with equal bytes and types, each but the first, by the first
  By transposed;  // of matrices and what they are when transposed, the second, by the first;
                  // neither of them is in `equal`
};
// Errors: internal.
Result<Twins> find_twins(const std::vector<ConstantPtr>& constants);

}  // namespace taoism::onnx
