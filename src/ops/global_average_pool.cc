// GlobalAveragePool: the mean of each channel's plane.
#include "kernels/pool.h"
#include "ops/core/global_pool.h"

namespace taoism::ops {
namespace {

void run(const RunContext& context) {
  const Planes planes = planes_of(context.node);
  kernels::global_average_pool(planes.count, planes.elements, context.f32(0), context.out_f32(),
                               context.parallel);
}

void reference(const RunContext& context) {
  const Planes planes = planes_of(context.node);
  for (int64_t p = 0; p < planes.count; ++p) {
    double sum = 0;
    for (int64_t i = 0; i < planes.elements; ++i) sum += context.f32(0)[p * planes.elements + i];
    context.out_f32()[p] = static_cast<float>(sum / static_cast<double>(planes.elements));
  }
}

}  // namespace

extern const OpDef kGlobalAveragePoolOp;
constinit const OpDef kGlobalAveragePoolOp = {
    .name = "GlobalAveragePool",
    .role = Role::nonlinear,
    .tolerance = {.relative = 2e-6F, .absolute = 1e-6F},
    .infer = infer_global_pool,
    .run = run,
    .splits_batch = splits_batch_of_first,
    .reference = reference,
};

}  // namespace taoism::ops
