#include "device/torch/module/lowering.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "device/torch/module/failure.h"

namespace taoism::torch_module {

const Lowering* find_lowering(std::string_view op) {
  for (const auto& family : {linear_lowerings(), pointwise_lowerings(), function_lowerings(),
                             pool_lowerings(), layout_lowerings(), indexing_lowerings(),
                             normalization_lowerings(), protocol_lowerings()}) {
    for (const Lowering& lowering : family) {
      if (lowering.op == op) return &lowering;
    }
  }
  return nullptr;
}

std::string name_of(const ir::Node& node) { return node.op + " '" + node.name + "'"; }

at::ScalarType scalar_type(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::f32: return at::kFloat;
    case ir::DType::f64: return at::kDouble;
    case ir::DType::i32: return at::kInt;
    case ir::DType::i64: return at::kLong;
    case ir::DType::boolean: return at::kBool;
    case ir::DType::u8: return at::kByte;
    case ir::DType::i8: return at::kChar;
    case ir::DType::i16: return at::kShort;
    case ir::DType::u16: return at::kUInt16;
    case ir::DType::u32: return at::kUInt32;
    case ir::DType::u64: return at::kUInt64;
    case ir::DType::f16: return at::kHalf;
    case ir::DType::bf16: return at::kBFloat16;
  }
  TORCH_CHECK(false, "unknown element type ", static_cast<int>(dtype));
}

std::vector<int64_t> dims_of(const ir::Shape& shape) { return {shape.begin(), shape.end()}; }

namespace {

// Not to be written: PyTorch has no constant tensors.
at::Tensor view_of(const ir::Constant& constant) {
  return at::from_blob(const_cast<std::byte*>(constant.data), dims_of(constant.desc.shape),
                       at::TensorOptions().dtype(scalar_type(constant.desc.dtype)));
}

}  // namespace

at::Tensor Weights::get(const ir::Graph& graph, ir::ValueId id) {
  const auto [at, is_new] = ready_.try_emplace(id);
  if (is_new) at->second = to_device(view_of(*graph.value(id).constant));
  return at->second;
}

at::Tensor Weights::to_device(const at::Tensor& host) {
  bytes_ += host.nbytes();
  return host.to(host.options().device(device_), /*non_blocking=*/false, /*copy=*/true);
}

at::Tensor NodeContext::take(size_t i) {
  if (!has(i)) return {};
  taken_[i] = true;
  return weights_.get(graph_, node_.inputs[i]);
}

at::Tensor NodeContext::to_device(const std::vector<int64_t>& list) {
  at::Tensor host = at::empty({static_cast<int64_t>(list.size())}, at::kLong);
  std::copy(list.begin(), list.end(), host.mutable_data_ptr<int64_t>());
  return to_device(host);
}

Look NodeContext::look(size_t i, std::vector<int64_t> dims) {
  Checks::Check check{name_of(node_), std::move(dims), {}};
  if (is_weight(i)) {
    const at::Tensor host = on_host(i);
    check.sizes = at::empty({static_cast<int64_t>(check.dims.size())}, at::kLong);
    std::copy(check.dims.begin(), check.dims.end(), check.sizes.mutable_data_ptr<int64_t>());
    if (const Status status = Checks::verdict(check, host); !status.ok()) throw Failure(status);
    return [](const at::Tensor&) {};
  }
  check.sizes = to_device(check.dims);
  return [checks = &checks_, check = std::make_shared<const Checks::Check>(std::move(check))](
             const at::Tensor& elements) { checks->look(*check, elements); };
}

at::Tensor NodeContext::on_host(size_t i) const { return view_of(*value(i).constant); }

}  // namespace taoism::torch_module
