// A set of tensors with memory of their own, as a session's inputs or outputs.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "runtime/session.h"

namespace taoism::runtime {

class Tensors {
 public:
  Tensors() = default;
  explicit Tensors(std::span<const TensorSpec> specs) {
    for (const TensorSpec& spec : specs) {
      buffers_.emplace_back(std::max<size_t>(spec.desc.bytes(), 1));
      views_.push_back({spec.desc, buffers_.back().data()});
      const_views_.push_back(views_.back());
    }
  }

  std::span<const ir::TensorView> views() const { return views_; }
  std::span<const ir::ConstTensorView> const_views() const { return const_views_; }

 private:
  std::vector<AlignedBuffer> buffers_;
  std::vector<ir::TensorView> views_;
  std::vector<ir::ConstTensorView> const_views_;
};

// How far `got` is from `want`: the largest absolute difference, and that over the range of `want`
// (over its largest magnitude if the range is 0). NaN if one side alone has NaN somewhere.
struct Difference {
  double absolute = 0;
  double relative = 0;
};
// Of float32, float16 and bfloat16; others are equal, or NaN apart.
Difference difference(std::span<const ir::ConstTensorView> want,
                      std::span<const ir::ConstTensorView> got);

// Twice what rounding to this type may change, of numbers near 1; 0 of what is no float.
double unit_of(ir::DType dtype);
bool is_real(ir::DType dtype);  // float32, float16, bfloat16

// Of floats, standard normal values, the same for the same seed on every machine.
void fill_normal(std::span<const ir::TensorView> tensors, uint64_t seed);

}  // namespace taoism::runtime
