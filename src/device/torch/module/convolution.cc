#include "device/torch/module/convolution.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>

namespace taoism::torch_module {
namespace {

// PyTorch's operators over packed weights, which have no C++ functions; they are called with a
// stack, since the types of their C++ signatures differ between versions. Null: this PyTorch has
// none.
const c10::OperatorHandle* find_operator(const char* name) {
  const auto find = [](const char* wanted) {
    return c10::Dispatcher::singleton().findSchema({wanted, ""});
  };
  static const auto kReorder = find("mkldnn::_reorder_convolution_weight");
  static const auto kConvolve = find("mkldnn::_convolution_pointwise");
  if (!kReorder || !kConvolve || !at::globalContext().userEnabledMkldnn()) return nullptr;
  return std::string_view(name) == "reorder" ? &*kReorder : &*kConvolve;
}

std::vector<int64_t> list(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

}  // namespace

Convolution::Convolution(at::Tensor weight, at::Tensor bias, const Window& window, int64_t groups,
                         const ir::Shape& x, const kernels::Activation& activation)
    : weight_(std::move(weight)),
      bias_(std::move(bias)),
      window_(window),
      groups_(groups),
      activation_(activation),
      is_1d_(x.rank() == 3) {
  if (is_1d_) weight_ = weight_.unsqueeze(2);
  weight_ = weight_.contiguous(at::MemoryFormat::ChannelsLast);
  if (weight_.device().is_cpu()) pack(x);
}

void Convolution::pack(const ir::Shape& x) {
  const c10::OperatorHandle* reorder = find_operator("reorder");
  if (reorder == nullptr) return;
  const std::array<int64_t, 2> pad =
      window_.is_symmetric() ? window_.pad_begin : std::array<int64_t, 2>{0, 0};
  std::vector<int64_t> size = dims_of(x);
  if (is_1d_) size.insert(size.begin() + 2, 1);
  if (!window_.is_symmetric()) {
    for (size_t axis = 0; axis < 2; ++axis) {
      size[2 + axis] += window_.pad_begin[axis] + window_.pad_end[axis];
    }
  }
  std::vector<at::IValue> stack = {weight_, list(pad), list(window_.stride), list(window_.dilation),
                                   groups_, size};
  reorder->callBoxed(stack);
  weight_.reset();
  packed_call_ = {stack[0],
                  bias_.defined() ? at::IValue(bias_) : at::IValue(),
                  list(pad),
                  list(window_.stride),
                  list(window_.dilation),
                  groups_,
                  "none",
                  c10::List<std::optional<at::Scalar>>(),
                  at::IValue()};
}

at::Tensor Convolution::run(const at::Tensor& input, const at::Tensor& residual) const {
  at::Tensor x = is_1d_ ? input.unsqueeze(2) : input;
  std::array<int64_t, 2> pad = window_.pad_begin;
  if (!window_.is_symmetric()) {
    x = at::constant_pad_nd(
        x, {window_.pad_begin[1], window_.pad_end[1], window_.pad_begin[0], window_.pad_end[0]});
    pad = {0, 0};
  }
  x = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y;
  if (packed_call_.empty()) {
    y = at::conv2d(x, weight_, bias_, window_.stride, pad, window_.dilation, groups_);
  } else {
    std::vector<at::IValue> stack = {x};
    stack.insert(stack.end(), packed_call_.begin(), packed_call_.end());
    find_operator("convolve")->callBoxed(stack);
    y = stack[0].toTensor();
  }
  if (is_1d_) y = y.squeeze(2);
  if (residual.defined()) y.add_(residual);
  return activate_own(std::move(y), activation_);
}

}  // namespace taoism::torch_module
