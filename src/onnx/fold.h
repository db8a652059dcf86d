// A small interpreter for the parts of a model that do not depend on its input, shape arithmetic
// and rearranged weights: what moves elements, also of empty tensors, as shapes have them. What
// computes is evaluated by the operators themselves (NodeImport::emit). Internal to this folder.
#pragma once

#include <algorithm>
#include <span>

#include "ir/graph.h"
#include "onnx/node_attributes.h"
#include "onnx/tensor_proto.h"

namespace taoism::onnx {

// A constant that is still being filled.
struct Fresh {
  ConstantPtr constant;
  std::byte* data = nullptr;
};

// Bounds what folding may allocate, however large a shape the file asks for, and how long it may
// take: in operations on one element, of which a few nanoseconds go on each.
class FoldBudget {
 public:
  // For a model whose files have that many bytes: 16 operations a byte, and no less than a
  // second's.
  void set_model_bytes(uint64_t bytes) {
    most_operations_ = std::max(kLeastOperations, 16 * bytes);
  }
  // Errors: unsupported when that were too many in all.
  Status spend(uint64_t operations);
  // A zeroed constant, an operation spent on each element. Errors: unsupported when it or the sum
  // of all would be too large, resource_exhausted.
  Result<Fresh> make(ir::DType dtype, const ir::Shape& shape);
  // For something else that is as large as so many int64. Errors: the same.
  Status take_numbers(uint64_t count);

 private:
  Status take(uint64_t bytes);

  static constexpr uint64_t kMaxTotalBytes = uint64_t{1} << 30;
  static constexpr uint64_t kLeastOperations = uint64_t{1} << 28;
  uint64_t used_bytes_ = 0;
  uint64_t most_operations_ = kLeastOperations;
  uint64_t used_operations_ = 0;
};

// One node whose inputs are all constants (null: absent).
struct FoldNode {
  std::string_view op;
  int64_t opset;
  size_t outputs;
  NodeAttributes& attrs;
  std::span<const ConstantPtr> inputs;
  FoldBudget& budget;
  // Where to write, an entry an output, which part of the first input an output is cut from, by
  // operators that cut; null: nobody asks.
  std::vector<ir::Box>* boxes = nullptr;

  bool has(size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
  // The integers of input `i`, or of the attribute where the operator has it there. Empty: absent.
  Result<std::vector<int64_t>> ints(size_t i, const char* name) const;
};

// The one number that a ConstantOfShape repeats. Errors: invalid_argument, unsupported.
Result<ConstantPtr> constant_of_shape_value(NodeAttributes& attrs);

using Fold = Result<std::vector<ConstantPtr>> (*)(const FoldNode& node);
// Null when the operator is not one of these.
Fold find_fold(std::string_view op);
// How many of its inputs are elements that the operator moves, from the first on; the others say
// where to. 0: it makes elements.
size_t moved_inputs(std::string_view op, size_t inputs);

}  // namespace taoism::onnx
