// Slice with constant bounds: numpy's x[start:end:step] along each named axis.
#include <algorithm>

#include "ops/core/block_copy.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"starts", AttrSpec::integers, true},
                               {"ends", AttrSpec::integers, true},
                               {"axes", AttrSpec::integers},
                               {"steps", AttrSpec::integers}};

struct Region {
  ir::Shape shape;
  Index start = {};
  Index step = {};
};

// Clamps a bound as numpy does; a negative one counts from the end.
int64_t clamp_bound(int64_t bound, int64_t dim, int64_t lowest, int64_t highest) {
  if (bound < 0) bound = bound < -dim ? lowest : bound + dim;
  return std::clamp(bound, lowest, highest);
}

Result<Region> region_of(const NodeView& node) {
  const ir::Shape& x = node.shape(0);
  const auto starts = node.attrs.ints("starts"), ends = node.attrs.ints("ends");
  const auto axes = node.attrs.ints("axes"), steps = node.attrs.ints("steps");
  const auto same = [&](std::span<const int64_t> list) {
    return list.empty() || list.size() == starts.size();
  };
  if (ends.size() != starts.size() || !same(axes) || !same(steps) || starts.size() > x.rank()) {
    return invalid_argument("starts, ends, axes and steps must have the same length, at most " +
                            std::to_string(x.rank()) + ", got starts " + list_text(starts) +
                            " and ends " + list_text(ends));
  }
  Region region;
  region.shape = x;
  region.step.fill(1);
  bool seen[ir::kMaxRank] = {};
  for (size_t i = 0; i < starts.size(); ++i) {
    TAOISM_ASSIGN_OR_RETURN(
        const size_t axis,
        normalize_axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], x.rank(), "axes"));
    if (seen[axis]) return invalid_argument("axes must differ, got " + list_text(axes));
    seen[axis] = true;
    const int64_t dim = x[axis];
    // A step longer than the dimension takes one element, as does one of exactly its length.
    const int64_t given = steps.empty() ? 1 : steps[i];
    if (given == 0) return invalid_argument("steps must not be 0, got " + list_text(steps));
    const int64_t step = std::clamp(given, -dim, dim);
    const int64_t start =
        step > 0 ? clamp_bound(starts[i], dim, 0, dim) : clamp_bound(starts[i], dim, 0, dim - 1);
    const int64_t end =
        step > 0 ? clamp_bound(ends[i], dim, 0, dim) : clamp_bound(ends[i], dim, -1, dim - 1);
    const int64_t length =
        step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    if (length <= 0) {
      return unsupported("starts " + list_text(starts) + " and ends " + list_text(ends) +
                         " select nothing of " + x.text());
    }
    region.shape[axis] = length;
    region.start[axis] = start;
    region.step[axis] = step;
  }
  return region;
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_ASSIGN_OR_RETURN(const Region region, region_of(node));
  outputs[0] = {node.inputs[0].desc.dtype, region.shape};
  return {};
}

Outcome run(const RunContext& context) {
  const Region region = *region_of(context.node);
  const size_t rank = region.shape.rank();
  const Index own = strides_of(context.node.shape(0));
  Index from = {};
  for (size_t i = 0; i < rank; ++i) from[i] = own[i] * region.step[i];
  copy_block(context, region.shape, offset_of(region.start, own, rank), from, 0,
             strides_of(region.shape));
  return {};
}

Outcome reference(const RunContext& context) {
  const Region region = *region_of(context.node);
  const size_t rank = region.shape.rank();
  const Index own = strides_of(context.node.shape(0));
  for_each_index(region.shape, [&](const Index& index, int64_t position) {
    Index from = {};
    for (size_t i = 0; i < rank; ++i) from[i] = region.start[i] + index[i] * region.step[i];
    copy_element(context, 0, offset_of(from, own, rank), position);
  });
  return {};
}

// With all of them taken, these bounds take all of fewer too.
const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const Region region = *region_of(node);
  const auto axis = static_cast<size_t>(in[0].axis);
  if (region.step[axis] != 1 || region.shape[axis] != node.shape(0)[axis]) {
    return "it takes some of them";
  }
  return rows_alike(node, in, out);
}

}  // namespace

extern const OpDef kSliceOp;
constinit const OpDef kSliceOp = {
    .name = "Slice",
    .role = Role::layout,
    .form = Form::moves,
    .attrs = kAttrs,
    .types = Types::any,
    .infer = infer,
    .run = run,
    .rows = rows,
    .reference = reference,
};

}  // namespace taoism::ops
