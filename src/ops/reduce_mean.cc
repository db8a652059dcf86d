// ReduceMean over the axes in the attribute; none means all.
#include "ops/core/reduction.h"

namespace taoism::ops {
namespace {

void reference(const RunContext& context) {
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    double sum = 0;
    int64_t count = 0;
    inner([&](int64_t offset) {
      sum += context.f32(0)[first + offset];
      ++count;
    });
    context.out_f32()[output] = static_cast<float>(sum / static_cast<double>(count));
  });
}

void run(const RunContext& context) {
  const std::optional<kernels::AxisShape> shape = middle_axis(context.node);
  if (!shape) return reference(context);  // such as the mean over batch and pixels: rare
  kernels::reduce_mean(*shape, context.f32(0), context.out_f32(), context.parallel);
}

}  // namespace

extern const OpDef kReduceMeanOp;
constinit const OpDef kReduceMeanOp = {
    .name = "ReduceMean",
    .role = Role::nonlinear,
    .attrs = kReductionAttrs,
    .tolerance = {.relative = 1e-5F, .absolute = 1e-6F},
    .infer = infer_reduction,
    .run = run,
    .splits_batch = reduction_splits_batch,
    .reference = reference,
};

}  // namespace taoism::ops
