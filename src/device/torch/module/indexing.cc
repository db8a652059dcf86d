// Gather and Scatter, by elements and by slices. As in `cpu` a negative index counts from the end,
// and one that is out of range is a fault.
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scatter_reduce.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <string>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {
namespace {

// Indices of a dimension of `size`, a number or a tensor that broadcasts to them, counted from the
// front. One that is out of range becomes another that is not: Checks tell of it.
at::Tensor places_of(const at::Tensor& given, int64_t size) {
  return at::clamp(at::where(at::lt(given, 0), at::add(given, size), given), 0, size - 1);
}
at::Tensor places_of(const at::Tensor& given, const at::Tensor& size) {
  const at::Tensor index = at::where(at::lt(given, 0), at::add(given, size), given);
  return at::minimum(at::clamp(index, 0), at::sub(size, 1));
}

int64_t axis_of(const NodeContext& node) {
  const int64_t axis = node.attrs().i("axis", 0);
  return axis < 0 ? axis + static_cast<int64_t>(node.rank(0)) : axis;
}

Kernel gather(NodeContext& node) {
  const int64_t axis = axis_of(node), size = node.shape(0)[static_cast<size_t>(axis)];
  return [axis, size, look = node.look(1, {size}), dims = dims_of(node.output().shape)](
             Inputs in, Outputs out) {
    look(in[1]);
    out[0] = at::index_select(in[0], axis, places_of(in[1], size).flatten()).reshape(dims);
  };
}

Kernel gather_elements(NodeContext& node) {
  const int64_t axis = axis_of(node), size = node.shape(0)[static_cast<size_t>(axis)];
  return [axis, size, look = node.look(1, {size})](Inputs in, Outputs out) {
    look(in[1]);
    out[0] = at::gather(in[0], axis, places_of(in[1], size));
  };
}

// Which slice of x, counted over its first dimensions, each of the indices [..., depth] means.
class SliceIndex {
 public:
  // The first `batch` dimensions of x and of the indices are the same ones.
  SliceIndex(NodeContext& node, size_t batch) {
    const ir::Shape &x = node.shape(0), &indices = node.shape(1);
    const size_t last = indices.rank() - 1;
    const size_t first = batch + static_cast<size_t>(indices[last]);
    for (size_t i = 0; i < first; ++i) slices_ *= x[i];
    std::vector<int64_t> sizes, steps, begins;
    for (size_t i = batch; i < first; ++i) {
      sizes.push_back(x[i]);
      steps.push_back(x.product(i + 1, first));
    }
    for (int64_t i = 0; i < x.product(0, batch); ++i) begins.push_back(i * x.product(batch, first));
    sizes_ = node.to_device(sizes);
    steps_ = node.to_device(steps);
    std::vector<int64_t> dims = dims_of(indices);
    dims.pop_back();
    std::fill(dims.begin() + static_cast<std::ptrdiff_t>(batch), dims.end(), 1);
    begins_ = node.to_device(begins).reshape(dims);
    look_ = node.look(1, sizes);
  }

  int64_t slices() const { return slices_; }
  // Flat.
  at::Tensor of(const at::Tensor& indices) const {
    look_(indices);
    const at::Tensor each = places_of(indices, sizes_);
    return at::add(at::sum(at::mul(each, steps_), {-1}), begins_).flatten();
  }

 private:
  at::Tensor sizes_, steps_;  // [depth]
  at::Tensor begins_;         // of the batches; broadcasts to the indices but for their last one
  Look look_;
  int64_t slices_ = 1;
};

Kernel gather_nd(NodeContext& node) {
  const SliceIndex index(node, static_cast<size_t>(node.attrs().i("batch_dims", 0)));
  return [index, dims = dims_of(node.output().shape)](Inputs in, Outputs out) {
    const at::Tensor x = in[0].reshape({index.slices(), -1});
    out[0] = at::index_select(x, 0, index.of(in[1])).reshape(dims);
  };
}

// x [slices, length] with rows of `updates` put at, or combined with, the rows that `index` names.
class RowScatter {
 public:
  explicit RowScatter(const NodeContext& node) {
    const std::string_view name = node.attrs().s("reduction", "none");
    reduction_ = name == "add" ? "sum" : name == "mul" ? "prod" : name == "max" ? "amax" : "amin";
    is_put_ = name == "none";
  }

  at::Tensor run(const at::Tensor& x, const at::Tensor& index, const at::Tensor& updates) const {
    return is_put_ ? put(x, index, updates) : combine(x, index, updates);
  }

 private:
  // Of several rows for one place the last one is put, on a GPU too, where PyTorch would take any.
  static at::Tensor put(const at::Tensor& x, const at::Tensor& index, const at::Tensor& updates) {
    const at::Tensor order = at::arange(index.numel(), index.options());
    const at::Tensor none = at::full({x.size(0)}, -1, index.options());
    const at::Tensor chosen = at::scatter_reduce(none, 0, index, order, "amax");
    const at::Tensor rows = at::index_select(updates, 0, at::clamp(chosen, 0));
    return at::where(at::lt(chosen, 0).unsqueeze(1), x, rows);
  }

  at::Tensor combine(const at::Tensor& x, const at::Tensor& index,
                     const at::Tensor& updates) const {
    const at::Tensor places = index.unsqueeze(1).expand(updates.sizes());
    return at::scatter_reduce(x, 0, places, updates, reduction_);
  }

  std::string reduction_;
  bool is_put_;
};

Kernel scatter_nd(NodeContext& node) {
  const SliceIndex index(node, 0);
  return [index, scatter = RowScatter(node), dims = dims_of(node.output().shape)](Inputs in,
                                                                                  Outputs out) {
    const at::Tensor x = in[0].reshape({index.slices(), -1});
    out[0] = scatter.run(x, index.of(in[1]), in[2].reshape({-1, x.size(1)})).reshape(dims);
  };
}

Kernel scatter_elements(NodeContext& node) {
  const ir::Shape &x = node.shape(0), &shape = node.shape(1);
  const auto axis = static_cast<size_t>(axis_of(node));
  // Where each update would go if its index were 0.
  std::vector<int64_t> begins(static_cast<size_t>(shape.elements()), 0);
  for (size_t i = 0; i < begins.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    for (size_t d = shape.rank(); d-- > 0; rest /= shape[d]) {
      if (d != axis) begins[i] += rest % shape[d] * x.product(d + 1, x.rank());
    }
  }
  return [begins = node.to_device(begins), size = x[axis], look = node.look(1, {x[axis]}),
          step = x.product(axis + 1, x.rank()), scatter = RowScatter(node),
          dims = dims_of(x)](Inputs in, Outputs out) {
    look(in[1]);
    const at::Tensor index = at::add(at::mul(places_of(in[1].flatten(), size), step), begins);
    out[0] = scatter.run(in[0].reshape({-1, 1}), index, in[2].reshape({-1, 1})).reshape(dims);
  };
}

constexpr Lowering kLowerings[] = {
    {"Gather", gather},        {"GatherElements", gather_elements},
    {"GatherND", gather_nd},   {"ScatterElements", scatter_elements},
    {"ScatterND", scatter_nd},
};

}  // namespace

std::span<const Lowering> indexing_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
