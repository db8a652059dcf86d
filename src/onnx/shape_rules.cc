#include "onnx/shape_rules.h"

#include <algorithm>
#include <string>

namespace taoism::onnx {

std::string list_text(std::span<const int64_t> values) {
  constexpr size_t kShown = 12;
  std::string result;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i == kShown) return result + ", ...";
    result += (i > 0 ? ", " : "") + std::to_string(values[i]);
  }
  return result;
}

Result<size_t> resolve_axis(int64_t axis, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    return invalid_argument("axis " + std::to_string(axis) + " of a tensor of rank " +
                            std::to_string(rank));
  }
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

Result<std::vector<bool>> resolve_axes(std::span<const int64_t> axes, size_t rank) {
  std::vector<bool> set(rank, false);
  for (const int64_t given : axes) {
    TAOISM_ASSIGN_OR_RETURN(const size_t axis, resolve_axis(given, rank));
    if (set[axis]) return invalid_argument("axes " + list_text(axes) + " name one axis twice");
    set[axis] = true;
  }
  return set;
}

Result<ir::Shape> reshape_target(const ir::Shape& x, std::span<const int64_t> target,
                                 bool allow_zero) {
  const auto contradiction = [&] {
    return invalid_argument("shape " + list_text(target) + " does not hold " + x.text());
  };
  if (target.size() > ir::kMaxRank) {
    return unsupported("shape has " + std::to_string(target.size()) + " dimensions, at most " +
                       std::to_string(ir::kMaxRank) + " are supported");
  }
  ir::Shape result;
  size_t open = target.size();
  for (size_t i = 0; i < target.size(); ++i) {
    int64_t dim = target[i];
    if (dim == 0 && !allow_zero) {
      if (i >= x.rank()) return contradiction();
      dim = x[i];
    }
    if (dim < -1 || (dim == -1 && open != target.size())) return contradiction();
    if (dim == -1) open = i;
    result.push_back(dim == -1 ? 1 : dim);
  }
  if (!result.is_bounded()) return contradiction();
  const int64_t have = x.elements(), known = result.elements();
  if (open != target.size()) {
    if (known == 0 || have % known != 0) return contradiction();
    result[open] = have / known;
  } else if (known != have) {
    return contradiction();
  }
  return result;
}

Result<ir::Shape> squeeze_target(const ir::Shape& x, std::span<const int64_t> axes) {
  TAOISM_ASSIGN_OR_RETURN(const std::vector<bool> dropped, resolve_axes(axes, x.rank()));
  ir::Shape result;
  for (size_t i = 0; i < x.rank(); ++i) {
    if (dropped[i] && x[i] != 1) {
      return invalid_argument("axis " + std::to_string(i) + " of " + x.text() + " is not 1");
    }
    if (axes.empty() ? x[i] != 1 : !dropped[i]) result.push_back(x[i]);
  }
  return result;
}

Result<ir::Shape> unsqueeze_target(const ir::Shape& x, std::span<const int64_t> axes) {
  const size_t rank = x.rank() + axes.size();
  if (rank > ir::kMaxRank) {
    return unsupported("result has " + std::to_string(rank) + " dimensions, at most " +
                       std::to_string(ir::kMaxRank) + " are supported");
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<bool> added, resolve_axes(axes, rank));
  ir::Shape result;
  for (size_t i = 0, from = 0; i < rank; ++i) result.push_back(added[i] ? 1 : x[from++]);
  return result;
}

Result<ir::Shape> flatten_target(const ir::Shape& x, int64_t axis) {
  const auto rank = static_cast<int64_t>(x.rank());
  if (axis < -rank || axis > rank) {
    return invalid_argument("axis " + std::to_string(axis) + " of a tensor of rank " +
                            std::to_string(rank));
  }
  const auto at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return ir::Shape{x.product(0, at), x.product(at, x.rank())};
}

Result<std::vector<int64_t>> split_lengths(int64_t dim, std::span<const int64_t> given,
                                           int64_t count) {
  if (given.empty()) {
    if (count < 1 || count > std::max<int64_t>(dim, 1)) {
      return invalid_argument(std::to_string(count) + " parts of a dimension of " +
                              std::to_string(dim));
    }
    const int64_t part = (dim + count - 1) / count;
    std::vector<int64_t> lengths;
    for (int64_t at = 0; at < count; ++at) {
      lengths.push_back(std::clamp<int64_t>(dim - at * part, 0, part));
    }
    return lengths;
  }
  int64_t left = dim;
  for (const int64_t length : given) {
    if (length < 0 || length > left) left = -1;
    if (left < 0) break;
    left -= length;
  }
  if (left != 0) {
    return invalid_argument("split " + list_text(given) + " does not add up to " +
                            std::to_string(dim));
  }
  return std::vector<int64_t>(given.begin(), given.end());
}

}  // namespace taoism::onnx
