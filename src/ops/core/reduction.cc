#include "ops/core/reduction.h"

#include <algorithm>

namespace taoism::ops {

Result<AxisSet> reduced_axes(const NodeView& node) {
  const size_t rank = node.shape(0).rank();
  const auto axes = node.attrs.ints("axes");
  AxisSet reduced = {};
  if (axes.empty()) std::fill_n(reduced.begin(), rank, true);
  for (const int64_t given : axes) {
    TAOISM_ASSIGN_OR_RETURN(const size_t axis, normalize_axis(given, rank, "axes"));
    if (reduced[axis]) return invalid_argument("axes must differ, got " + list_text(axes));
    reduced[axis] = true;
  }
  return reduced;
}

Status infer_reduction(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_ASSIGN_OR_RETURN(const AxisSet reduced, reduced_axes(node));
  const bool keep = node.attrs.i("keepdims", 1) != 0;
  ir::Shape shape;
  for (size_t i = 0; i < node.shape(0).rank(); ++i) {
    if (!reduced[i]) {
      shape.push_back(node.shape(0)[i]);
    } else if (keep) {
      shape.push_back(1);
    }
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

const char* rows_of_reduction(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const AxisSet reduced = *reduced_axes(node);
  out = in[0];
  if (reduced[static_cast<size_t>(in[0].axis)]) return "it reduces over them";
  if (node.attrs.i("keepdims", 1) != 0) return nullptr;
  for (int i = 0; i < in[0].axis; ++i) out.axis -= reduced[static_cast<size_t>(i)] ? 1 : 0;
  return nullptr;
}

std::optional<kernels::AxisShape> middle_axis(const NodeView& node) {
  const ir::Shape& x = node.shape(0);
  const AxisSet reduced = *reduced_axes(node);
  size_t first = 0, last = x.rank();
  while (first < last && !reduced[first]) ++first;
  while (last > first && !reduced[last - 1]) --last;
  if (!std::all_of(reduced.begin() + first, reduced.begin() + last, [](bool r) { return r; })) {
    return std::nullopt;
  }
  return kernels::AxisShape{.outer = x.product(0, first),
                            .axis = x.product(first, last),
                            .inner = x.product(last, x.rank())};
}

}  // namespace taoism::ops
