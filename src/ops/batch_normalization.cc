// BatchNormalization at inference: x, scale, bias, mean, var -> (x - mean) / sqrt(var + epsilon) *
// scale + bias, per channel.
#include <cmath>

#include "kernels/elementwise.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"epsilon", AttrSpec::real}};
constexpr size_t kX = 0, kScale = 1, kBias = 2, kMean = 3, kVar = 4;
constexpr float kDefaultEpsilon = 1e-5F;

int64_t channels_of(const NodeView& node) { return node.shape(kX)[1]; }

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kX, "x", 2, ir::kMaxRank));
  constexpr const char* kNames[] = {"x", "scale", "bias", "mean", "var"};
  for (size_t i = kScale; i <= kVar; ++i) {
    TAOISM_RETURN_IF_ERROR(expect_weight(node, i, kNames[i], {channels_of(node)}));
  }
  outputs[0] = node.inputs[kX].desc;
  return {};
}

Cost cost(const NodeView& node) {
  return {.macs = saturating_mul(2, elements_per_image(node.shape(kX))),
          .params = 2 * static_cast<uint64_t>(channels_of(node))};
}

// scale and shift of every channel.
size_t scratch_bytes(const NodeView& node, size_t) {
  return 2 * static_cast<size_t>(channels_of(node)) * sizeof(float);
}

struct ScaleShift {
  double scale, shift;
};

ScaleShift channel(const RunContext& context, int64_t c) {
  const double epsilon = context.node.attrs.f("epsilon", kDefaultEpsilon);
  const double scale = context.f32(kScale)[c] / std::sqrt(context.f32(kVar)[c] + epsilon);
  return {scale, context.f32(kBias)[c] - context.f32(kMean)[c] * scale};
}

Outcome run(const RunContext& context) {
  const ir::Shape& x = context.node.shape(kX);
  const int64_t channels = channels_of(context.node);
  auto* scale = reinterpret_cast<float*>(context.scratch.data());
  float* shift = scale + channels;
  for (int64_t c = 0; c < channels; ++c) {
    const ScaleShift both = channel(context, c);
    scale[c] = static_cast<float>(both.scale);
    shift[c] = static_cast<float>(both.shift);
  }
  kernels::scale_shift(x[0], channels, x.product(2, x.rank()), context.f32(kX), scale, shift,
                       context.out_f32(), {}, context.parallel);
  return {};
}

Outcome reference(const RunContext& context) {
  const ir::Shape& x = context.node.shape(kX);
  const int64_t inner = x.product(2, x.rank());
  const int64_t elements = x.elements();
  for (int64_t i = 0; i < elements; ++i) {
    const ScaleShift both = channel(context, i / inner % channels_of(context.node));
    context.out_f32()[i] = static_cast<float>(context.f32(kX)[i] * both.scale + both.shift);
  }
  return {};
}

}  // namespace

extern const OpDef kBatchNormalizationOp;
constinit const OpDef kBatchNormalizationOp = {
    .name = "BatchNormalization",
    .role = Role::affine,
    .form = Form::affine_in_first,
    .attrs = kAttrs,
    .min_inputs = 5,
    .max_inputs = 5,
    .storage = Storage::in_place,
    .tolerance = {.relative = 2e-6F, .absolute = 1e-6F},
    .infer = infer,
    .cost = cost,
    .scratch_bytes = scratch_bytes,
    .run = run,
    .rows = rows_of_images,
    .split_rows = split_rows_alike,
    .reference = reference,
};

}  // namespace taoism::ops
