// ArgMax: the index, along one axis, of the largest element: the first of equals; NaN is never the
// largest. int64.
#include <cstdint>

#include "ops/core/rules.h"
#include "ops/core/split.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrSpec::integer}, {"keepdims", AttrSpec::integer}};

Result<size_t> axis_of(const NodeView& node) {
  return normalize_axis(node.attrs.i("axis", 0), node.shape(0).rank());
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_ASSIGN_OR_RETURN(const size_t axis, axis_of(node));
  const ir::Shape& x = node.shape(0);
  const bool keep = node.attrs.i("keepdims", 1) != 0;
  ir::Shape shape;
  for (size_t i = 0; i < x.rank(); ++i) {
    if (i != axis) shape.push_back(x[i]);
    if (i == axis && keep) shape.push_back(1);
  }
  outputs[0] = {ir::DType::i64, shape};
  return {};
}

void run(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const size_t axis = *axis_of(context.node);
  const int64_t outer = x.product(0, axis);
  const int64_t count = x[axis];
  const int64_t inner = x.product(axis + 1, x.rank());
  auto* y = reinterpret_cast<int64_t*>(context.outputs[0]);
  parallel_for(context.parallel, static_cast<size_t>(outer), [&](size_t o, size_t) {
    const float* block = context.f32(0) + static_cast<int64_t>(o) * count * inner;
    for (int64_t i = 0; i < inner; ++i) {
      int64_t best = 0;
      for (int64_t a = 1; a < count; ++a) {
        const float candidate = block[a * inner + i];
        const float largest = block[best * inner + i];
        if (candidate > largest || (largest != largest && candidate == candidate)) best = a;
      }
      y[static_cast<int64_t>(o) * inner + i] = best;
    }
  });
}

bool splits_batch(const NodeView& node) { return *axis_of(node) != 0 && share_batch(node, {0}); }

}  // namespace

extern const OpDef kArgMaxOp;
constinit const OpDef kArgMaxOp = {
    .name = "ArgMax",
    .role = Role::nonlinear,
    .attrs = kAttrs,
    .infer = infer,
    .run = run,
    .splits_batch = splits_batch,
};

}  // namespace taoism::ops
