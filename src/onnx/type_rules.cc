#include "onnx/type_rules.h"

#include <algorithm>
#include <array>
#include <limits>

#include "onnx/element_types.h"

namespace taoism::onnx {
namespace {

template <size_t kCount>
bool is_one_of(std::string_view op, const std::array<std::string_view, kCount>& names) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

constexpr std::array<std::string_view, 28> kAllAlike = {"Add",
                                                        "And",
                                                        "Clip",
                                                        "Concat",
                                                        "Conv",
                                                        "Div",
                                                        "Einsum",
                                                        "ConvTranspose",
                                                        "Equal",
                                                        "Gemm",
                                                        "Greater",
                                                        "Less",
                                                        "LessOrEqual",
                                                        "MatMul",
                                                        "GreaterOrEqual",
                                                        "Max",
                                                        "Mean",
                                                        "Min",
                                                        "Mod",
                                                        "Mul",
                                                        "Or",
                                                        "PRelu",
                                                        "Sub",
                                                        "Sum",
                                                        "Xor",
                                                        "Swish",
                                                        "InstanceNormalization",
                                                        "GroupNormalization"};

// What moves elements, and what chooses among them.
constexpr std::array<std::string_view, 35> kChoosing = {"Clip",
                                                        "Concat",
                                                        "DepthToSpace",
                                                        "Expand",
                                                        "Flatten",
                                                        "Gather",
                                                        "GatherND",
                                                        "Max",
                                                        "MaxPool",
                                                        "GatherElements",
                                                        "Identity",
                                                        "Min",
                                                        "Pad",
                                                        "ReduceMax",
                                                        "ReduceMin",
                                                        "GlobalMaxPool",
                                                        "Relu",
                                                        "Reshape",
                                                        "Sign",
                                                        "Slice",
                                                        "SpaceToDepth",
                                                        "ThresholdedRelu",
                                                        "Split",
                                                        "Squeeze",
                                                        "Tile",
                                                        "Transpose",
                                                        "Trilu",
                                                        "Where",
                                                        "Unsqueeze",
                                                        "Dropout",
                                                        "And",
                                                        "Or",
                                                        "Xor",
                                                        "Not",
                                                        "ConstantOfShape"};
// Of floats alone: the least integer of a type has no opposite.
constexpr std::array<std::string_view, 5> kChoosingFloats = {"Abs", "Neg", "Ceil", "Floor",
                                                             "Round"};

struct Range {
  int bits;
  bool is_signed;
};

Range range_of(ir::DType dtype) {
  const bool is_signed = dtype == ir::DType::i8 || dtype == ir::DType::i16 ||
                         dtype == ir::DType::i32 || dtype == ir::DType::i64;
  return {static_cast<int>(8 * ir::dtype_bytes(dtype)), is_signed};
}

}  // namespace

bool is_alike(std::string_view op, size_t input) {
  if (op == "Where") return input > 0;
  if (op == "Pad" || op == "ScatterElements" || op == "ScatterND") return input == 0 || input == 2;
  return is_one_of(op, kAllAlike);
}

std::optional<size_t> typed_by(std::string_view op, size_t output) {
  if (op == "ArgMax" || op == "ArgMin") return std::nullopt;
  if (op == "ConstantOfShape") return std::nullopt;                   // its attribute says it
  if (op == "LayerNormalization" && output > 0) return std::nullopt;  // the moments: float32
  return op == "Where" ? 1 : 0;
}

bool stays_inside(std::string_view op, ir::DType dtype) {
  if (dtype == computed_as(dtype)) return true;
  if (is_one_of(op, kChoosing)) return true;
  return is_float(dtype) ? is_one_of(op, kChoosingFloats) : op == "Mod";
}

bool holds_all_of(ir::DType to, ir::DType from) {
  if (to == from) return true;
  if (is_float(from)) return to == ir::DType::f32 && from != ir::DType::f64;
  if (!is_integer(from) || !is_integer(to) || to == ir::DType::u64) return false;
  const Range wide = range_of(to), narrow = range_of(from);
  if (wide.is_signed == narrow.is_signed) return wide.bits >= narrow.bits;
  return wide.is_signed && wide.bits > narrow.bits;
}

}  // namespace taoism::onnx
