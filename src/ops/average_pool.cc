// AveragePool, 1-D and 2-D. With count_include_pad the padding counts in the divisor; what
// ceil_mode adds beyond it never does.
#include "ops/core/pool.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {TAOISM_POOL_ATTRS, {"count_include_pad", AttrSpec::integer}};

bool counts_pad(const NodeView& node) { return node.attrs.i("count_include_pad") != 0; }

Outcome reference(const RunContext& context) {
  const kernels::Pool2dShape s = pool_shape(context.node);
  const bool with_pad = counts_pad(context.node);
  for_each_output(s, context.f32(0), context.out_f32(),
                  [&](const float* plane, int64_t oh, int64_t ow) {
                    double sum = 0;
                    int64_t inside = 0;
                    const int64_t padded = walk_window(s, plane, oh, ow, [&](float v) {
                      sum += v;
                      ++inside;
                    });
                    const int64_t count = with_pad ? padded : inside;
                    return count == 0 ? 0.0F : static_cast<float>(sum / static_cast<double>(count));
                  });
  return {};
}

Outcome run(const RunContext& context) {
  const kernels::Pool2dShape s = pool_shape(context.node);
  // The kernel has no dilation; no model we know of has one either.
  if (s.dilation_h != 1 || s.dilation_w != 1) return reference(context);
  kernels::average_pool2d(s, counts_pad(context.node), context.f32(0), context.out_f32(),
                          context.parallel);
  return {};
}

// What ceil_mode adds would become padding of the band, and count.
bool split_rows(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs) {
  return node.attrs.i("ceil_mode") == 0 && split_pool_rows(node, out, in, attrs);
}

}  // namespace

extern const OpDef kAveragePoolOp;
constinit const OpDef kAveragePoolOp = {
    .name = "AveragePool",
    .role = Role::nonlinear,
    .form = Form::affine,
    .attrs = kAttrs,
    .tolerance = {.relative = 2e-6F, .absolute = 1e-6F},
    .infer = infer_pool,
    .run = run,
    .rows = rows_of_images,
    .split_rows = split_rows,
    .reference = reference,
};

}  // namespace taoism::ops
