// What shape rules share: bounds on attributes and one-line errors. Messages name the attribute and
// the value; check_and_infer puts the operator and the node before them. Trusted.
#pragma once

#include <span>
#include <string>

#include "ops/op.h"

namespace taoism::ops {

// The largest kernel extent, stride, dilation, pad, slice step: far above any real model, and far
// below where a product of two of them and a dimension overflows.
inline constexpr int64_t kMaxExtent = int64_t{1} << 20;

std::string list_text(std::span<const int64_t> values);  // "[1, 2]", cut after 8

// `axis` counted from the front, for an axis in [-rank, rank). Errors: invalid_argument.
Result<size_t> normalize_axis(int64_t axis, size_t rank, const char* attribute = "axis");

// Whether input `index` has a rank in [lowest, highest]; `what` names it ("x", "w").
Status expect_rank(const NodeView& node, size_t index, const char* what, size_t lowest,
                   size_t highest);
// Whether input `index` is a weight of exactly this shape.
Status expect_weight(const NodeView& node, size_t index, const char* what, const ir::Shape& shape);

// a * b, or the largest uint64_t when it does not fit.
uint64_t saturating_mul(uint64_t a, uint64_t b);
uint64_t saturating_add(uint64_t a, uint64_t b);

// Elements of one image: everything after the first dimension.
uint64_t elements_per_image(const ir::Shape& shape);

}  // namespace taoism::ops
