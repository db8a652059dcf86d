// LRN: x / (bias + alpha / size * the sum of squares over neighbouring channels)^beta.
#include <cmath>

#include "ops/core/broadcast.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"size", AttrSpec::integer, true},
                               {"alpha", AttrSpec::real},
                               {"beta", AttrSpec::real},
                               {"bias", AttrSpec::real}};

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 0, "x", 2, ir::kMaxRank));
  const int64_t size = node.attrs.i("size");
  if (size < 1 || size > kMaxExtent) {
    return invalid_argument("size must be in [1, " + std::to_string(kMaxExtent) + "], got " +
                            std::to_string(size));
  }
  outputs[0] = node.inputs[0].desc;
  return {};
}

Outcome run(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const int64_t channels = x[1], pixels = x.product(2, x.rank());
  const int64_t size = context.node.attrs.i("size");
  const double alpha = context.node.attrs.f("alpha", 1e-4F);
  const double beta = context.node.attrs.f("beta", 0.75F);
  const double bias = context.node.attrs.f("bias", 1.0F);
  for_pieces(context.parallel, x[0] * channels, 1, [&](int64_t plane, int64_t) {
    const int64_t c = plane % channels;
    const int64_t first = std::max<int64_t>(0, c - (size - 1) / 2) - c;
    const int64_t last = std::min(channels - 1, c + size / 2) - c;
    const float* from = context.f32(0) + plane * pixels;
    for (int64_t i = 0; i < pixels; ++i) {
      double square = 0;
      for (int64_t n = first; n <= last; ++n) {
        const double v = from[n * pixels + i];
        square += v * v;
      }
      context.out_f32()[plane * pixels + i] = static_cast<float>(
          from[i] / std::pow(bias + alpha / static_cast<double>(size) * square, beta));
    }
  });
  return {};
}

}  // namespace

TAOISM_OP(LRN) = {
    .name = "LRN",
    .role = Role::nonlinear,
    .attrs = kAttrs,
    .infer = infer,
    .run = run,
    .rows = rows_of_images,
};

}  // namespace taoism::ops
