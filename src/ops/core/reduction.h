// Reductions over the axes in the attribute `axes` (none: all of them), with `keepdims`. Trusted.
#pragma once

#include <optional>

#include "kernels/axis.h"
#include "ops/core/index.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {

inline constexpr AttrSpec kReductionAttrs[] = {{"axes", AttrSpec::integers},
                                               {"keepdims", AttrSpec::integer}};

using AxisSet = std::array<bool, ir::kMaxRank>;

Result<AxisSet> reduced_axes(const NodeView& node);
// The output has the input's type.
Status infer_reduction(const NodeView& node, std::span<ir::TensorDesc> outputs);
const char* rows_of_reduction(const NodeView& node, std::span<const RowAxis> in, RowAxis& out);
// The reduced axes as one middle axis, when they are neighbours.
std::optional<kernels::AxisShape> middle_axis(const NodeView& node);

// Calls body(output, x offset of its first element, inner) for every output, in order; `inner`
// calls a function with the offset of every element under it from that first one.
template <typename Body>
void for_each_reduced(const NodeView& node, Body&& body) {
  const ir::Shape& x = node.shape(0);
  const AxisSet reduced = *reduced_axes(node);
  const Index strides = strides_of(x);
  ir::Shape kept, inner;
  Index kept_strides = {}, inner_strides = {};
  for (size_t i = 0; i < x.rank(); ++i) {
    ir::Shape& shape = reduced[i] ? inner : kept;
    (reduced[i] ? inner_strides : kept_strides)[shape.rank()] = strides[i];
    shape.push_back(x[i]);
  }
  for_each_index(kept, [&](const Index& at, int64_t output) {
    body(output, offset_of(at, kept_strides, kept.rank()), [&](auto&& element) {
      for_each_index(inner, [&](const Index& index, int64_t) {
        element(offset_of(index, inner_strides, inner.rank()));
      });
    });
  });
}

}  // namespace taoism::ops
