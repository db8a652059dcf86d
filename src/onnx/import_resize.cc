// Resize, and Upsample before it: to given sizes, or by given scales.
#include <cmath>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

Result<int64_t> scaled_size(int64_t size, float scale) {
  const float scaled = std::floor(static_cast<float>(size) * scale);
  if (!(scale > 0) || !(scaled < 0x1p40F)) return invalid_argument("scales must be positive");
  return static_cast<int64_t>(scaled);
}

// The axes that opset 18 lets a Resize name; all when it does not.
Result<std::vector<int64_t>> resize_axes(NodeImport& node) {
  const size_t rank = node.shape(0).rank();
  std::vector<int64_t> axes = node.attrs.ints("axes");
  for (size_t i = 0; axes.size() < rank && !node.attrs.has("axes"); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  TAOISM_RETURN_IF_ERROR(resolve_axes(axes, rank).status());
  return axes;
}

Status resize_target(NodeImport& node, ir::Attrs& attrs, bool& keeps_rows) {
  const ir::Shape& x = node.shape(0);
  std::vector<int64_t> target(x.begin(), x.end());
  std::vector<float> factors(x.rank(), 1.0F);
  TAOISM_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, resize_axes(node));
  // An empty tensor stands for an absent one.
  const auto given = [&](size_t i) {
    return node.has(i) && (!node.input(i).constant || node.shape(i).elements() > 0);
  };
  if (given(2) == given(3)) {
    return invalid_argument(given(2) ? "has scales and sizes; it takes one of them"
                                     : "has neither scales nor sizes");
  }
  const size_t source = given(2) ? 2 : 3;
  const ConstantPtr& constant = node.input(source).constant;
  const bool by_scales = source == 2;
  if (!constant) {
    return node.refuse(by_scales ? "scales" : "sizes", "is computed from the model's input");
  }
  const ir::DType expected = by_scales ? ir::DType::f32 : ir::DType::i64;
  if (constant->desc.dtype != expected || constant->desc.shape.rank() != 1 ||
      constant->desc.shape[0] != static_cast<int64_t>(axes.size())) {
    return invalid_argument(std::string(by_scales ? "scales" : "sizes") +
                            " must be one number an axis");
  }
  const Growth own = node.growth(node.input(0)), given_growth = node.use_growth(source);
  for (size_t i = 0; i < axes.size(); ++i) {
    TAOISM_ASSIGN_OR_RETURN(const size_t axis, resolve_axis(axes[i], x.rank()));
    // The rows' own size has to be what is given, and a factor nothing that grows.
    const int64_t wanted = by_scales ? 0 : own[axis];
    const int64_t growth = i < given_growth.size() ? given_growth[i] : 0;
    keeps_rows = keeps_rows && (!node.rows_are_open() || growth == wanted);
    if (!by_scales) {
      target[axis] = constant->i64()[i];
      continue;
    }
    factors[axis] = constant->f32()[i];
    TAOISM_ASSIGN_OR_RETURN(target[axis], scaled_size(x[axis], factors[axis]));
  }
  attrs.set("sizes", std::move(target));
  if (by_scales) attrs.set("scales", std::move(factors));
  return {};
}

// The scales of Upsample and of Resize-10: a list, or input 1.
Result<std::vector<float>> old_scales(NodeImport& node) {
  const size_t rank = node.shape(0).rank();
  std::vector<float> scales = node.attrs.floats("scales");
  if (!node.attrs.has("scales")) {
    TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
    const ConstantPtr& constant = node.input(1).constant;
    if (!constant) return node.refuse("scales", "is computed from the model's input");
    if (constant->desc.dtype != ir::DType::f32 || constant->desc.shape.rank() != 1) {
      return invalid_argument("scales must be one number an axis");
    }
    scales.assign(constant->f32(), constant->f32() + constant->desc.shape.elements());
  }
  if (scales.size() == rank) return scales;
  return invalid_argument("scales must be one number an axis: " + std::to_string(rank) + ", got " +
                          std::to_string(scales.size()));
}

// One of the operator's modes by `scales`; 1 leaves an axis alone.
Result<Tensor> scaled(NodeImport& node, const Tensor& x, const std::vector<float>& scales,
                      const std::string& mode, const char* rounding, const char* suffix) {
  const ir::Shape& shape = node.desc(x).shape;
  std::vector<int64_t> target;
  for (size_t i = 0; i < scales.size(); ++i) {
    TAOISM_ASSIGN_OR_RETURN(const int64_t size, scaled_size(shape[i], scales[i]));
    target.push_back(size);
  }
  ir::Attrs attrs;
  attrs.set("sizes", std::move(target));
  attrs.set("scales", scales);
  attrs.set("mode", mode);
  attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  attrs.set("nearest_mode", std::string(rounding));
  return node.emit("Resize", {x}, std::move(attrs), suffix);
}

// Before opset 11 an output lies at its index over the scale; the nearest element is the one below
// it where an axis grows and the one above where it shrinks, as ONNX Runtime has it.
Status import_old_resize(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  const std::string mode = node.attrs.s("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "bilinear") {
    return node.refuse("mode",
                       "'" + printable(mode) + "' is not supported, nearest and linear are");
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<float> scales, old_scales(node));
  Tensor y = node.input(0);
  if (mode != "nearest") {
    TAOISM_ASSIGN_OR_RETURN(y, scaled(node, y, scales, "linear", "floor", ""));
    return node.give(std::move(y));
  }
  std::vector<float> growing = scales, shrinking = scales;
  bool grows = false, shrinks = false;
  for (size_t i = 0; i < scales.size(); ++i) {
    (scales[i] < 1 ? growing : shrinking)[i] = 1;
    grows = grows || scales[i] > 1;
    shrinks = shrinks || scales[i] < 1;
  }
  if (grows || !shrinks) {
    const char* suffix = shrinks ? "/grown" : "";
    TAOISM_ASSIGN_OR_RETURN(y, scaled(node, y, growing, mode, "floor", suffix));
  }
  if (shrinks) {
    TAOISM_ASSIGN_OR_RETURN(y, scaled(node, y, shrinking, mode, "ceil", ""));
  }
  return node.give(std::move(y));
}

Status import_resize(NodeImport& node) {
  if (node.opset() < 11) return import_old_resize(node);
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  ir::Attrs attrs;
  bool keeps_rows = true;
  TAOISM_RETURN_IF_ERROR(resize_target(node, attrs, keeps_rows));
  const std::string mode = node.attrs.s("mode", "nearest");
  if (mode != "nearest" && mode != "linear") {
    return node.refuse("mode",
                       "'" + printable(mode) + "' is not supported, nearest and linear are");
  }
  for (const char* name : {"cubic_coeff_a", "exclude_outside", "extrapolation_value"}) {
    node.attrs.ignore(name);  // of modes that are refused
  }
  const std::string coordinates = node.attrs.s("coordinate_transformation_mode", "half_pixel");
  if (coordinates == "tf_crop_and_resize") {
    return node.refuse("coordinate_transformation_mode", "'" + coordinates + "' is not supported");
  }
  if (node.attrs.i("antialias", 0) != 0) return node.refuse("antialias", "is not supported");
  if (node.attrs.s("keep_aspect_ratio_policy", "stretch") != "stretch") {
    return node.refuse("keep_aspect_ratio_policy", "only stretch is supported");
  }
  attrs.set("mode", mode);
  attrs.set("coordinate_transformation_mode", printable(coordinates));
  attrs.set("nearest_mode", printable(node.attrs.s("nearest_mode", "round_prefer_floor")));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit("Resize", {node.input(0)}, std::move(attrs)));
  return node.give(keeps_rows ? std::move(y)
                              : node.mixed(std::move(y), "its sizes do not grow with them"));
}

constexpr ImportEntry kImports[] = {{"Resize", import_resize}, {"Upsample", import_old_resize}};

}  // namespace

std::span<const ImportEntry> resize_imports() { return kImports; }

}  // namespace taoism::onnx
