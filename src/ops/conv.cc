// Conv: x, w, [bias], [residual] -> activation(x * w + bias + residual), 1-D and 2-D. The residual
// and the activation are what partition/fuse puts there.
#include "kernels/conv_choice.h"
#include "ops/core/conv_geometry.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"
#include "ops/fused.h"

namespace taoism::ops {
namespace {

// kernel, block_depth, tile_width: kernels::ConvPacking.
constexpr AttrSpec kAttrs[] = {TAOISM_CONV_ATTRS,
                               TAOISM_FUSED_ACTIVATION_ATTRS,
                               {.name = "kernel", .kind = AttrSpec::text, .chosen = true},
                               TAOISM_TILE_ATTRS};
constexpr size_t kX = 0, kW = 1, kBias = 2, kResidual = 3;

Result<ConvGeometry> geometry_of(const NodeView& node) {
  const ir::Shape& w = node.shape(kW);
  TAOISM_ASSIGN_OR_RETURN(ConvGeometry geometry,
                          conv_geometry(node.attrs, node.shape(kX), w[0], w.dims().subspan(2)));
  geometry.shape.packing = {
      kernels::find_conv_kernel(node.attrs.s("kernel", "")).value_or(kernels::ConvKernel::none),
      node.attrs.i("block_depth", 0), node.attrs.i("tile_width", 0)};
  return geometry;
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kX, "x", 3, 4));
  const ir::Shape& x = node.shape(kX);
  TAOISM_RETURN_IF_ERROR(expect_rank(node, kW, "w", x.rank(), x.rank()));
  const ir::Shape& w = node.shape(kW);
  TAOISM_ASSIGN_OR_RETURN(const ConvGeometry geometry, geometry_of(node));
  ir::Shape expected = w;
  expected[1] = x[1] / geometry.shape.groups;
  TAOISM_RETURN_IF_ERROR(expect_weight(node, kW, "w", expected));
  if (node.has(kBias)) TAOISM_RETURN_IF_ERROR(expect_weight(node, kBias, "bias", {w[0]}));
  if (node.has(kResidual) && !(node.shape(kResidual) == geometry.output)) {
    return invalid_argument("residual must have the output's shape " + geometry.output.text() +
                            ", got " + node.shape(kResidual).text());
  }
  TAOISM_RETURN_IF_ERROR(fused_activation(node.attrs).status());
  outputs[0] = {ir::DType::f32, geometry.output};
  return {};
}

Cost cost(const NodeView& node) {
  const ConvGeometry geometry = *geometry_of(node);
  const auto weights = static_cast<uint64_t>(node.shape(kW).elements());
  const auto pixels = static_cast<uint64_t>(geometry.shape.out_h * geometry.shape.out_w);
  const auto bias = node.has(kBias) ? static_cast<uint64_t>(node.shape(kW)[0]) : 0;
  return {.macs = saturating_mul(pixels, weights), .params = weights + bias};
}

void choose(const NodeView& node, ir::Attrs& attrs) {
  const kernels::ConvPacking packing = kernels::choose_conv2d(geometry_of(node)->shape);
  attrs.set("kernel", std::string(kernels::conv_kernel_name(packing.kernel)));
  attrs.set("block_depth", packing.block_depth);
  attrs.set("tile_width", packing.tile_width);
}

bool applies(const NodeView& node) { return kernels::conv2d_applies(geometry_of(node)->shape); }

size_t packed_bytes(const NodeView& node, size_t input) {
  return input == kW ? kernels::conv2d_packed_bytes(geometry_of(node)->shape) : 0;
}

void pack(const NodeView& node, size_t, const std::byte* raw, std::byte* packed) {
  kernels::conv2d_pack(geometry_of(node)->shape, reinterpret_cast<const float*>(raw),
                       reinterpret_cast<float*>(packed));
}

size_t scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::conv2d_scratch_bytes(geometry_of(node)->shape, threads);
}

size_t least_scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::conv2d_least_scratch_bytes(geometry_of(node)->shape, threads);
}

size_t least_part_scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::conv2d_least_part_scratch_bytes(geometry_of(node)->shape, threads);
}

kernels::Epilogue epilogue_of(const RunContext& context) {
  return {.bias = context.f32(kBias),
          .residual = context.f32(kResidual),
          .activation = *fused_activation(context.node.attrs)};
}

Outcome run(const RunContext& context) {
  kernels::conv2d(geometry_of(context.node)->shape, context.f32(kX), context.f32(kW),
                  epilogue_of(context), context.out_f32(), context.scratch, context.parallel);
  return {};
}

size_t piece_end(const NodeView& node, size_t, size_t begin, size_t target_bytes) {
  return kernels::conv2d_piece_end(geometry_of(node)->shape, begin, target_bytes);
}

Outcome run_part(const RunContext& context, size_t, size_t begin, size_t end) {
  kernels::conv2d_part(geometry_of(context.node)->shape, begin, end, context.f32(kX),
                       context.f32(kW), epilogue_of(context), context.out_f32(), context.scratch,
                       context.parallel);
  return {};
}

size_t part_scratch_bytes(const NodeView& node, size_t threads) {
  return kernels::conv2d_part_scratch_bytes(geometry_of(node)->shape, threads);
}

Outcome reference(const RunContext& context) {
  const ConvGeometry geometry = *geometry_of(context.node);
  const kernels::Conv2dShape& s = geometry.shape;
  const kernels::Epilogue epilogue = epilogue_of(context);
  int64_t at = 0;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t oc = 0; oc < s.out_channels; ++oc) {
      const float* row = context.f32(kW) + oc * geometry.row_elems();
      for (int64_t oh = 0; oh < s.out_h; ++oh) {
        for (int64_t ow = 0; ow < s.out_w; ++ow, ++at) {
          double sum =
              conv_sum(s, context.f32(kX), n, oc, oh, ow, [&](int64_t k) { return row[k]; });
          if (epilogue.bias != nullptr) sum += epilogue.bias[oc];
          if (epilogue.residual != nullptr) sum += epilogue.residual[at];
          context.out_f32()[at] = static_cast<float>(activate(sum, epilogue.activation));
        }
      }
    }
  }
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  if (node.has(kResidual) && !(in[kResidual] == in[kX])) return kMixesInputs;
  return rows_of_images(node, in.first(std::min<size_t>(in.size(), kResidual)), out);
}

bool split_rows(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs) {
  if (!has_rows(node, out)) return false;
  const Window window = *window_of(node.attrs, 2, node.shape(kW).dims().subspan(2));
  if (!split_window_rows(node, window, kX, out, in, attrs)) return false;
  if (node.has(kResidual)) {
    if (node.inputs[kResidual].is_weight) return false;
    in[kResidual] = out;
  }
  return true;
}

int64_t row_step(const NodeView& node) {
  return kernels::conv2d_row_step(geometry_of(node)->shape);
}

}  // namespace

extern const OpDef kConvOp;
constinit const OpDef kConvOp = {
    .name = "Conv",
    .role = Role::linear,
    .form = Form::affine_in_each,
    .attrs = kAttrs,
    .min_inputs = 2,
    .max_inputs = 4,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-5F},
    .infer = infer,
    .cost = cost,
    .choose = choose,
    .applies = applies,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .least_scratch_bytes = least_scratch_bytes,
    .least_part_scratch_bytes = least_part_scratch_bytes,
    .run = run,
    .piece_end = piece_end,
    .run_part = run_part,
    .part_scratch_bytes = part_scratch_bytes,
    .rows = rows,
    .split_rows = split_rows,
    .row_step = row_step,
    .reference = reference,
};

}  // namespace taoism::ops
