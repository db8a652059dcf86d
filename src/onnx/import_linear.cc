// Convolution, matrix products, batch normalisation and pooling.
#include <algorithm>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

// SAME: as many outputs as ceil(in / stride), the odd pad at the end or at the beginning.
Status resolve_same(const ir::Shape& x, bool upper, std::span<const int64_t> kernel,
                    std::span<const int64_t> strides, std::span<const int64_t> dilations,
                    std::vector<int64_t>& pads) {
  const size_t spatial = kernel.size();
  pads.assign(2 * spatial, 0);
  for (size_t i = 0; i < spatial; ++i) {
    constexpr int64_t kLimit = int64_t{1} << 30;
    if (strides[i] < 1 || kernel[i] < 1 || kernel[i] > kLimit || dilations[i] < 1 ||
        dilations[i] > kLimit || strides[i] > kLimit) {
      return invalid_argument("kernel_shape, strides and dilations must be positive");
    }
    const int64_t in = x[i + 2];
    const int64_t out = (in + strides[i] - 1) / strides[i];
    const int64_t span = (kernel[i] - 1) * dilations[i] + 1;
    const int64_t total = std::max<int64_t>(0, (out - 1) * strides[i] + span - in);
    pads[i] = upper ? total / 2 : total - total / 2;
    pads[spatial + i] = total - pads[i];
  }
  return {};
}

// Reads kernel_shape, strides, pads, dilations and auto_pad; `kernel` is the weight's.
Result<ir::Attrs> window_attrs(NodeImport& node, std::vector<int64_t> kernel) {
  const ir::Shape& x = node.shape(0);
  if (node.attrs.has("kernel_shape")) kernel = node.attrs.ints("kernel_shape");
  std::vector<int64_t> strides = node.attrs.ints("strides");
  std::vector<int64_t> dilations = node.attrs.ints("dilations");
  std::vector<int64_t> pads = node.attrs.ints("pads");
  if (strides.empty()) strides.assign(kernel.size(), 1);
  if (dilations.empty()) dilations.assign(kernel.size(), 1);
  const std::string auto_pad = node.attrs.s("auto_pad", "NOTSET");
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    if (x.rank() != kernel.size() + 2 || strides.size() != kernel.size() ||
        dilations.size() != kernel.size()) {
      return invalid_argument("kernel_shape " + list_text(kernel) + " for an input of " + x.text());
    }
    TAOISM_RETURN_IF_ERROR(
        resolve_same(x, auto_pad == "SAME_UPPER", kernel, strides, dilations, pads));
  } else if (auto_pad == "VALID") {
    pads.clear();
  } else if (auto_pad != "NOTSET" && !auto_pad.empty()) {
    return node.refuse("auto_pad", "'" + printable(auto_pad) + "' is not known");
  }
  for (const int64_t pad : pads) {
    if (pad < 0) return node.refuse("pads", "negative pads are not supported");
  }
  if (pads.empty()) pads.assign(2 * kernel.size(), 0);
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::move(kernel));
  attrs.set("strides", std::move(strides));
  attrs.set("pads", std::move(pads));
  attrs.set("dilations", std::move(dilations));
  return attrs;
}

Status import_conv(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  if (!node.input(1).constant) return unsupported("the weight must be a constant");
  const ir::Shape& w = node.shape(1);
  if (w.rank() < 3) return invalid_argument("the weight has shape " + w.text());
  TAOISM_ASSIGN_OR_RETURN(ir::Attrs attrs, window_attrs(node, {w.begin() + 2, w.end()}));
  attrs.set("group", node.attrs.i("group", 1));
  TAOISM_ASSIGN_OR_RETURN(
      Tensor y,
      node.emit("Conv", {node.input(0), node.input(1), node.has(2) ? node.input(2) : Tensor{}},
                std::move(attrs)));
  return node.give(std::move(y));
}

Status import_pool(NodeImport& node, const char* op) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
  if (!node.attrs.has("kernel_shape")) return invalid_argument("attribute kernel_shape is missing");
  TAOISM_ASSIGN_OR_RETURN(ir::Attrs attrs, window_attrs(node, {}));
  attrs.set("ceil_mode", node.attrs.i("ceil_mode", 0));
  if (std::string_view(op) == "AveragePool") {
    attrs.set("count_include_pad", node.attrs.i("count_include_pad", 0));
  }
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.emit(op, {node.input(0)}, std::move(attrs)));
  return node.give(std::move(y));
}

Status import_max_pool(NodeImport& node) {
  node.attrs.ignore("storage_order");  // matters for the indices alone
  return import_pool(node, "MaxPool");
}

Status import_average_pool(NodeImport& node) { return import_pool(node, "AveragePool"); }

Status import_batch_normalization(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(5));
  node.attrs.ignore("momentum");          // matters in training alone
  if (node.attrs.i("spatial", 1) == 0) {  // until opset 8: statistics for every element
    return node.refuse("spatial", "0 is not supported, 1 is");
  }
  if (node.attrs.i("training_mode", 0) != 0) {
    return node.refuse("training_mode", "export the model in evaluation mode");
  }
  ir::Attrs attrs;
  attrs.set("epsilon", node.attrs.f("epsilon", 1e-5F));
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < 5; ++i) inputs.push_back(node.input(i));
  TAOISM_ASSIGN_OR_RETURN(Tensor y,
                          node.emit("BatchNormalization", std::move(inputs), std::move(attrs)));
  return node.give(std::move(y));
}

Status import_mat_mul(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  const Tensor &a = node.input(0), &b = node.input(1);
  ir::Attrs attrs;
  const bool linear = !a.constant && b.constant && node.shape(1).rank() == 2;
  if (linear) attrs.set("trans_w", int64_t{0});
  TAOISM_ASSIGN_OR_RETURN(Tensor y,
                          node.emit(linear ? "Linear" : "MatMul", {a, b}, std::move(attrs)));
  return node.give(std::move(y));
}

// The constant times `factor`; itself when that is 1.
Result<Tensor> scaled(NodeImport& node, const Tensor& tensor, float factor) {
  if (factor == 1.0F) return tensor;
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.make_constant(tensor.constant->desc));
  const auto elements = static_cast<size_t>(made.constant->desc.shape.elements());
  for (size_t i = 0; i < elements; ++i) {
    reinterpret_cast<float*>(made.data)[i] = factor * tensor.constant->f32()[i];
  }
  return node.made_from(tensor.name + ".scaled", made.constant, {&tensor, 1});
}

Result<Tensor> multiplied(NodeImport& node, const Tensor& tensor, float factor,
                          const char* suffix) {
  if (factor == 1.0F) return tensor;
  const Tensor constant{.name = node.name() + suffix,
                        .constant = ir::make_f32_constant({}, {&factor, 1})};
  return node.emit("Mul", {tensor, constant}, {}, suffix);
}

// C as one constant of `features` elements, when it adds the same to every row.
Result<Tensor> bias_row(NodeImport& node, const Tensor& c, float beta, int64_t features) {
  if (!c.constant || c.constant->desc.dtype != ir::DType::f32) return Tensor();
  const ir::Shape& shape = node.desc(c).shape;
  const bool row = shape.elements() == features && shape.rank() > 0 && shape.rank() <= 2 &&
                   shape[shape.rank() - 1] == features;
  const bool scalar = shape.elements() == 1 && shape.rank() <= 2;
  if (!row && !scalar) return Tensor();
  if (row && shape.rank() == 1) return scaled(node, c, beta);
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.make_constant({ir::DType::f32, {features}}));
  for (int64_t i = 0; i < features; ++i) {
    reinterpret_cast<float*>(made.data)[i] = beta * c.constant->f32()[scalar ? 0 : i];
  }
  return node.made_from(c.name, made.constant, {&c, 1});
}

Result<Tensor> transposed(NodeImport& node, const Tensor& tensor, const char* suffix) {
  ir::Attrs attrs;
  attrs.set("perm", std::vector<int64_t>{1, 0});
  return node.emit("Transpose", {tensor}, std::move(attrs), suffix);
}

// y = alpha * A' * B' + beta * C.
Status import_gemm(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  Tensor a = node.input(0), b = node.input(1);
  if (node.shape(0).rank() != 2 || node.shape(1).rank() != 2) {
    return invalid_argument("A and B must have rank 2, got " + node.shape(0).text() + " and " +
                            node.shape(1).text());
  }
  const float alpha = node.attrs.f("alpha", 1), beta = node.attrs.f("beta", 1);
  const bool trans_b = node.attrs.i("transB", 0) != 0;
  if (node.attrs.i("transA", 0) != 0) {
    TAOISM_ASSIGN_OR_RETURN(a, transposed(node, a, "/transA"));
  }
  const bool has_c = node.has(2) && beta != 0;
  Tensor y, bias;
  if (b.constant && node.desc(b).dtype == ir::DType::f32) {
    const int64_t features = node.desc(b).shape[trans_b ? 0 : 1];
    if (has_c) {
      TAOISM_ASSIGN_OR_RETURN(bias, bias_row(node, node.input(2), beta, features));
    }
    TAOISM_ASSIGN_OR_RETURN(const Tensor weight, scaled(node, b, alpha));
    ir::Attrs attrs;
    attrs.set("trans_w", int64_t{trans_b});
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Linear", {a, weight, bias}, std::move(attrs)));
  } else {
    if (trans_b) {
      TAOISM_ASSIGN_OR_RETURN(b, transposed(node, b, "/transB"));
    }
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("MatMul", {a, b}));
    TAOISM_ASSIGN_OR_RETURN(y, multiplied(node, y, alpha, "/alpha"));
  }
  if (has_c && !bias.exists()) {
    TAOISM_ASSIGN_OR_RETURN(const Tensor c, multiplied(node, node.input(2), beta, "/beta"));
    TAOISM_ASSIGN_OR_RETURN(y, node.emit("Add", {y, c}, {}, "/C"));
  }
  return node.give(std::move(y));
}

constexpr ImportEntry kImports[] = {
    {"Conv", import_conv},
    {"MaxPool", import_max_pool},
    {"AveragePool", import_average_pool},
    {"BatchNormalization", import_batch_normalization},
    {"MatMul", import_mat_mul},
    {"Gemm", import_gemm},
};

}  // namespace

std::span<const ImportEntry> linear_imports() { return kImports; }

}  // namespace taoism::onnx
