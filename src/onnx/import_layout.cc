// What moves elements or gives them another shape.
#include <algorithm>
#include <numeric>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"
#include "ops/core/index.h"

namespace taoism::onnx {
namespace {

Status give_shape(NodeImport& node, const ir::Shape& shape, const Growth& growth) {
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.reshape(node.input(0), shape, "", &growth));
  return node.give(std::move(y));
}

int64_t at_or_zero(const Growth& growth, size_t i) { return i < growth.size() ? growth[i] : 0; }

Status import_reshape(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  const bool allow_zero = node.attrs.i("allowzero", 0) != 0;
  TAOISM_ASSIGN_OR_RETURN(const auto target, node.required_ints(1, "shape"));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, reshape_target(node.shape(0), target, allow_zero));
  const Growth own = node.growth(node.input(0)), given = node.use_growth(1);
  Growth growth(shape.rank());
  for (size_t i = 0; i < shape.rank(); ++i) {
    growth[i] = at_or_zero(given, i);
    if (growth[i] != 0) continue;
    if (target[i] == -1) growth[i] = kAnyGrowth;
    if (target[i] == 0 && !allow_zero) growth[i] = own[i];
  }
  return give_shape(node, shape, growth);
}

Status import_flatten(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  const ir::Shape x = node.shape(0);
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, flatten_target(x, node.attrs.i("axis", 1)));
  const Growth own = node.growth(node.input(0));
  const int64_t given = node.attrs.i("axis", 1);
  const auto axis = static_cast<size_t>(given < 0 ? given + static_cast<int64_t>(x.rank()) : given);
  return give_shape(node, shape,
                    {product_growth(x, own, 0, axis), product_growth(x, own, axis, x.rank())});
}

constexpr char kDropsRows[] = "it drops their dimension where there is one";

Status import_squeeze(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(const auto axes, node.ints(1, "axes"));
  const ir::Shape x = node.shape(0);
  const Growth own = node.growth(node.input(0));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape,
                          squeeze_target(x, axes ? *axes : std::vector<int64_t>()));
  const bool all = !axes || axes->empty();
  TAOISM_ASSIGN_OR_RETURN(const std::vector<bool> named,
                          resolve_axes(axes ? *axes : std::vector<int64_t>(), x.rank()));
  Growth growth;
  bool counts = false;
  for (size_t i = 0; i < x.rank(); ++i) {
    const bool goes = all ? x[i] == 1 : named[i];
    counts = counts || (own[i] != 0 && (goes || (all && own[i] == 1)));
    if (!goes) growth.push_back(own[i]);
  }
  if (!counts || node.input(0).constant) {
    TAOISM_ASSIGN_OR_RETURN(Tensor y, node.reshape(node.input(0), shape, "", &growth));
    return node.give(counts ? node.mixed(std::move(y), kDropsRows) : std::move(y));
  }
  // A node too where nothing goes, so that there is one whatever the number of rows.
  ir::Attrs attrs;
  attrs.set("shape", std::vector<int64_t>(shape.begin(), shape.end()));
  TAOISM_ASSIGN_OR_RETURN(
      Tensor y, node.emit_node("Reshape", {node.input(0)}, std::move(attrs), "", &growth));
  return node.give(node.mixed(std::move(y), kDropsRows));
}

Status import_unsqueeze(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(const auto axes, node.required_ints(1, "axes"));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, unsqueeze_target(node.shape(0), axes));
  TAOISM_ASSIGN_OR_RETURN(const std::vector<bool> added, resolve_axes(axes, shape.rank()));
  const Growth own = node.growth(node.input(0));
  Growth growth;
  for (size_t i = 0, from = 0; i < shape.rank(); ++i) growth.push_back(added[i] ? 0 : own[from++]);
  return give_shape(node, shape, growth);
}

Status import_expand(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  TAOISM_ASSIGN_OR_RETURN(const auto sizes, node.required_ints(1, "shape"));
  if (sizes.size() > ir::kMaxRank) return node.refuse("shape", "has too many dimensions");
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape,
                          ops::broadcast_shape(node.shape(0), ir::Shape(sizes)));
  if (!shape.is_bounded()) return node.refuse("shape", "is out of bounds");
  // Of each dimension of the result: as it is given, or that of x where 1 is given or nothing.
  const ir::Shape x = node.shape(0);
  const Growth own = node.growth(node.input(0)), given = node.use_growth(1);
  Growth growth(shape.rank());
  bool repeats = false;
  for (size_t i = 0; i < shape.rank(); ++i) {
    const size_t in_x = i + x.rank() - shape.rank(), in_sizes = i + sizes.size() - shape.rank();
    const int64_t mine = i + x.rank() < shape.rank() ? 0 : own[in_x];
    const bool is_given = i + sizes.size() >= shape.rank() &&
                          (sizes[in_sizes] != 1 || at_or_zero(given, in_sizes) != 0);
    growth[i] = is_given ? at_or_zero(given, in_sizes) : mine;
    repeats = repeats || growth[i] != mine;
  }
  if (!repeats && shape.elements() == x.elements()) return give_shape(node, shape, growth);
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.expand(node.input(0), shape, growth));
  return node.give(std::move(y));
}

// One number, so many times: what is folded where the sizes are the same for any number of rows.
Status import_constant_of_shape(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  if (!node.input(0).constant) {
    return unsupported("is supported only where it does not depend on the model's input");
  }
  TAOISM_ASSIGN_OR_RETURN(const auto sizes, node.required_ints(0, "shape"));
  Growth growth = node.use_growth(0);
  growth.resize(sizes.size());
  if (sizes.size() > ir::kMaxRank) return node.refuse("shape", "has too many dimensions");
  const ir::Shape shape(sizes);
  if (!shape.is_bounded()) return node.refuse("shape", "is out of bounds");
  TAOISM_ASSIGN_OR_RETURN(ConstantPtr value, constant_of_shape_value(node.attrs));
  const ir::DType dtype = value->desc.dtype;
  if (is_for_constants_alone(dtype)) return refused_type(dtype);
  Tensor x{.name = node.name() + "/value", .constant = std::move(value)};
  TAOISM_ASSIGN_OR_RETURN(x, node.converted(x, computed_as(dtype)));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.expand(x, shape, growth));
  if (y.constant) {
    TAOISM_ASSIGN_OR_RETURN(y, node.converted(y, dtype));
  } else {
    y.type = dtype;
  }
  return node.give(std::move(y));
}

// Every repeated dimension gets one before it, along which it is repeated.
Status import_tile(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  const ir::Shape x = node.shape(0);
  TAOISM_ASSIGN_OR_RETURN(const auto repeats, node.required_ints(1, "repeats"));
  if (repeats.size() != x.rank()) return invalid_argument("repeats must be one number an axis");
  std::vector<int64_t> split, repeated, joined;
  const Growth own = node.growth(node.input(0)), given = node.use_growth(1);
  Growth split_growth, repeated_growth, joined_growth;
  for (size_t i = 0; i < x.rank(); ++i) {
    if (repeats[i] < 1 || repeats[i] > (int64_t{1} << 30)) {
      return node.refuse("repeats", "must be at least 1, got " + list_text(repeats));
    }
    const int64_t times = at_or_zero(given, i);
    const bool is_one = x[i] == 1 && own[i] == 0;
    const int64_t grown = product_growth({repeats[i], x[i]}, {times, own[i]}, 0, 2);
    if ((repeats[i] != 1 || times != 0) && !is_one) {
      split.push_back(1);
      split_growth.push_back(0);
      repeated.push_back(repeats[i]);
      repeated_growth.push_back(times);
    }
    split.push_back(x[i]);
    split_growth.push_back(own[i]);
    repeated.push_back(is_one ? repeats[i] : x[i]);
    repeated_growth.push_back(is_one ? times : own[i]);
    joined.push_back(x[i] * repeats[i]);
    joined_growth.push_back(grown);
  }
  if (split.size() > ir::kMaxRank) return node.refuse("repeats", "of too many dimensions");
  Tensor y = node.input(0);
  TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, ir::Shape(split), "/split", &split_growth));
  const ir::Shape shape(repeated);
  if (!shape.is_bounded()) return node.refuse("repeats", "make it too large");
  TAOISM_ASSIGN_OR_RETURN(y, node.expand(y, shape, repeated_growth));
  TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, ir::Shape(joined), "/join", &joined_growth));
  return node.give(std::move(y));
}

// Moves blocks between channels and pixels: a Transpose between two Reshapes of rank 6.
Status import_depth_space(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  const ir::Shape x = node.shape(0);
  const int64_t b = node.attrs.i("blocksize", 0);
  const bool to_space = node.op() == "DepthToSpace";
  const bool columns = node.attrs.s("mode", "DCR") == "CRD";
  if (x.rank() != 4 || b < 1 || b > (1 << 20)) return invalid_argument("blocksize of " + x.text());
  const int64_t n = x[0], c = x[1], h = x[2], w = x[3];
  const bool fits = to_space ? c % (b * b) == 0 : h % b == 0 && w % b == 0;
  if (!fits) return invalid_argument("blocksize " + std::to_string(b) + " of " + x.text());
  ir::Shape split, joined;
  ir::Attrs attrs;
  if (to_space) {
    const int64_t rest = c / (b * b);
    split = columns ? ir::Shape{n, rest, b, b, h, w} : ir::Shape{n, b, b, rest, h, w};
    attrs.set("perm", columns ? std::vector<int64_t>{0, 1, 4, 2, 5, 3}
                              : std::vector<int64_t>{0, 3, 4, 1, 5, 2});
    joined = {n, rest, h * b, w * b};
  } else {
    split = {n, c, h / b, b, w / b, b};
    attrs.set("perm", columns ? std::vector<int64_t>{0, 1, 3, 5, 2, 4}
                              : std::vector<int64_t>{0, 3, 5, 1, 2, 4});
    joined = {n, c * b * b, h / b, w / b};
  }
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.reshape(node.input(0), split, "/split"));
  TAOISM_ASSIGN_OR_RETURN(y, node.emit("Transpose", {y}, std::move(attrs)));
  TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, joined, "/join"));
  return node.give(std::move(y));
}

Status import_transpose(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  const size_t rank = node.shape(0).rank();
  std::vector<int64_t> perm = node.attrs.ints("perm");
  if (!node.attrs.has("perm")) {
    for (size_t i = 0; i < rank; ++i) perm.push_back(static_cast<int64_t>(rank - 1 - i));
  }
  bool is_identity = perm.size() == rank;
  for (size_t i = 0; i < perm.size(); ++i) {
    is_identity = is_identity && perm[i] == static_cast<int64_t>(i);
  }
  if (is_identity) return node.give(node.input(0));
  ir::Attrs attrs;
  attrs.set("perm", std::move(perm));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Transpose", {node.input(0)}, std::move(attrs)));
  return node.give(std::move(y));
}

// What a Concat joins: all inputs but empty ones, which add nothing (a cache that begins empty).
Result<std::vector<Tensor>> joined_inputs(NodeImport& node, int64_t axis) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs(); ++i) {
    const Tensor& input = node.input(i);
    const bool is_empty = input.constant && node.shape(i).elements() == 0;
    if (!is_empty) {
      inputs.push_back(input);
      continue;
    }
    // It must fit all the same.
    const ir::Shape &shape = node.shape(i), &first = node.shape(0);
    TAOISM_ASSIGN_OR_RETURN(const size_t along, resolve_axis(axis, first.rank()));
    bool fits =
        shape.rank() == first.rank() && node.desc(input).dtype == node.desc(node.input(0)).dtype;
    for (size_t d = 0; fits && d < first.rank(); ++d) fits = d == along || shape[d] == first[d];
    if (!fits) return invalid_argument(shape.text() + " does not join " + first.text());
  }
  if (inputs.empty()) inputs.push_back(node.input(0));
  return inputs;
}

Status import_concat(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(std::max<size_t>(node.inputs(), 1)));
  if (!node.attrs.has("axis")) return invalid_argument("attribute axis is missing");
  const int64_t axis = node.attrs.i("axis", 0);
  TAOISM_ASSIGN_OR_RETURN(std::vector<Tensor> inputs, joined_inputs(node, axis));
  // An operator takes 255 inputs: more are joined in groups.
  constexpr size_t kMost = 255;
  for (size_t round = 0; inputs.size() > 1; ++round) {
    std::vector<Tensor> joined;
    for (size_t first = 0; first < inputs.size(); first += kMost) {
      const size_t count = std::min(kMost, inputs.size() - first);
      if (count == 1) {
        joined.push_back(inputs[first]);
        continue;
      }
      const std::vector<Tensor> group(inputs.begin() + static_cast<std::ptrdiff_t>(first),
                                      inputs.begin() + static_cast<std::ptrdiff_t>(first + count));
      const std::string suffix = count == inputs.size() ? ""
                                                        : "/" + std::to_string(round) + "_" +
                                                              std::to_string(joined.size());
      ir::Attrs attrs;
      attrs.set("axis", axis);
      TAOISM_ASSIGN_OR_RETURN(Tensor y,
                              node.emit("Concat", group, std::move(attrs), suffix.c_str()));
      joined.push_back(std::move(y));
    }
    inputs = std::move(joined);
  }
  return node.give(std::move(inputs[0]));
}

// Opset 18 names axes; here pads are always of every axis.
Result<std::vector<int64_t>> full_pads(NodeImport& node, const std::vector<int64_t>& given) {
  const size_t rank = node.shape(0).rank();
  TAOISM_ASSIGN_OR_RETURN(const auto axes, node.ints(3, "axes"));
  if (!axes) return given;
  TAOISM_RETURN_IF_ERROR(resolve_axes(*axes, rank).status());
  if (given.size() != 2 * axes->size()) {
    return invalid_argument("pads " + list_text(given) + " for axes " + list_text(*axes));
  }
  std::vector<int64_t> pads(2 * rank, 0);
  for (size_t i = 0; i < axes->size(); ++i) {
    TAOISM_ASSIGN_OR_RETURN(const size_t axis, resolve_axis((*axes)[i], rank));
    pads[axis] = given[i];
    pads[rank + axis] = given[axes->size() + i];
  }
  return pads;
}

Status import_pad(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(node.opset() < 11 ? 1 : 2));
  const std::string mode = node.attrs.s("mode", "constant");
  TAOISM_ASSIGN_OR_RETURN(const auto given, node.required_ints(1, "pads"));
  std::optional<float> value;
  int64_t integer = 0;
  if (node.has(2) && node.input(2).constant && node.desc(node.input(2)).dtype == ir::DType::i64 &&
      node.shape(2).elements() == 1) {
    integer = *node.input(2).constant->i64();
  } else {
    TAOISM_ASSIGN_OR_RETURN(value, node.number(2, "constant_value"));
    integer = value.value_or(0) != 0 ? 1 : 0;  // of bool
  }
  if (node.attrs.has("value")) value = node.attrs.f("value", 0);  // before opset 11
  TAOISM_ASSIGN_OR_RETURN(std::vector<int64_t> pads, full_pads(node, given));
  const bool none = pads.size() == 2 * node.shape(0).rank() &&
                    (!node.has(1) || node.input(1).rows.is_fixed()) &&
                    std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  if (none) return node.give(node.input(0));
  ir::Attrs attrs;
  attrs.set("pads", std::move(pads));
  if (node.desc(node.input(0)).dtype == ir::DType::f32) {
    attrs.set("value", value.value_or(0.0F));
  } else {
    attrs.set("integer", integer);
  }
  attrs.set("mode", printable(mode));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Pad", {node.input(0)}, std::move(attrs)));
  return node.give(std::move(y));
}

// An end that is beyond the last row whatever their number becomes one that says so. How the rows
// are cut by bounds that are right for one number of them, or null.
const char* cut_rows(NodeImport& node, std::span<const int64_t> starts, std::span<int64_t> ends,
                     std::span<const int64_t> axes) {
  constexpr int64_t kNoEnd = INT32_MAX;
  const Growth start_growth = node.use_growth(1), end_growth = node.use_growth(2);
  const Growth own = node.growth(node.input(0));
  for (size_t i = 0; i < axes.size() && i < starts.size() && i < ends.size(); ++i) {
    const Result<size_t> axis = resolve_axis(axes[i], own.size());
    if (!axis.ok()) return nullptr;  // an error of the operator
    const int64_t rows = own[*axis], end = at_or_zero(end_growth, i);
    if (at_or_zero(start_growth, i) != 0) return "it begins at another place for another number";
    if (rows == 0 && end == 0) continue;
    const bool beyond = end == 0 ? ends[i] >= kNoEnd
                                 : rows > 0 && end != kUnknownGrowth && end >= rows &&
                                       ends[i] - end * node.rows() >= 0;
    if (node.rows_are_open() && (starts[i] != 0 || !beyond)) return "it takes some of them";
    if (end != 0 && beyond) ends[i] = INT64_MAX;
  }
  return nullptr;
}

Status import_slice(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(node.opset() < 10 ? 1 : 3));
  TAOISM_ASSIGN_OR_RETURN(std::vector<int64_t> starts, node.required_ints(1, "starts"));
  TAOISM_ASSIGN_OR_RETURN(std::vector<int64_t> ends, node.required_ints(2, "ends"));
  TAOISM_ASSIGN_OR_RETURN(const auto given_axes, node.ints(3, "axes"));
  TAOISM_ASSIGN_OR_RETURN(const auto given_steps, node.ints(4, "steps"));
  std::vector<int64_t> axes(starts.size()), steps(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (given_axes) axes = *given_axes;
  if (given_steps) steps = *given_steps;
  const char* cut = cut_rows(node, starts, ends, axes);
  ir::Attrs attrs;
  attrs.set("starts", std::move(starts));
  attrs.set("ends", std::move(ends));
  attrs.set("axes", std::move(axes));
  attrs.set("steps", std::move(steps));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Slice", {node.input(0)}, std::move(attrs)));
  return node.give(cut != nullptr ? node.mixed(std::move(y), cut) : std::move(y));
}

Status import_split(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  TAOISM_ASSIGN_OR_RETURN(const auto given, node.ints(1, "split"));
  TAOISM_ASSIGN_OR_RETURN(const size_t axis,
                          resolve_axis(node.attrs.i("axis", 0), node.shape(0).rank()));
  const auto count = static_cast<int64_t>(node.outputs());
  if (node.attrs.i("num_outputs", count) != count) {
    return invalid_argument("num_outputs is not the number of outputs");
  }
  TAOISM_ASSIGN_OR_RETURN(
      const auto lengths,
      split_lengths(node.shape(0)[axis], given ? *given : std::vector<int64_t>(), count));
  if (lengths.size() != node.outputs()) {
    return invalid_argument("split " + list_text(lengths) + " gives another number of outputs");
  }
  Tensor x = node.input(0);
  if (node.growth(x)[axis] != 0 && node.rows_are_open()) {
    x = node.mixed(std::move(x), "it takes some of them");
  }
  int64_t at = 0;
  for (size_t i = 0; i < lengths.size(); at += lengths[i++]) {
    if (!node.is_read(i)) continue;
    ir::Attrs attrs;
    attrs.set("starts", std::vector<int64_t>{at});
    attrs.set("ends", std::vector<int64_t>{at + lengths[i]});
    attrs.set("axes", std::vector<int64_t>{static_cast<int64_t>(axis)});
    attrs.set("steps", std::vector<int64_t>{1});
    const std::string suffix = "/" + std::to_string(i);
    TAOISM_ASSIGN_OR_RETURN(Tensor part, node.emit("Slice", {x}, std::move(attrs), suffix.c_str()));
    TAOISM_RETURN_IF_ERROR(node.give(std::move(part), i));
  }
  return {};
}

constexpr ImportEntry kImports[] = {
    {"Reshape", import_reshape},
    {"Flatten", import_flatten},
    {"Squeeze", import_squeeze},
    {"Unsqueeze", import_unsqueeze},
    {"Expand", import_expand},
    {"Transpose", import_transpose},
    {"Concat", import_concat},
    {"Pad", import_pad},
    {"Slice", import_slice},
    {"Split", import_split},
    {"Tile", import_tile},
    {"ConstantOfShape", import_constant_of_shape},
    {"DepthToSpace", import_depth_space},
    {"SpaceToDepth", import_depth_space},
};

}  // namespace

std::span<const ImportEntry> layout_imports() { return kImports; }

}  // namespace taoism::onnx
