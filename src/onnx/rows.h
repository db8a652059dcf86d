// What import knows of the rows of a tensor, which are as many as the batch that it is bound to:
// which dimension counts them, and which numbers that are computed ahead grow with them. What
// holds here holds for every number of rows. Internal to this folder. Thread-safety: values.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace taoism::onnx {

// By element of an integer constant, or by dimension of a shape: how much it grows with every row.
// 0: not at all.
using Growth = std::vector<int64_t>;
// The number changes with the rows, but in another way.
inline constexpr int64_t kUnknownGrowth = INT64_MIN;
// Of a dimension: it is what the others leave.
inline constexpr int64_t kAnyGrowth = INT64_MAX;

struct Rows {
  ops::RowAxis at;
  // Of a constant whose elements are not the same for every number of rows.
  std::shared_ptr<const Growth> growth;
  // Who mixed the rows and how, for a message; null: nobody.
  std::shared_ptr<const std::string> mixed;

  // Whether the tensor is the same for every number of rows.
  bool is_fixed() const { return !at.any() && growth == nullptr && mixed == nullptr; }
};

// "node 'sum' (ReduceSum) mixes rows: it reduces over them".
std::shared_ptr<const std::string> mixed_by(std::string_view node, std::string_view op,
                                            std::string_view how);

// Of each dimension of `shape`, a tensor's with `rows`.
Growth growth_of(const Rows& rows, const ir::Shape& shape);
// Of the product of dimensions [first, last).
int64_t product_growth(const ir::Shape& shape, const Growth& growth, size_t first, size_t last);
// Null where nothing grows.
std::shared_ptr<const Growth> shared_growth(Growth growth);

// An operand of what is computed ahead from constants.
struct Operand {
  const ir::Constant* constant = nullptr;
  const Rows* rows = nullptr;
};
// The rows of the constant `made` that operator `op` of ours makes of `operands`, bound to `rows`
// rows.
Rows computed_rows(std::string_view op, std::span<const Operand> operands,
                   const ir::TensorDesc& made, int64_t rows);

}  // namespace taoism::onnx
