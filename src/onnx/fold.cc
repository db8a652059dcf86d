#include "onnx/fold.h"

#include <algorithm>
#include <cmath>

#include "host/memory.h"
#include "onnx/shape_rules.h"
#include "ops/core/index.h"
#include "ops/outcome.h"

namespace taoism::onnx {
namespace {

using Constants = Result<std::vector<ConstantPtr>>;
using ops::Index;

Constants one(std::shared_ptr<const ir::Constant> constant) {
  return std::vector<ConstantPtr>{std::move(constant)};
}

// out[index] = in[offset + index * strides].
Result<ConstantPtr> copy_strided(const FoldNode& node, const ir::Constant& in, int64_t offset,
                                 const Index& strides, const ir::Shape& shape) {
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(in.desc.dtype, shape));
  const size_t bytes = ir::dtype_bytes(in.desc.dtype);
  std::byte* to = out.data;
  ops::for_each_index(shape, [&](const Index& index, int64_t) {
    const int64_t from = offset + ops::offset_of(index, strides, shape.rank());
    std::memcpy(to, in.data + static_cast<size_t>(from) * bytes, bytes);
    to += bytes;
  });
  return ConstantPtr(out.constant);
}

// The same elements under another shape: nothing is copied.
Constants renamed(const ConstantPtr& in, const ir::Shape& shape) {
  auto constant = std::make_shared<ir::Constant>(*in);
  constant->desc.shape = shape;
  return one(std::move(constant));
}

Constants fold_identity(const FoldNode& node) { return one(node.inputs[0]); }

Constants fold_reshape(const FoldNode& node) {
  const bool allow_zero = node.attrs.i("allowzero", 0) != 0;
  TAOISM_ASSIGN_OR_RETURN(const auto target, node.ints(1, ""));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape,
                          reshape_target(node.inputs[0]->desc.shape, target, allow_zero));
  return renamed(node.inputs[0], shape);
}

Constants fold_squeeze(const FoldNode& node) {
  TAOISM_ASSIGN_OR_RETURN(const auto axes, node.ints(1, "axes"));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, squeeze_target(node.inputs[0]->desc.shape, axes));
  return renamed(node.inputs[0], shape);
}

Constants fold_unsqueeze(const FoldNode& node) {
  TAOISM_ASSIGN_OR_RETURN(const auto axes, node.ints(1, "axes"));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape,
                          unsqueeze_target(node.inputs[0]->desc.shape, axes));
  return renamed(node.inputs[0], shape);
}

Constants fold_flatten(const FoldNode& node) {
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape,
                          flatten_target(node.inputs[0]->desc.shape, node.attrs.i("axis", 1)));
  return renamed(node.inputs[0], shape);
}

Constants fold_transpose(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  const size_t rank = x.desc.shape.rank();
  std::vector<int64_t> perm = node.attrs.ints("perm");
  for (size_t i = 0; perm.size() < rank && !node.attrs.has("perm"); ++i) {
    perm.push_back(static_cast<int64_t>(rank - 1 - i));
  }
  TAOISM_RETURN_IF_ERROR(resolve_axes(perm, rank).status());
  if (perm.size() != rank) return invalid_argument("perm " + list_text(perm));
  const Index own = ops::strides_of(x.desc.shape);
  ir::Shape shape;
  Index strides = {};
  for (size_t i = 0; i < rank; ++i) {
    TAOISM_ASSIGN_OR_RETURN(const size_t from, resolve_axis(perm[i], rank));
    shape.push_back(x.desc.shape[from]);
    strides[i] = own[from];
  }
  TAOISM_ASSIGN_OR_RETURN(ConstantPtr out, copy_strided(node, x, 0, strides, shape));
  return one(std::move(out));
}

Constants fold_gather(const FoldNode& node) {
  if (node.has(1)) TAOISM_RETURN_IF_ERROR(check_integers(*node.inputs[1]));
  const auto indices = node.has(1) ? integers_of(*node.inputs[1]) : std::nullopt;
  if (!indices) return invalid_argument("indices must be integers");
  const ir::Constant& x = *node.inputs[0];
  const ir::Shape& indices_shape = node.inputs[1]->desc.shape;
  TAOISM_ASSIGN_OR_RETURN(const size_t axis,
                          resolve_axis(node.attrs.i("axis", 0), x.desc.shape.rank()));
  const ir::Shape& in = x.desc.shape;
  if (in.rank() + indices_shape.rank() > ir::kMaxRank + 1) {
    return unsupported("result has too many dimensions");
  }
  ir::Shape shape;
  for (size_t i = 0; i < axis; ++i) shape.push_back(in[i]);
  for (const int64_t dim : indices_shape) shape.push_back(dim);
  for (size_t i = axis + 1; i < in.rank(); ++i) shape.push_back(in[i]);
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(x.desc.dtype, shape));
  const int64_t outer = in.product(0, axis);
  const size_t row =
      static_cast<size_t>(in.product(axis + 1, in.rank())) * ir::dtype_bytes(x.desc.dtype);
  std::byte* to = out.data;
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t given : *indices) {
      const int64_t at = given < 0 ? given + in[axis] : given;
      if (at < 0 || at >= in[axis]) {
        return invalid_argument(ops::fault_text(ops::out_of_range(given, in[axis])));
      }
      if (row > 0) std::memcpy(to, x.data + static_cast<size_t>(o * in[axis] + at) * row, row);
      to += row;
    }
  }
  return one(out.constant);
}

Constants fold_concat(const FoldNode& node) {
  ir::TensorDesc desc = node.inputs[0]->desc;
  TAOISM_ASSIGN_OR_RETURN(const size_t axis,
                          resolve_axis(node.attrs.i("axis", 0), desc.shape.rank()));
  desc.shape[axis] = 0;
  for (const ConstantPtr& in : node.inputs) {
    ir::Shape expected = desc.shape;
    const bool same_rank = in && in->desc.shape.rank() == expected.rank();
    if (same_rank) expected[axis] = in->desc.shape[axis];
    if (!same_rank || in->desc.dtype != desc.dtype || !(in->desc.shape == expected)) {
      return invalid_argument("inputs do not join");
    }
    desc.shape[axis] += in->desc.shape[axis];
  }
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(desc.dtype, desc.shape));
  const int64_t outer = desc.shape.product(0, axis);
  const size_t inner = static_cast<size_t>(desc.shape.product(axis + 1, desc.shape.rank())) *
                       ir::dtype_bytes(desc.dtype);
  std::byte* to = out.data;
  for (int64_t o = 0; o < outer; ++o) {
    for (const ConstantPtr& in : node.inputs) {
      const size_t bytes = static_cast<size_t>(in->desc.shape[axis]) * inner;
      if (bytes > 0) std::memcpy(to, in->data + static_cast<size_t>(o) * bytes, bytes);
      to += bytes;
    }
  }
  return one(out.constant);
}

// Says what is cut out of `x` by walking from `offset` with `strides`, `shape` times.
void note_box(const FoldNode& node, const ir::Constant& x, int64_t offset, const Index& strides,
              const ir::Shape& shape) {
  if (node.boxes == nullptr) return;
  const Index whole = ops::strides_of(x.desc.shape);
  ir::Box box;
  for (size_t d = 0; d < shape.rank(); ++d) {
    const int64_t first =
        whole[d] == 0 ? 0 : offset / whole[d] % std::max<int64_t>(x.desc.shape[d], 1);
    const int64_t step = whole[d] == 0 ? 0 : strides[d] / whole[d];
    const int64_t last = first + std::max<int64_t>(shape[d] - 1, 0) * step;
    box.begin.push_back(std::min(first, last));
    box.end.push_back(std::max(first, last) + 1);
  }
  node.boxes->push_back(std::move(box));
}

Constants fold_slice(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  TAOISM_ASSIGN_OR_RETURN(const auto starts, node.ints(1, ""));
  TAOISM_ASSIGN_OR_RETURN(const auto ends, node.ints(2, ""));
  TAOISM_ASSIGN_OR_RETURN(std::vector<int64_t> axes, node.ints(3, ""));
  TAOISM_ASSIGN_OR_RETURN(std::vector<int64_t> steps, node.ints(4, ""));
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  TAOISM_RETURN_IF_ERROR(resolve_axes(axes, x.desc.shape.rank()).status());
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    return invalid_argument("starts, ends, axes and steps differ in length");
  }
  ir::Shape shape = x.desc.shape;
  Index strides = ops::strides_of(shape);
  int64_t offset = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    TAOISM_ASSIGN_OR_RETURN(const size_t axis, resolve_axis(axes[i], shape.rank()));
    const int64_t dim = shape[axis];
    if (steps[i] == 0) return invalid_argument("steps must not be 0");
    const int64_t step =
        std::clamp(steps[i], -std::max<int64_t>(dim, 1), std::max<int64_t>(dim, 1));
    const auto bound = [dim](int64_t value, int64_t lowest, int64_t highest) {
      if (value < 0) value = value < -dim ? lowest : value + dim;
      return std::clamp(value, lowest, std::max(lowest, highest));
    };
    const int64_t start = step > 0 ? bound(starts[i], 0, dim) : bound(starts[i], 0, dim - 1);
    const int64_t end = step > 0 ? bound(ends[i], 0, dim) : bound(ends[i], -1, dim - 1);
    const int64_t length =
        step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    shape[axis] = dim == 0 ? 0 : std::max<int64_t>(length, 0);
    offset += start * strides[axis];
    strides[axis] *= step;
  }
  note_box(node, x, offset, strides, shape);
  TAOISM_ASSIGN_OR_RETURN(ConstantPtr out, copy_strided(node, x, offset, strides, shape));
  return one(std::move(out));
}

Constants fold_split(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  TAOISM_ASSIGN_OR_RETURN(const size_t axis,
                          resolve_axis(node.attrs.i("axis", 0), x.desc.shape.rank()));
  TAOISM_ASSIGN_OR_RETURN(const auto given, node.ints(1, "split"));
  node.attrs.ignore("num_outputs");
  TAOISM_ASSIGN_OR_RETURN(const auto lengths, split_lengths(x.desc.shape[axis], given,
                                                            static_cast<int64_t>(node.outputs)));
  const Index strides = ops::strides_of(x.desc.shape);
  std::vector<ConstantPtr> parts;
  int64_t at = 0;
  for (const int64_t length : lengths) {
    ir::Shape shape = x.desc.shape;
    shape[axis] = length;
    note_box(node, x, at * strides[axis], strides, shape);
    TAOISM_ASSIGN_OR_RETURN(ConstantPtr part,
                            copy_strided(node, x, at * strides[axis], strides, shape));
    parts.push_back(std::move(part));
    at += length;
  }
  return parts;
}

// The shape that an input of sizes names. Errors: invalid_argument, unsupported.
Result<ir::Shape> shape_of_sizes(std::span<const int64_t> sizes) {
  if (sizes.size() > ir::kMaxRank) return unsupported("result has too many dimensions");
  ir::Shape shape(sizes);
  if (!shape.is_bounded()) return invalid_argument("size " + list_text(sizes));
  return shape;
}

Constants fold_expand(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  TAOISM_ASSIGN_OR_RETURN(const auto sizes, node.ints(1, ""));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape target, shape_of_sizes(sizes));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, ops::broadcast_shape(x.desc.shape, target));
  TAOISM_ASSIGN_OR_RETURN(
      ConstantPtr out,
      copy_strided(node, x, 0, ops::broadcast_strides(x.desc.shape, shape), shape));
  return one(std::move(out));
}

Constants fold_constant_of_shape(const FoldNode& node) {
  TAOISM_ASSIGN_OR_RETURN(const auto sizes, node.ints(0, ""));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, shape_of_sizes(sizes));
  TAOISM_ASSIGN_OR_RETURN(const ConstantPtr value, constant_of_shape_value(node.attrs));
  TAOISM_ASSIGN_OR_RETURN(ConstantPtr out, copy_strided(node, *value, 0, Index{}, shape));
  return one(std::move(out));
}

// How many of start, start + delta, ... are before limit; negative when there is no end.
int64_t range_count(double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  return std::abs(count) < 1e9 ? std::max<int64_t>(static_cast<int64_t>(count), 0) : -1;
}

int64_t range_count(int64_t start, int64_t limit, int64_t delta) {
  if (delta == 0) return -1;
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  const auto from = static_cast<uint64_t>(start), to = static_cast<uint64_t>(limit);
  const auto step = static_cast<uint64_t>(delta);
  const uint64_t steps = delta > 0 ? (to - from - 1) / step : (from - to - 1) / (0 - step);
  return steps < 1'000'000'000 ? static_cast<int64_t>(steps) + 1 : -1;
}

Constants fold_range(const FoldNode& node) {
  node.attrs.ignore("stash_type");  // of half floats: here all are wider while they are added
  for (size_t i = 0; i < 3; ++i) {
    if (!node.has(i) || node.inputs[i]->desc.shape.elements() != 1 ||
        node.inputs[i]->desc.dtype != node.inputs[0]->desc.dtype) {
      return invalid_argument("start, limit and delta must be scalars of one type");
    }
  }
  const ir::DType dtype = node.inputs[0]->desc.dtype;
  if (!is_float(dtype) && !integers_of(*node.inputs[0])) {
    return unsupported(std::string("of ") + ir::dtype_name(dtype));
  }
  return ops::with_type(dtype, [&](auto zero) -> Constants {
    using T = decltype(zero);
    constexpr bool kReal = std::is_floating_point_v<decltype(ops::number_of(zero))>;
    using Wide = std::conditional_t<kReal, double, int64_t>;
    const auto number = [&](size_t i) {
      return static_cast<Wide>(ops::number_of(*reinterpret_cast<const T*>(node.inputs[i]->data)));
    };
    const Wide start = number(0), delta = number(2);
    const int64_t count = range_count(start, number(1), delta);
    if (count < 0) return invalid_argument("has no end");
    TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(dtype, ir::Shape{count}));
    // Integers wrap on the way, where the next step is beyond the last.
    const auto value = [&](int64_t i) {
      if constexpr (kReal) {
        return start + static_cast<double>(i) * delta;
      } else {
        return static_cast<int64_t>(static_cast<uint64_t>(start) +
                                    static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
      }
    };
    for (int64_t i = 0; i < count; ++i) {
      reinterpret_cast<T*>(out.data)[i] = ops::convert<T>(value(i));
    }
    return one(out.constant);
  });
}

constexpr struct {
  const char* op;
  Fold fold;
} kFolds[] = {
    {"Identity", fold_identity}, {"Reshape", fold_reshape},
    {"Squeeze", fold_squeeze},   {"Unsqueeze", fold_unsqueeze},
    {"Flatten", fold_flatten},   {"Transpose", fold_transpose},
    {"Gather", fold_gather},     {"Concat", fold_concat},
    {"Slice", fold_slice},       {"Split", fold_split},
    {"Expand", fold_expand},     {"ConstantOfShape", fold_constant_of_shape},
    {"Range", fold_range},
};

}  // namespace

Result<Fresh> FoldBudget::make(ir::DType dtype, const ir::Shape& shape) {
  const bool bounded = shape.is_bounded();
  const uint64_t bytes = bounded ? ir::TensorDesc{dtype, shape}.bytes() : 0;
  if (!bounded || bytes > kMaxTotalBytes - used_bytes_) {
    return unsupported("a constant of shape " + shape.text() + " is too large to compute ahead");
  }
  TAOISM_RETURN_IF_ERROR(spend(static_cast<uint64_t>(shape.elements())));
  TAOISM_RETURN_IF_ERROR(take(bytes));
  auto [constant, data] = ir::make_constant({dtype, shape});
  return Fresh{std::move(constant), data};
}

Status FoldBudget::take(uint64_t bytes) {
  if (bytes > kMaxTotalBytes - used_bytes_) {
    return unsupported("the numbers that its shape is computed from are too many");
  }
  TAOISM_RETURN_IF_ERROR(host::check_memory(bytes));
  used_bytes_ += bytes;
  return {};
}

Status FoldBudget::take_numbers(uint64_t count) {
  return take(std::min(count, kMaxTotalBytes) * sizeof(int64_t));
}

Status FoldBudget::spend(uint64_t operations) {
  if (operations <= most_operations_ - used_operations_) {
    used_operations_ += operations;
    return {};
  }
  return unsupported("takes " + std::to_string(operations) +
                     " operations to compute ahead; a model of this size may take " +
                     std::to_string(most_operations_) + " in all, of which " +
                     std::to_string(used_operations_) +
                     " are used: compute it where the model is made");
}

Result<std::vector<int64_t>> FoldNode::ints(size_t i, const char* name) const {
  if (*name != 0 && attrs.has(name)) return attrs.ints(name);
  if (!has(i)) return std::vector<int64_t>();
  TAOISM_RETURN_IF_ERROR(check_integers(*inputs[i]));
  auto values = integers_of(*inputs[i]);
  if (!values || inputs[i]->desc.shape.rank() > 1) {
    return invalid_argument("input " + std::to_string(i) + " must be a list of integers");
  }
  return *std::move(values);
}

Result<ConstantPtr> constant_of_shape_value(NodeAttributes& attrs) {
  const auto* tensor = attrs.tensor("value");
  if (tensor == nullptr) return ir::make_f32_constant({1}, std::vector<float>{0});
  TAOISM_ASSIGN_OR_RETURN(ConstantPtr value, read_tensor(*tensor, nullptr));
  if (value->desc.shape.elements() != 1) return invalid_argument("value must be one element");
  return value;
}

size_t moved_inputs(std::string_view op, size_t inputs) {
  if (op == "Concat") return inputs;
  return op == "ConstantOfShape" || op == "Range" ? 0 : 1;
}

Fold find_fold(std::string_view op) {
  for (const auto& entry : kFolds) {
    if (op == entry.op) return entry.fold;
  }
  return nullptr;
}

}  // namespace taoism::onnx
