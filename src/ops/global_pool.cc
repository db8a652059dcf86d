// GlobalAveragePool and GlobalMaxPool: the mean or the largest element of each channel's plane,
// [N, C, spatial...] -> [N, C, 1...].
#include <cmath>

#include "kernels/reduce.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

using kernels::Reduction;

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 0, "x", 3, ir::kMaxRank));
  ir::Shape shape = node.shape(0);
  for (size_t i = 2; i < shape.rank(); ++i) shape[i] = 1;
  outputs[0] = {ir::DType::f32, shape};
  return {};
}

kernels::AxisShape planes_of(const NodeView& node) {
  const ir::Shape& x = node.shape(0);
  return {.outer = x.product(0, 2), .axis = x.product(2, x.rank())};
}

template <Reduction kReduction>
Outcome run(const RunContext& context) {
  kernels::reduce(kReduction, planes_of(context.node), context.f32(0), context.out_f32(),
                  context.parallel);
  return {};
}

double mean(const float* plane, int64_t elements) {
  double sum = 0;
  for (int64_t i = 0; i < elements; ++i) sum += plane[i];
  return sum / static_cast<double>(elements);
}

double largest(const float* plane, int64_t elements) {
  double best = plane[0];
  for (int64_t i = 1; i < elements; ++i) {
    if (plane[i] > best || std::isnan(plane[i])) best = plane[i];
  }
  return best;
}

template <double (*kOfPlane)(const float*, int64_t)>
Outcome reference(const RunContext& context) {
  const kernels::AxisShape planes = planes_of(context.node);
  for (int64_t p = 0; p < planes.outer; ++p) {
    context.out_f32()[p] =
        static_cast<float>(kOfPlane(context.f32(0) + p * planes.axis, planes.axis));
  }
  return {};
}

constexpr OpDef global_pool(const char* name, Form form, Outcome (*run)(const RunContext&),
                            Outcome (*reference)(const RunContext&), Tolerance tolerance) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = form,
          .tolerance = tolerance,
          .infer = infer,
          .run = run,
          .rows = rows_of_images,
          .reference = reference};
}

}  // namespace

TAOISM_OP(GlobalAveragePool) = global_pool("GlobalAveragePool", Form::affine, run<Reduction::mean>,
                                           reference<mean>, {.relative = 2e-6F, .absolute = 1e-6F});
TAOISM_OP(GlobalMaxPool) = global_pool("GlobalMaxPool", Form::reveals, run<Reduction::max>,
                                       reference<largest>, {});

}  // namespace taoism::ops
