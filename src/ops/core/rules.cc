#include "ops/core/rules.h"

#include <limits>

namespace taoism::ops {

std::string list_text(std::span<const int64_t> values) {
  constexpr size_t kShown = 8;
  std::string result = "[";
  for (size_t i = 0; i < values.size() && i < kShown; ++i) {
    if (i > 0) result += ", ";
    result += std::to_string(values[i]);
  }
  if (values.size() > kShown) result += ", ...";
  return result + "]";
}

Result<size_t> normalize_axis(int64_t axis, size_t rank, const char* attribute) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    return invalid_argument(std::string(attribute) + " must be in [" +
                            std::to_string(-signed_rank) + ", " + std::to_string(signed_rank - 1) +
                            "], got " + std::to_string(axis));
  }
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

Status expect_rank(const NodeView& node, size_t index, const char* what, size_t lowest,
                   size_t highest) {
  const size_t rank = node.shape(index).rank();
  if (rank >= lowest && rank <= highest) return {};
  std::string range = std::to_string(lowest);
  if (highest != lowest) range += " to " + std::to_string(highest);
  return unsupported(std::string(what) + " must have rank " + range + ", got shape " +
                     node.shape(index).text());
}

Status expect_weight(const NodeView& node, size_t index, const char* what, const ir::Shape& shape) {
  if (!node.inputs[index].is_weight) {
    return unsupported(std::string(what) + " must be a constant");
  }
  if (!(node.shape(index) == shape)) {
    return invalid_argument(std::string(what) + " must have shape " + shape.text() + ", got " +
                            node.shape(index).text());
  }
  return {};
}

uint64_t saturating_mul(uint64_t a, uint64_t b) {
  return checked_mul(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

uint64_t saturating_add(uint64_t a, uint64_t b) {
  return checked_add(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

uint64_t elements_per_image(const ir::Shape& shape) {
  return shape.rank() == 0 ? 1 : static_cast<uint64_t>(shape.product(1, shape.rank()));
}

}  // namespace taoism::ops
