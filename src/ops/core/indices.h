// Indices that tensors hold: a negative one counts from the end. They are checked as a whole before
// anything is read or written by them. Trusted.
#pragma once

#include <span>

#include "base/parallel.h"
#include "ops/op.h"

namespace taoism::ops {

// The fault of the first index that is out of range; index i counts dims[i % dims.size()].
Outcome indices_fault(std::span<const int64_t> indices, std::span<const int64_t> dims,
                      Parallel& parallel);

// The same of a node's input 1, which counts input 0 along the attribute `axis`.
Outcome axis_fault(const NodeView& node, const int64_t* indices, Parallel& parallel);

// OpDef::sure_fault of an operator whose indices, input 1, kCheck checks.
template <Outcome (*kCheck)(const NodeView&, const int64_t*, Parallel&)>
Outcome sure_index_fault(const NodeView& node) {
  const ir::Constant* indices = node.inputs[1].constant;
  SerialParallel serial;
  return indices != nullptr ? kCheck(node, indices->i64(), serial) : Outcome();
}

// Counted from the front. The index is in range.
inline int64_t from_front(int64_t index, int64_t dim) { return index < 0 ? index + dim : index; }

// The fault of a division of integers by these elements: that one of them is 0. Other types have
// none.
Outcome division_fault(const ir::TensorDesc& desc, const std::byte* divisors);

}  // namespace taoism::ops
