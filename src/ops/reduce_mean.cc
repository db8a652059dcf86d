// ReduceMean over the axes in the attribute; none means all.
#include "kernels/softmax.h"

#include <algorithm>
#include <optional>

#include "ops/core/index.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"axes", AttrSpec::integers}, {"keepdims", AttrSpec::integer}};

using AxisSet = std::array<bool, ir::kMaxRank>;

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

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
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
  outputs[0] = {ir::DType::f32, shape};
  return {};
}

// The reduced axes as one middle axis, when they are neighbours.
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

// Walks the kept elements in order and averages the reduced ones beneath each.
void reference(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const AxisSet reduced = *reduced_axes(context.node);
  const Index strides = strides_of(x);
  ir::Shape kept, inner;
  Index kept_strides = {}, inner_strides = {};
  for (size_t i = 0; i < x.rank(); ++i) {
    ir::Shape& shape = reduced[i] ? inner : kept;
    (reduced[i] ? inner_strides : kept_strides)[shape.rank()] = strides[i];
    shape.push_back(x[i]);
  }
  const int64_t count = inner.elements();
  const int64_t outputs = kept.elements();
  for (int64_t out = 0; out < outputs; ++out) {
    int64_t rest = out, base = 0;
    for (size_t i = kept.rank(); i-- > 0;) {
      base += rest % kept[i] * kept_strides[i];
      rest /= kept[i];
    }
    double sum = 0;
    for_each_index(inner, [&](const Index& index, int64_t) {
      sum += context.f32(0)[base + offset_of(index, inner_strides, inner.rank())];
    });
    context.out_f32()[out] = static_cast<float>(sum / static_cast<double>(count));
  }
}

void run(const RunContext& context) {
  const std::optional<kernels::AxisShape> shape = middle_axis(context.node);
  if (!shape) return reference(context);  // such as the mean over batch and pixels: rare
  kernels::reduce_mean(*shape, context.f32(0), context.out_f32(), context.parallel);
}

bool splits_batch(const NodeView& node) {
  return !(*reduced_axes(node))[0] && share_batch(node, {0});
}

}  // namespace

extern const OpDef kReduceMeanOp;
constinit const OpDef kReduceMeanOp = {
    .name = "ReduceMean",
    .role = Role::nonlinear,
    .attrs = kAttrs,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-6F},
    .infer = infer,
    .run = run,
    .splits_batch = splits_batch,
    .reference = reference,
};

}  // namespace taoism::ops
