// MaxPool, AveragePool and the global ones. Where PyTorch's pools do not have a form (uneven or
// wide padding, dilated averages), the padding is made a tensor and the windows a view of it.
#include <ATen/ops/amax.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>

#include <algorithm>
#include <limits>

#include "device/torch/module/window.h"

namespace taoism::torch_module {
namespace {

// A pool's window over its image, which has a height of 1 if the pool is 1-D.
struct Pool {
  Window window;
  std::array<int64_t, 2> in, out;
  bool is_1d, ceil;

  // What PyTorch asks of padding that it makes itself.
  bool is_native() const {
    const auto fits = [&](size_t axis) {
      return window.pad_begin[axis] <= window.kernel[axis] / 2;
    };
    return window.is_symmetric() && fits(0) && fits(1);
  }
};

Pool pool_of(const NodeContext& node) {
  const size_t rank = node.rank(0);
  const auto extents = [rank](const ir::Shape& s) -> std::array<int64_t, 2> {
    return {rank == 4 ? s[2] : 1, s[rank - 1]};
  };
  return {window_of(node.attrs(), rank), extents(node.shape(0)), extents(node.output().shape),
          rank == 3, node.attrs().i("ceil_mode") != 0};
}

// The input with exactly the padding that its windows see.
at::Tensor padded(const Pool& pool, const at::Tensor& x, double value) {
  const Window& w = pool.window;
  return at::constant_pad_nd(x,
                             {w.pad_begin[1], w.needed_end(1, pool.in[1], pool.out[1]),
                              w.pad_begin[0], w.needed_end(0, pool.in[0], pool.out[0])},
                             value);
}

template <typename Function>
Kernel over_image(const Pool& pool, Function function) {
  return [pool, function](Inputs in, Outputs out) {
    const at::Tensor y = function(pool, pool.is_1d ? in[0].unsqueeze(2) : in[0]);
    out[0] = pool.is_1d ? y.squeeze(2) : y;
  };
}

Kernel max_pool(NodeContext& node) {
  const Pool pool = pool_of(node);
  if (pool.is_native()) {
    return over_image(pool, [](const Pool& p, const at::Tensor& x) {
      const Window& w = p.window;
      return at::max_pool2d(x, w.kernel, w.stride, w.pad_begin, w.dilation, p.ceil);
    });
  }
  return over_image(pool, [](const Pool& p, const at::Tensor& x) {
    const Window& w = p.window;
    const at::Tensor all = padded(p, x, -std::numeric_limits<float>::infinity());
    return at::max_pool2d(all, w.kernel, w.stride, {0, 0}, w.dilation, false);
  });
}

// 1 / how many elements each output averages; 0 where there are none. [OH, OW].
at::Tensor reciprocal_counts(const Pool& pool, bool counts_pad) {
  const Window& w = pool.window;
  std::array<std::vector<int64_t>, 2> counts;
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t lowest = counts_pad ? -w.pad_begin[axis] : 0;
    const int64_t end = pool.in[axis] + (counts_pad ? w.pad_end[axis] : 0);
    for (int64_t o = 0; o < pool.out[axis]; ++o) {
      int64_t count = 0;
      for (int64_t k = 0; k < w.kernel[axis]; ++k) {
        const int64_t i = o * w.stride[axis] - w.pad_begin[axis] + k * w.dilation[axis];
        count += i >= lowest && i < end ? 1 : 0;
      }
      counts[axis].push_back(count);
    }
  }
  at::Tensor result = at::empty({pool.out[0], pool.out[1]}, at::kFloat);
  auto* to = result.mutable_data_ptr<float>();
  for (const int64_t rows : counts[0]) {
    for (const int64_t columns : counts[1]) {
      *to++ = rows * columns == 0 ? 0.0F : 1.0F / static_cast<float>(rows * columns);
    }
  }
  return result;
}

Kernel average_pool(NodeContext& node) {
  const Pool pool = pool_of(node);
  const bool counts_pad = node.attrs().i("count_include_pad") != 0;
  if (pool.is_native() && pool.window.dilation == std::array<int64_t, 2>{1, 1}) {
    return over_image(pool, [counts_pad](const Pool& p, const at::Tensor& x) {
      const Window& w = p.window;
      return at::avg_pool2d(x, w.kernel, w.stride, w.pad_begin, p.ceil, counts_pad);
    });
  }
  const at::Tensor factors = node.to_device(reciprocal_counts(pool, counts_pad));
  return over_image(pool, [factors](const Pool& p, const at::Tensor& x) {
    const Window& w = p.window;
    const at::Tensor all = padded(p, x, 0).contiguous();
    const at::Tensor windows =
        all.as_strided({all.size(0), all.size(1), p.out[0], w.kernel[0], p.out[1], w.kernel[1]},
                       {all.stride(0), all.stride(1), all.stride(2) * w.stride[0],
                        all.stride(2) * w.dilation[0], w.stride[1], w.dilation[1]});
    return windows.sum({3, 5}).mul_(factors);
  });
}

std::vector<int64_t> spatial_axes(const NodeContext& node) {
  std::vector<int64_t> axes;
  for (size_t i = 2; i < node.rank(0); ++i) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

Kernel global_average_pool(NodeContext& node) {
  return
      [axes = spatial_axes(node)](Inputs in, Outputs out) { out[0] = at::mean(in[0], axes, true); };
}

Kernel global_max_pool(NodeContext& node) {
  return
      [axes = spatial_axes(node)](Inputs in, Outputs out) { out[0] = at::amax(in[0], axes, true); };
}

constexpr Lowering kLowerings[] = {
    {"MaxPool", max_pool},
    {"AveragePool", average_pool},
    {"GlobalAveragePool", global_average_pool},
    {"GlobalMaxPool", global_max_pool},
};

}  // namespace

std::span<const Lowering> pool_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
