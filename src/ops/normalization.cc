// LayerNormalization, RMSNormalization and GroupNormalization (of which instance normalisation is
// the one with as many groups as channels).
#include <cmath>

#include "kernels/normalize.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kLayerAttrs[] = {{"axis", AttrSpec::integer}, {"epsilon", AttrSpec::real}};
constexpr AttrSpec kGroupAttrs[] = {{"num_groups", AttrSpec::integer, true},
                                    {"epsilon", AttrSpec::real}};
constexpr size_t kX = 0, kScale = 1, kShift = 2;
constexpr float kDefaultEpsilon = 1e-5F;
constexpr Tolerance kTolerance = {.relative = 2e-5F, .absolute = 2e-6F};

kernels::NormalizeShape layer_shape(const NodeView& node, bool centered) {
  const ir::Shape& x = node.shape(kX);
  const size_t axis = *normalize_axis(node.attrs.i("axis", -1), x.rank());
  return {.rows = x.product(0, axis),
          .count = x.product(axis, x.rank()),
          .epsilon = node.attrs.f("epsilon", kDefaultEpsilon),
          .centered = centered};
}

// scale and shift have the shape of what is normalised together.
Status infer_layer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const ir::Shape& x = node.shape(kX);
  TAOISM_ASSIGN_OR_RETURN(const size_t axis, normalize_axis(node.attrs.i("axis", -1), x.rank()));
  const ir::Shape row(x.dims().subspan(axis));
  for (size_t i = kScale; i < node.inputs.size(); ++i) {
    if (node.has(i) && !(node.shape(i) == row)) {
      return unsupported(std::string(i == kScale ? "scale" : "bias") + " must have shape " +
                         row.text() + ", got " + node.shape(i).text());
    }
  }
  outputs[0] = node.inputs[kX].desc;
  return {};
}

template <bool kCentered>
Outcome run_layer(const RunContext& context) {
  kernels::normalize_rows(layer_shape(context.node, kCentered), context.f32(kX),
                          context.f32(kScale), context.f32(kShift), context.out_f32(),
                          context.parallel);
  return {};
}

// (x - mean) / sqrt(variance + epsilon) of a row, in float64, times scale(i) plus shift(i).
template <typename Scale, typename Shift>
void reference_row(const kernels::NormalizeShape& s, const float* x, float* y, Scale&& scale,
                   Shift&& shift) {
  double mean = 0, square = 0;
  for (int64_t i = 0; i < s.count; ++i) mean += x[i];
  mean = s.centered ? mean / static_cast<double>(s.count) : 0;
  for (int64_t i = 0; i < s.count; ++i) square += (x[i] - mean) * (x[i] - mean);
  const double deviation =
      std::sqrt(square / static_cast<double>(s.count) + static_cast<double>(s.epsilon));
  for (int64_t i = 0; i < s.count; ++i) {
    y[i] = static_cast<float>((x[i] - mean) / deviation * scale(i) + shift(i));
  }
}

template <bool kCentered>
Outcome reference_layer(const RunContext& context) {
  const kernels::NormalizeShape s = layer_shape(context.node, kCentered);
  const float *scale = context.f32(kScale), *shift = context.f32(kShift);
  for (int64_t row = 0; row < s.rows; ++row) {
    reference_row(
        s, context.f32(kX) + row * s.count, context.out_f32() + row * s.count,
        [&](int64_t i) { return scale[i]; },
        [&](int64_t i) { return shift == nullptr ? 0.0F : shift[i]; });
  }
  return {};
}

const char* rows_of_layer(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  return rows_before(*normalize_axis(node.attrs.i("axis", -1), node.shape(kX).rank()), in, out);
}

constexpr OpDef layer_op(const char* name, uint8_t max_inputs, Outcome (*run)(const RunContext&),
                         Outcome (*reference)(const RunContext&)) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = Form::affine_in_rest,
          .attrs = kLayerAttrs,
          .min_inputs = 2,
          .max_inputs = max_inputs,
          .storage = Storage::in_place,
          .tolerance = kTolerance,
          .infer = infer_layer,
          .run = run,
          .rows = rows_of_layer,
          .reference = reference};
}

struct Groups {
  kernels::NormalizeShape shape;
  int64_t channels = 0, groups = 0, pixels = 0;
};

Groups groups_of(const NodeView& node) {
  const ir::Shape& x = node.shape(kX);
  Groups g;
  g.channels = x[1];
  g.groups = node.attrs.i("num_groups");
  g.pixels = x.product(2, x.rank());
  g.shape = {.rows = x[0] * g.groups,
             .count = g.channels / g.groups * g.pixels,
             .epsilon = node.attrs.f("epsilon", kDefaultEpsilon),
             .centered = true};
  return g;
}

Status infer_group(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kX, "x", 2, ir::kMaxRank));
  const int64_t channels = node.shape(kX)[1], groups = node.attrs.i("num_groups");
  if (groups < 1 || groups > channels || channels % groups != 0) {
    return invalid_argument("num_groups must divide " + std::to_string(channels) +
                            " channels, got " + std::to_string(groups));
  }
  for (size_t i = kScale; i <= kShift; ++i) {
    if (!(node.shape(i) == ir::Shape{channels})) {
      return invalid_argument(std::string(i == kScale ? "scale" : "bias") + " must have shape " +
                              std::to_string(channels) + ", got " + node.shape(i).text());
    }
  }
  outputs[0] = node.inputs[kX].desc;
  return {};
}

Outcome run_group(const RunContext& context) {
  const Groups g = groups_of(context.node);
  kernels::normalize_groups(g.shape, g.groups, g.pixels, context.f32(kX), context.f32(kScale),
                            context.f32(kShift), context.out_f32(), context.parallel);
  return {};
}

Outcome reference_group(const RunContext& context) {
  const Groups g = groups_of(context.node);
  const int64_t per_group = g.channels / g.groups;
  for (int64_t row = 0; row < g.shape.rows; ++row) {
    const auto channel = [&](int64_t i) { return row % g.groups * per_group + i / g.pixels; };
    reference_row(
        g.shape, context.f32(kX) + row * g.shape.count, context.out_f32() + row * g.shape.count,
        [&](int64_t i) { return context.f32(kScale)[channel(i)]; },
        [&](int64_t i) { return context.f32(kShift)[channel(i)]; });
  }
  return {};
}

}  // namespace

TAOISM_OP(LayerNormalization) = layer_op("LayerNormalization", 3, run_layer<true>,
                                         reference_layer<true>);
TAOISM_OP(RMSNormalization) = layer_op("RMSNormalization", 2, run_layer<false>,
                                       reference_layer<false>);
TAOISM_OP(GroupNormalization) = {
    .name = "GroupNormalization",
    .role = Role::nonlinear,
    .form = Form::affine_in_rest,
    .attrs = kGroupAttrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .storage = Storage::in_place,
    .tolerance = kTolerance,
    .infer = infer_group,
    .run = run_group,
    .rows = rows_of_images,
    .reference = reference_group,
};

}  // namespace taoism::ops
