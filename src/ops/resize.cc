// Resize of the last two dimensions to given sizes: nearest and linear, with ONNX's coordinate
// rules (computed in float32, as ONNX Runtime does, so that nearest picks the same element).
#include <algorithm>
#include <cmath>

#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"sizes", AttrSpec::integers, true},
                               {"scales", AttrSpec::reals},
                               {"mode", AttrSpec::text},
                               {"coordinate_transformation_mode", AttrSpec::text},
                               {"nearest_mode", AttrSpec::text}};

constexpr const char* kModes[] = {"nearest", "linear"};
constexpr const char* kCoordinates[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                        "asymmetric"};
constexpr const char* kRoundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

// Where an attribute's text stands in its list of names. Errors: unsupported.
Result<size_t> choice_of(const ir::Attrs& attrs, const char* name,
                         std::span<const char* const> names) {
  const std::string_view given = attrs.s(name, names[0]);
  for (size_t i = 0; i < names.size(); ++i) {
    if (given == names[i]) return i;
  }
  std::string list;
  for (const char* known : names) list += (list.empty() ? "" : ", ") + std::string(known);
  return unsupported(std::string(name) + " must be one of " + list + "; got " + std::string(given));
}

struct Rule {
  bool linear = false;
  size_t coordinates = 0;
  size_t rounding = 0;
};

Result<Rule> rule_of(const ir::Attrs& attrs) {
  Rule rule;
  TAOISM_ASSIGN_OR_RETURN(const size_t mode, choice_of(attrs, "mode", kModes));
  rule.linear = mode == 1;
  TAOISM_ASSIGN_OR_RETURN(rule.coordinates,
                          choice_of(attrs, "coordinate_transformation_mode", kCoordinates));
  TAOISM_ASSIGN_OR_RETURN(rule.rounding, choice_of(attrs, "nearest_mode", kRoundings));
  return rule;
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const ir::Shape& x = node.shape(0);
  TAOISM_RETURN_IF_ERROR(rule_of(node.attrs).status());
  const auto sizes = node.attrs.ints("sizes");
  const auto scales = node.attrs.floats("scales");
  if (sizes.size() != x.rank() || x.rank() == 0) {
    return invalid_argument("sizes must have " + std::to_string(x.rank()) + " elements, got " +
                            list_text(sizes));
  }
  if (!scales.empty() && scales.size() != x.rank()) {
    return invalid_argument("scales must have " + std::to_string(x.rank()) + " elements, got " +
                            std::to_string(scales.size()));
  }
  for (size_t i = 0; i < x.rank(); ++i) {
    if (sizes[i] < 1) return invalid_argument("sizes must be >= 1, got " + list_text(sizes));
    const float scale = scales.empty() ? 1.0F : scales[i];
    const float scaled = static_cast<float>(x[i]) * scale;
    if (!scales.empty() && !(std::isfinite(scale) && scale > 0 &&
                             std::fabs(scaled - static_cast<float>(sizes[i])) <= 1.0F)) {
      return invalid_argument("scales must give the sizes, got another one for " +
                              std::to_string(x[i]) + " to " + std::to_string(sizes[i]));
    }
    if (i + 2 < x.rank() && (sizes[i] != x[i] || scale != 1.0F)) {
      return unsupported("sizes may change the last two dimensions alone, got " + list_text(sizes) +
                         " for " + x.text());
    }
  }
  outputs[0] = {ir::DType::f32, ir::Shape(sizes)};
  return {};
}

// The two neighbours that an output position mixes, and the weight of the higher one.
struct Tap {
  int64_t low, high;
  float high_weight;
};

// One resized dimension.
struct Axis {
  int64_t in = 1, out = 1;
  float scale = 1;
};

float coordinate(const Axis& axis, int64_t position, size_t rule) {
  const auto o = static_cast<float>(position);
  switch (rule) {
    case 0: return (o + 0.5F) / axis.scale - 0.5F;
    case 1: return axis.out > 1 ? (o + 0.5F) / axis.scale - 0.5F : 0.0F;
    case 2:
      return axis.out > 1 ? o * static_cast<float>(axis.in - 1) / static_cast<float>(axis.out - 1)
                          : 0.0F;
    default: return o / axis.scale;
  }
}

Tap tap_of(const Axis& axis, int64_t position, const Rule& rule) {
  const auto last = static_cast<float>(axis.in - 1);
  // Clamped before it becomes an integer: a tiny scale gives infinity.
  const float x = std::clamp(coordinate(axis, position, rule.coordinates), -1.0F, last + 1.0F);
  const auto bounded = [&](float v) {
    return std::clamp<int64_t>(static_cast<int64_t>(v), 0, axis.in - 1);
  };
  if (rule.linear) {
    const float inside = std::clamp(x, 0.0F, last);
    const int64_t low = bounded(std::floor(inside));
    return {low, std::min(low + 1, axis.in - 1), inside - static_cast<float>(low)};
  }
  float rounded = 0;
  switch (rule.rounding) {
    case 0: rounded = std::ceil(x - 0.5F); break;
    case 1: rounded = std::floor(x + 0.5F); break;
    case 2: rounded = std::floor(x); break;
    default: rounded = std::ceil(x); break;
  }
  return {bounded(rounded), bounded(rounded), 0.0F};
}

// axes[0] is the height, axes[1] the width.
std::array<Axis, 2> axes_of(const NodeView& node) {
  const ir::Shape& x = node.shape(0);
  const ir::Shape& out = node.outputs[0].shape;
  const auto scales = node.attrs.floats("scales");
  std::array<Axis, 2> axes;
  for (size_t i = 0; i < 2; ++i) {
    if (x.rank() + i < 2) continue;
    const size_t dim = x.rank() + i - 2;
    axes[i] = {
        x[dim], out[dim],
        scales.empty() ? static_cast<float>(out[dim]) / static_cast<float>(x[dim]) : scales[dim]};
  }
  return axes;
}

size_t scratch_bytes(const NodeView& node, size_t) {
  const std::array<Axis, 2> axes = axes_of(node);
  return static_cast<size_t>(axes[0].out + axes[1].out) * sizeof(Tap);
}

Outcome run(const RunContext& context) {
  const std::array<Axis, 2> axes = axes_of(context.node);
  const Rule rule = *rule_of(context.node.attrs);
  auto* rows = reinterpret_cast<Tap*>(context.scratch.data());
  Tap* columns = rows + axes[0].out;
  for (int64_t y = 0; y < axes[0].out; ++y) rows[y] = tap_of(axes[0], y, rule);
  for (int64_t x = 0; x < axes[1].out; ++x) columns[x] = tap_of(axes[1], x, rule);
  const int64_t planes = context.node.shape(0).elements() / (axes[0].in * axes[1].in);
  const auto tasks = static_cast<size_t>(planes * axes[0].out);
  parallel_for(context.parallel, tasks, [&](size_t task, size_t) {
    const int64_t plane = static_cast<int64_t>(task) / axes[0].out;
    const Tap& row = rows[static_cast<int64_t>(task) % axes[0].out];
    const float* from = context.f32(0) + plane * axes[0].in * axes[1].in;
    const float* upper = from + row.low * axes[1].in;
    const float* lower = from + row.high * axes[1].in;
    float* to = context.out_f32() + static_cast<int64_t>(task) * axes[1].out;
    if (!rule.linear) {
      for (int64_t x = 0; x < axes[1].out; ++x) to[x] = upper[columns[x].low];
      return;
    }
    for (int64_t x = 0; x < axes[1].out; ++x) {
      const Tap& tap = columns[x];
      const float above = upper[tap.low] + (upper[tap.high] - upper[tap.low]) * tap.high_weight;
      const float below = lower[tap.low] + (lower[tap.high] - lower[tap.low]) * tap.high_weight;
      to[x] = above + (below - above) * row.high_weight;
    }
  });
  return {};
}

Outcome reference(const RunContext& context) {
  const std::array<Axis, 2> axes = axes_of(context.node);
  const Rule rule = *rule_of(context.node.attrs);
  const int64_t planes = context.node.shape(0).elements() / (axes[0].in * axes[1].in);
  float* to = context.out_f32();
  for (int64_t plane = 0; plane < planes; ++plane) {
    const float* from = context.f32(0) + plane * axes[0].in * axes[1].in;
    for (int64_t y = 0; y < axes[0].out; ++y) {
      for (int64_t x = 0; x < axes[1].out; ++x) {
        const Tap row = tap_of(axes[0], y, rule), column = tap_of(axes[1], x, rule);
        const double wy = row.high_weight, wx = column.high_weight;
        const auto at = [&](int64_t r, int64_t c) -> double { return from[r * axes[1].in + c]; };
        *to++ = static_cast<float>(
            (1 - wy) * ((1 - wx) * at(row.low, column.low) + wx * at(row.low, column.high)) +
            wy * ((1 - wx) * at(row.high, column.low) + wx * at(row.high, column.high)));
      }
    }
  }
  return {};
}

// The last two dimensions mix.
const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const size_t rank = node.shape(0).rank();
  return rows_before(rank < 2 ? 0 : rank - 2, in, out);
}

}  // namespace

extern const OpDef kResizeOp;
constinit const OpDef kResizeOp = {
    .name = "Resize",
    .role = Role::nonlinear,
    .form = Form::affine_in_first,
    .attrs = kAttrs,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-6F},
    .infer = infer,
    .scratch_bytes = scratch_bytes,
    .run = run,
    .rows = rows,
    .reference = reference,
};

}  // namespace taoism::ops
