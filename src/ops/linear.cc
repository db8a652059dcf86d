// Linear: x [..., in], w [out, in] (trans_w = 1, the default) or [in, out] (trans_w = 0), [bias] ->
// activation(x * w + bias). What import makes of Gemm and of MatMul by a constant matrix.
#include "kernels/linear.h"

#include "ops/core/rows.h"
#include "ops/core/rules.h"
#include "ops/fused.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"trans_w", AttrSpec::integer}, TAOISM_FUSED_ACTIVATION_ATTRS, TAOISM_TILE_ATTRS};
constexpr size_t kX = 0, kW = 1, kBias = 2;

bool is_out_by_in(const NodeView& node) { return node.attrs.i("trans_w", 1) != 0; }

kernels::LinearShape shape_of(const NodeView& node) {
  const ir::Shape& x = node.shape(kX);
  return {.rows = x.product(0, x.rank() - 1),
          .in_features = x[x.rank() - 1],
          .out_features = node.shape(kW)[is_out_by_in(node) ? 0 : 1],
          .packing = {node.attrs.i("block_depth", 0), node.attrs.i("tile_width", 0)}};
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kX, "x", 1, ir::kMaxRank));
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kW, "w", 2, 2));
  const int64_t trans = node.attrs.i("trans_w", 1);
  if (trans != 0 && trans != 1) {
    return invalid_argument("trans_w must be 0 or 1, got " + std::to_string(trans));
  }
  const kernels::LinearShape s = shape_of(node);
  const ir::Shape expected = trans == 1 ? ir::Shape{s.out_features, s.in_features}
                                        : ir::Shape{s.in_features, s.out_features};
  TAOISM_RETURN_IF_ERROR(expect_weight(node, kW, "w", expected));
  if (node.has(kBias)) {
    TAOISM_RETURN_IF_ERROR(expect_weight(node, kBias, "bias", {s.out_features}));
  }
  TAOISM_RETURN_IF_ERROR(fused_activation(node.attrs).status());
  ir::Shape shape = node.shape(kX);
  shape[shape.rank() - 1] = s.out_features;
  outputs[0] = {ir::DType::f32, shape};
  return {};
}

Cost cost(const NodeView& node) {
  const kernels::LinearShape s = shape_of(node);
  const ir::Shape& x = node.shape(kX);
  const auto rows = x.rank() > 2 ? static_cast<uint64_t>(x.product(1, x.rank() - 1)) : 1;
  const auto weights = static_cast<uint64_t>(s.in_features * s.out_features);
  const auto out = static_cast<uint64_t>(s.out_features);
  return {.macs = saturating_mul(rows, weights + out),
          .params = weights + (node.has(kBias) ? out : 0)};
}

void choose(const NodeView& node, ir::Attrs& attrs) {
  const kernels::LinearPacking packing = kernels::choose_linear(shape_of(node));
  attrs.set("block_depth", packing.block_depth);
  attrs.set("tile_width", packing.tile_width);
}

bool applies(const NodeView& node) { return kernels::linear_applies(shape_of(node)); }

size_t packed_bytes(const NodeView& node, size_t input) {
  return input == kW ? kernels::linear_packed_bytes(shape_of(node)) : 0;
}

void pack(const NodeView& node, size_t, const std::byte* raw, std::byte* packed) {
  kernels::linear_pack(shape_of(node), reinterpret_cast<const float*>(raw), !is_out_by_in(node),
                       reinterpret_cast<float*>(packed));
}

size_t scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::linear_scratch_bytes(shape_of(node), threads);
}

kernels::Epilogue epilogue_of(const RunContext& context) {
  return {.bias = context.f32(kBias), .activation = *fused_activation(context.node.attrs)};
}

Outcome run(const RunContext& context) {
  kernels::linear(shape_of(context.node), context.f32(kX), context.f32(kW), epilogue_of(context),
                  context.out_f32(), context.scratch, context.parallel);
  return {};
}

size_t piece_end(const NodeView& node, size_t, size_t begin, size_t target_bytes) {
  return kernels::linear_piece_end(shape_of(node), begin, target_bytes);
}

Outcome run_part(const RunContext& context, size_t, size_t begin, size_t end) {
  kernels::linear_part(shape_of(context.node), begin, end, context.f32(kX), context.f32(kW),
                       epilogue_of(context), context.out_f32(), context.scratch, context.parallel);
  return {};
}

size_t part_scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::linear_part_scratch_bytes(shape_of(node), threads);
}

Outcome reference(const RunContext& context) {
  const kernels::LinearShape s = shape_of(context.node);
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  const bool out_by_in = is_out_by_in(context.node);
  const int64_t step = out_by_in ? 1 : s.out_features;
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t o = 0; o < s.out_features; ++o) {
      const float* w = context.f32(kW) + (out_by_in ? o * s.in_features : o);
      double sum = context.f32(kBias) != nullptr ? context.f32(kBias)[o] : 0.0F;
      for (int64_t i = 0; i < s.in_features; ++i) {
        sum += static_cast<double>(context.f32(kX)[r * s.in_features + i]) * w[i * step];
      }
      context.out_f32()[r * s.out_features + o] = static_cast<float>(activate(sum, activation));
    }
  }
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  return rows_before(node.shape(kX).rank() - 1, in, out);
}

}  // namespace

extern const OpDef kLinearOp;
constinit const OpDef kLinearOp = {
    .name = "Linear",
    .role = Role::linear,
    .form = Form::affine_in_each,
    .attrs = kAttrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-5F},
    .infer = infer,
    .cost = cost,
    .choose = choose,
    .applies = applies,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .run = run,
    .piece_end = piece_end,
    .run_part = run_part,
    .part_scratch_bytes = part_scratch_bytes,
    .rows = rows,
    .reference = reference,
};

}  // namespace taoism::ops
