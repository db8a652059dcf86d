// Softmax and LogSoftmax along one axis (opset 13 semantics: the axis alone, not what follows it).
#include "kernels/softmax.h"

#include <cmath>

#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrSpec::integer}};

Result<size_t> axis_of(const NodeView& node) {
  return normalize_axis(node.attrs.i("axis", -1), node.shape(0).rank());
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(axis_of(node).status());
  outputs[0] = node.inputs[0].desc;
  return {};
}

kernels::AxisShape shape_of(const NodeView& node) {
  const ir::Shape& x = node.shape(0);
  const size_t axis = *axis_of(node);
  return {.outer = x.product(0, axis), .axis = x[axis], .inner = x.product(axis + 1, x.rank())};
}

template <auto kKernel>
Outcome run(const RunContext& context) {
  kKernel(shape_of(context.node), context.f32(0), context.out_f32(), context.parallel);
  return {};
}

// In float64.
template <bool kLog>
Outcome reference(const RunContext& context) {
  const kernels::AxisShape s = shape_of(context.node);
  for (int64_t o = 0; o < s.outer; ++o) {
    for (int64_t i = 0; i < s.inner; ++i) {
      const float* x = context.f32(0) + o * s.axis * s.inner + i;
      float* y = context.out_f32() + o * s.axis * s.inner + i;
      double highest = x[0], sum = 0;
      for (int64_t a = 1; a < s.axis; ++a) highest = std::fmax(highest, x[a * s.inner]);
      for (int64_t a = 0; a < s.axis; ++a) sum += std::exp(x[a * s.inner] - highest);
      for (int64_t a = 0; a < s.axis; ++a) {
        const double shifted = x[a * s.inner] - highest;
        y[a * s.inner] =
            static_cast<float>(kLog ? shifted - std::log(sum) : std::exp(shifted) / sum);
      }
    }
  }
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  return rows_beside(*axis_of(node), in, out);
}

constexpr OpDef softmax_op(const char* name, Outcome (*run)(const RunContext&),
                           Outcome (*reference)(const RunContext&)) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = Form::reveals,
          .attrs = kAttrs,
          .storage = Storage::in_place,
          .tolerance = {.relative = 1e-5F, .absolute = 1e-7F},
          .infer = infer,
          .run = run,
          .rows = rows,
          .reference = reference};
}

}  // namespace

TAOISM_OP(LogSoftmax) = softmax_op("LogSoftmax", run<kernels::log_softmax>, reference<true>);
TAOISM_OP(Softmax) = softmax_op("Softmax", run<kernels::softmax>, reference<false>);

}  // namespace taoism::ops
