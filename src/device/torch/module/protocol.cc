// The nodes that strategies insert.
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "device/torch/module/convolution.h"

namespace taoism::torch_module {
namespace {

// activation(y * scale + bias[channel]); the channel is dimension 1, the last one up to rank 2.
Kernel restore(NodeContext& node) {
  constexpr size_t kBias = 1;
  at::Tensor bias = node.take(kBias);
  if (bias.defined() && node.rank(0) > 2) {
    std::vector<int64_t> dims(node.rank(0) - 1, 1);
    dims[0] = node.shape(0)[1];
    bias = bias.reshape(dims);
  }
  return [bias, scale = static_cast<double>(node.attrs().f("scale")), activation = fused_of(node)](
             Inputs in, Outputs out) {
    at::Tensor y = at::mul(in[0], scale);
    if (bias.defined()) y.add_(bias);
    out[0] = activate_own(std::move(y), activation);
  };
}

// The sparse rows as one dense matrix [rows, columns], or undefined when they are no such list.
at::Tensor dense_rows(const NodeContext& node, int64_t rows, int64_t columns) {
  constexpr size_t kValues = 2, kColumns = 3, kRows = 4;
  const at::Tensor values = node.on_host(kValues).contiguous();
  const at::Tensor index = node.on_host(kColumns).to(at::kLong).contiguous();
  const at::Tensor begins = node.on_host(kRows).to(at::kLong).contiguous();
  const auto* value = values.const_data_ptr<float>();
  const auto* column = index.const_data_ptr<int64_t>();
  const auto* begin = begins.const_data_ptr<int64_t>();
  if (begin[0] != 0 || begin[rows] != values.numel()) return {};
  for (int64_t r = 0; r < rows; ++r) {
    if (begin[r] > begin[r + 1]) return {};
  }
  for (int64_t e = 0; e < values.numel(); ++e) {
    if (column[e] < 0 || column[e] >= columns) return {};
  }
  at::Tensor dense = at::zeros({rows, columns}, at::kFloat);
  auto* to = dense.mutable_data_ptr<float>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t e = begin[r]; e < begin[r + 1]; ++e) to[r * columns + column[e]] += value[e];
  }
  return dense;
}

// activation(y + sparse * x + bias), with the sparse weights as dense ones: a device has room.
Kernel sparse_residual(NodeContext& node) {
  constexpr size_t kY = 0, kX = 1, kBias = 5;
  const bool is_conv = node.attrs().s("kind", "conv") == "conv";
  const ir::Shape& x = node.shape(kX);
  const int64_t rows = node.attrs().i("out_channels");
  const int64_t groups = node.attrs().i("group", 1);
  const Window window = is_conv ? window_of(node.attrs(), x.rank()) : Window{};
  const int64_t columns =
      is_conv ? x[1] / groups * window.kernel[0] * window.kernel[1] : x[x.rank() - 1];
  at::Tensor dense = dense_rows(node, rows, columns);
  for (size_t i = 2; i < node.input_count(); ++i) node.leave_out(i);
  if (!dense.defined()) {
    return [](Inputs in, Outputs out) {
      out[0] = at::full_like(in[kY], std::numeric_limits<float>::quiet_NaN());
    };
  }
  const at::Tensor bias = node.take(kBias);
  const kernels::Activation activation = fused_of(node);
  if (!is_conv) {
    return [weight = node.to_device(dense), bias, activation](Inputs in, Outputs out) {
      out[0] = activate_own(at::linear(in[kX], weight, bias).add_(in[kY]), activation);
    };
  }
  std::vector<int64_t> dims = {rows, x[1] / groups};
  if (x.rank() == 4) dims.push_back(window.kernel[0]);
  dims.push_back(window.kernel[1]);
  const Convolution convolution(node.to_device(dense.reshape(dims)), bias, window, groups, x,
                                activation);
  return [convolution](Inputs in, Outputs out) { out[0] = convolution.run(in[kX], in[kY]); };
}

constexpr Lowering kLowerings[] = {
    {"taoism.Restore", restore},
    {"taoism.SparseResidual", sparse_residual},
};

}  // namespace

std::span<const Lowering> protocol_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
