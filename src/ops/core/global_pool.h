// What GlobalAveragePool and GlobalMaxPool share: [N, C, spatial...] -> [N, C, 1...]. Trusted.
#pragma once

#include "ops/core/rules.h"
#include "ops/core/split.h"

namespace taoism::ops {

inline Status infer_global_pool(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 0, "x", 3, ir::kMaxRank));
  ir::Shape shape = node.shape(0);
  for (size_t i = 2; i < shape.rank(); ++i) shape[i] = 1;
  outputs[0] = {ir::DType::f32, shape};
  return {};
}

struct Planes {
  int64_t count, elements;
};

inline Planes planes_of(const NodeView& node) {
  const ir::Shape& x = node.shape(0);
  return {x.product(0, 2), x.product(2, x.rank())};
}

}  // namespace taoism::ops
