#include "device/torch/module/convolution.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>

namespace taoism::torch_module {

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
  at::Tensor y = at::conv2d(x, weight_, bias_, window_.stride, pad, window_.dilation, groups_);
  if (is_1d_) y = y.squeeze(2);
  if (residual.defined()) y.add_(residual);
  return activate_own(std::move(y), activation_);
}

}  // namespace taoism::torch_module
