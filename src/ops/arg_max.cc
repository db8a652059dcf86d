// ArgMax and ArgMin: the index, along one axis, of the largest or smallest element: of equals the
// first, or with select_last_index the last; NaN is never it. int64.
#include <cstdint>

#include "ops/core/element.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrSpec::integer},
                               {"keepdims", AttrSpec::integer},
                               {"select_last_index", AttrSpec::integer}};

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

template <typename Better>
Outcome run(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const size_t axis = *axis_of(context.node);
  const int64_t outer = x.product(0, axis);
  const int64_t count = x[axis];
  const int64_t inner = x.product(axis + 1, x.rank());
  const bool last = context.node.attrs.i("select_last_index", 0) != 0;
  auto* y = context.out<int64_t>();
  with_element(context.node.inputs[0].desc.dtype, [&](auto zero) {
    using T = decltype(zero);
    parallel_for(context.parallel, static_cast<size_t>(outer), [&](size_t o, size_t) {
      const T* block = context.in<T>(0) + static_cast<int64_t>(o) * count * inner;
      for (int64_t i = 0; i < inner; ++i) {
        int64_t best = 0;
        for (int64_t a = 1; a < count; ++a) {
          const T candidate = block[a * inner + i];
          const T chosen = block[best * inner + i];
          const bool is_better = Better()(candidate, chosen) || (last && candidate == chosen);
          if (is_better || (chosen != chosen && candidate == candidate)) best = a;
        }
        y[static_cast<int64_t>(o) * inner + i] = best;
      }
    });
  });
  return {};
}

struct Larger {
  bool operator()(auto a, auto b) const { return a > b; }
};
struct Smaller {
  bool operator()(auto a, auto b) const { return a < b; }
};

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  if (const char* mixes = rows_beside(*axis_of(node), in, out); mixes != nullptr) return mixes;
  const bool keeps = node.attrs.i("keepdims", 1) != 0;
  if (!keeps && *axis_of(node) < static_cast<size_t>(out.axis)) --out.axis;
  return nullptr;
}

constexpr OpDef index_op(const char* name, Outcome (*run)(const RunContext&)) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = Form::ranks,
          .attrs = kAttrs,
          .types = Types::number,
          .infer = infer,
          .run = run,
          .rows = rows};
}

}  // namespace

TAOISM_OP(ArgMax) = index_op("ArgMax", run<Larger>);
TAOISM_OP(ArgMin) = index_op("ArgMin", run<Smaller>);

}  // namespace taoism::ops
