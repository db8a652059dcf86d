// GlobalMaxPool: the largest element of each channel's plane.
#include <cmath>

#include "kernels/pool.h"
#include "ops/core/global_pool.h"

namespace taoism::ops {
namespace {

void run(const RunContext& context) {
  const Planes planes = planes_of(context.node);
  const kernels::Pool2dShape shape = {
      .channels = planes.count, .in_w = planes.elements, .kernel_w = planes.elements};
  kernels::max_pool2d(shape, context.f32(0), context.out_f32(), context.parallel);
}

void reference(const RunContext& context) {
  const Planes planes = planes_of(context.node);
  for (int64_t p = 0; p < planes.count; ++p) {
    const float* plane = context.f32(0) + p * planes.elements;
    float best = plane[0];
    for (int64_t i = 1; i < planes.elements; ++i) {
      if (plane[i] > best || std::isnan(plane[i])) best = plane[i];
    }
    context.out_f32()[p] = best;
  }
}

}  // namespace

extern const OpDef kGlobalMaxPoolOp;
constinit const OpDef kGlobalMaxPoolOp = {
    .name = "GlobalMaxPool",
    .role = Role::nonlinear,
    .infer = infer_global_pool,
    .run = run,
    .splits_batch = splits_batch_of_first,
    .reference = reference,
};

}  // namespace taoism::ops
