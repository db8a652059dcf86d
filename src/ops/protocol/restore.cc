// taoism.Restore: y, [bias] -> activation(y * scale + bias[channel]). Undoes, inside the TEE, the
// scale by which a strategy disguised offloaded weights, and adds the bias that it kept back. The
// channel is dimension 1, the last one where the rank is 2 or less.
#include "kernels/elementwise.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"
#include "ops/fused.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"scale", AttrSpec::real, true}, TAOISM_FUSED_ACTIVATION_ATTRS};
constexpr size_t kY = 0, kBias = 1;

// y as [outer][channels][inner].
struct Layout {
  int64_t outer = 1, channels = 1, inner = 1;
};

Layout layout_of(const ir::Shape& y) {
  if (y.rank() == 0) return {};
  const size_t axis = y.rank() == 1 ? 0 : 1;
  return {y.product(0, axis), y[axis], y.product(axis + 1, y.rank())};
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.has(i) && node.inputs[i].desc.dtype != ir::DType::f32) {
      return invalid_argument("input " + std::to_string(i) + " must be float32");
    }
  }
  if (node.shape(kY).elements() == 0) return invalid_argument("y is empty");
  if (node.has(kBias)) {
    TAOISM_RETURN_IF_ERROR(
        expect_weight(node, kBias, "bias", {layout_of(node.shape(kY)).channels}));
  }
  TAOISM_RETURN_IF_ERROR(fused_activation(node.attrs).status());
  outputs[0] = node.inputs[kY].desc;
  return {};
}

Cost cost(const NodeView& node) {
  return {.macs = saturating_mul(2, elements_per_image(node.shape(kY))),
          .params = node.has(kBias) ? static_cast<uint64_t>(node.shape(kBias).elements()) : 0};
}

size_t scratch_bytes(const NodeView& node, size_t) {
  return static_cast<size_t>(layout_of(node.shape(kY)).channels) * sizeof(float);
}

Outcome run(const RunContext& context) {
  const Layout layout = layout_of(context.node.shape(kY));
  auto* scales = reinterpret_cast<float*>(context.scratch.data());
  for (int64_t c = 0; c < layout.channels; ++c) scales[c] = context.node.attrs.f("scale");
  kernels::scale_shift(layout.outer, layout.channels, layout.inner, context.f32(kY), scales,
                       context.f32(kBias), context.out_f32(), *fused_activation(context.node.attrs),
                       context.parallel);
  return {};
}

Outcome reference(const RunContext& context) {
  const Layout layout = layout_of(context.node.shape(kY));
  const double scale = context.node.attrs.f("scale");
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  const int64_t elements = context.node.shape(kY).elements();
  for (int64_t i = 0; i < elements; ++i) {
    const int64_t c = i / layout.inner % layout.channels;
    const double bias = context.f32(kBias) != nullptr ? context.f32(kBias)[c] : 0.0F;
    context.out_f32()[i] =
        static_cast<float>(activate(context.f32(kY)[i] * scale + bias, activation));
  }
  return {};
}

// The one dimension of a vector counts channels.
const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  return rows_before(node.shape(kY).rank() > 1 ? 1 : 0, in, out);
}

}  // namespace

extern const OpDef kRestoreOp;
constinit const OpDef kRestoreOp = {
    .name = "taoism.Restore",
    .role = Role::protocol,
    .form = Form::affine,
    .attrs = kAttrs,
    .min_inputs = 1,
    .max_inputs = 2,
    .types = Types::own,
    .storage = Storage::in_place,
    .tolerance = {.relative = 2e-6F, .absolute = 1e-6F},
    .infer = infer,
    .cost = cost,
    .scratch_bytes = scratch_bytes,
    .run = run,
    .rows = rows,
    .split_rows = split_rows_alike,
    .reference = reference,
};

}  // namespace taoism::ops
