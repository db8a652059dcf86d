// Trilu: matrices with what is above or below a diagonal set to 0.
#include <algorithm>

#include "ops/core/element.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

// Diagonal k is k to the right of the main one.
constexpr AttrSpec kAttrs[] = {{"upper", AttrSpec::integer}, {"k", AttrSpec::integer}};

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 0, "x", 2, ir::kMaxRank));
  outputs[0] = node.inputs[0].desc;
  return {};
}

Outcome run(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const int64_t height = x[x.rank() - 2], width = x[x.rank() - 1];
  const bool upper = context.node.attrs.i("upper", 1) != 0;
  const int64_t k = std::clamp(context.node.attrs.i("k", 0), -height, width);
  with_element(context.node.inputs[0].desc.dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t elements = x.elements();
    for (int64_t i = 0; i < elements; ++i) {
      const int64_t right = i % width - i / width % height;  // of the main diagonal
      const bool kept = upper ? right >= k : right <= k;
      context.out<T>()[i] = kept ? context.in<T>(0)[i] : T{};
    }
  });
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  return rows_before(node.shape(0).rank() - 2, in, out);
}

}  // namespace

extern const OpDef kTriluOp;
constinit const OpDef kTriluOp = {
    .name = "Trilu",
    .role = Role::layout,
    .form = Form::moves,
    .attrs = kAttrs,
    .types = Types::any,
    .storage = Storage::in_place,
    .infer = infer,
    .run = run,
    .rows = rows,
};

}  // namespace taoism::ops
