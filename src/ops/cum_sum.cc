// CumSum along one axis: of every element the sum of those up to it, or with `exclusive` of those
// before it; `reverse` begins at the end.
#include "ops/core/element.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrSpec::integer, true},
                               {"exclusive", AttrSpec::integer},
                               {"reverse", AttrSpec::integer}};

Result<size_t> axis_of(const NodeView& node) {
  return normalize_axis(node.attrs.i("axis"), node.shape(0).rank());
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(axis_of(node).status());
  outputs[0] = node.inputs[0].desc;
  return {};
}

// T is the element, Sum what it is added up in.
template <typename T, typename Sum>
void add_up(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const size_t axis = *axis_of(context.node);
  const int64_t count = x[axis], inner = x.product(axis + 1, x.rank());
  const bool exclusive = context.node.attrs.i("exclusive") != 0;
  const bool reverse = context.node.attrs.i("reverse") != 0;
  const auto lines = static_cast<size_t>(x.product(0, axis) * inner);
  parallel_for(context.parallel, lines, [&](size_t line, size_t) {
    const int64_t first =
        static_cast<int64_t>(line) / inner * count * inner + static_cast<int64_t>(line) % inner;
    Sum sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = first + (reverse ? count - 1 - i : i) * inner;
      const Sum before = sum;
      sum += static_cast<Sum>(context.in<T>(0)[at]);
      context.out<T>()[at] = static_cast<T>(exclusive ? before : sum);
    }
  });
}

Outcome run(const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) {
    add_up<int64_t, uint64_t>(context);
  } else {
    add_up<float, double>(context);
  }
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  return rows_beside(*axis_of(node), in, out);
}

}  // namespace

extern const OpDef kCumSumOp;
constinit const OpDef kCumSumOp = {
    .name = "CumSum",
    .role = Role::nonlinear,
    .form = Form::affine,
    .attrs = kAttrs,
    .types = Types::number,
    .infer = infer,
    .run = run,
    .rows = rows,
};

}  // namespace taoism::ops
