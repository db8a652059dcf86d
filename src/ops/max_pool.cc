// MaxPool, 1-D and 2-D. A window that holds no input element gives -inf.
#include <cmath>
#include <limits>

#include "ops/core/pool.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {TAOISM_POOL_ATTRS};

Outcome run(const RunContext& context) {
  kernels::max_pool2d(pool_shape(context.node), context.f32(0), context.out_f32(),
                      context.parallel);
  return {};
}

Outcome reference(const RunContext& context) {
  const kernels::Pool2dShape s = pool_shape(context.node);
  for_each_output(s, context.f32(0), context.out_f32(),
                  [&](const float* plane, int64_t oh, int64_t ow) {
                    float best = -std::numeric_limits<float>::infinity();
                    walk_window(s, plane, oh, ow, [&](float v) {
                      if (v > best || std::isnan(v)) best = v;
                    });
                    return best;
                  });
  return {};
}

}  // namespace

extern const OpDef kMaxPoolOp;
constinit const OpDef kMaxPoolOp = {
    .name = "MaxPool",
    .role = Role::nonlinear,
    .form = Form::reveals,
    .attrs = kAttrs,
    .infer = infer_pool,
    .run = run,
    .rows = rows_of_images,
    .split_rows = split_pool_rows,
    .reference = reference,
};

}  // namespace taoism::ops
