// Gather and Scatter, by elements and by slices. As in `cpu` a negative index counts from the end;
// one that is out of bounds reads NaN, or 0 where there is none, and writes nothing.
#include <ATen/ops/add.h>
#include <ATen/ops/any.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scatter_reduce.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <limits>
#include <string>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {
namespace {

// Indices counted from the front, and where they are out of bounds.
struct Places {
  at::Tensor index, is_outside;
};

// `size`: of the dimension that is indexed; a number, or a tensor that broadcasts to the indices.
template <typename Size>
Places places_of(const at::Tensor& given, const Size& size) {
  const at::Tensor index = at::where(at::lt(given, 0), at::add(given, size), given);
  return {index, at::logical_or(at::lt(index, 0), at::ge(index, size))};
}

at::Tensor with_nothing(const at::Tensor& found, const at::Tensor& is_outside) {
  const double nothing = found.is_floating_point() ? std::numeric_limits<double>::quiet_NaN() : 0;
  return found.masked_fill(is_outside, nothing);
}

int64_t axis_of(const NodeContext& node) {
  const int64_t axis = node.attrs().i("axis", 0);
  return axis < 0 ? axis + static_cast<int64_t>(node.rank(0)) : axis;
}

Kernel gather(NodeContext& node) {
  const auto rank = static_cast<int64_t>(node.rank(0));
  const int64_t axis = axis_of(node);
  std::vector<int64_t> mask_dims = dims_of(node.shape(1));
  mask_dims.insert(mask_dims.end(), static_cast<size_t>(rank - 1 - axis), 1);
  return [axis, mask_dims, dims = dims_of(node.output().shape)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const int64_t size = x.size(axis);
    const Places places = places_of(in[1], size);
    const at::Tensor found =
        at::index_select(x, axis, at::clamp(places.index, 0, size - 1).flatten()).reshape(dims);
    out[0] = with_nothing(found, places.is_outside.reshape(mask_dims));
  };
}

Kernel gather_elements(NodeContext& node) {
  return [axis = axis_of(node)](Inputs in, Outputs out) {
    const int64_t size = in[0].size(axis);
    const Places places = places_of(in[1], size);
    const at::Tensor found = at::gather(in[0], axis, at::clamp(places.index, 0, size - 1));
    out[0] = with_nothing(found, places.is_outside);
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
  }

  int64_t slices() const { return slices_; }
  // Flat; the index is `outside` where it is out of bounds.
  Places of(const at::Tensor& indices, int64_t outside) const {
    const Places each = places_of(indices, sizes_);
    const at::Tensor is_outside = at::any(each.is_outside, -1);
    const at::Tensor index = at::add(at::sum(at::mul(each.index, steps_), {-1}), begins_);
    return {index.masked_fill(is_outside, outside).flatten(), is_outside.flatten()};
  }

 private:
  at::Tensor sizes_, steps_;  // [depth]
  at::Tensor begins_;         // of the batches; broadcasts to the indices but for their last one
  int64_t slices_ = 1;
};

Kernel gather_nd(NodeContext& node) {
  const SliceIndex index(node, static_cast<size_t>(node.attrs().i("batch_dims", 0)));
  return [index, dims = dims_of(node.output().shape)](Inputs in, Outputs out) {
    const Places places = index.of(in[1], 0);
    const at::Tensor found = at::index_select(in[0].reshape({index.slices(), -1}), 0, places.index);
    out[0] = with_nothing(found, places.is_outside.unsqueeze(1)).reshape(dims);
  };
}

// x [slices, length] with rows of `updates` put at, or combined with, the rows that `index` names;
// the index `slices` names none.
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
    const at::Tensor none = at::full({x.size(0) + 1}, -1, index.options());
    const at::Tensor chosen =
        at::scatter_reduce(none, 0, index, order, "amax").narrow(0, 0, x.size(0));
    const at::Tensor rows = at::index_select(updates, 0, at::clamp(chosen, 0));
    return at::where(at::lt(chosen, 0).unsqueeze(1), x, rows);
  }

  at::Tensor combine(const at::Tensor& x, const at::Tensor& index,
                     const at::Tensor& updates) const {
    const at::Tensor places = index.unsqueeze(1).expand(updates.sizes());
    const at::Tensor with_none = at::constant_pad_nd(x, {0, 0, 0, 1});
    return at::scatter_reduce(with_none, 0, places, updates, reduction_).narrow(0, 0, x.size(0));
  }

  std::string reduction_;
  bool is_put_;
};

Kernel scatter_nd(NodeContext& node) {
  const SliceIndex index(node, 0);
  return [index, scatter = RowScatter(node), dims = dims_of(node.output().shape)](Inputs in,
                                                                                  Outputs out) {
    const int64_t slices = index.slices();
    const Places places = index.of(in[1], slices);
    const at::Tensor x = in[0].reshape({slices, -1});
    out[0] = scatter.run(x, places.index, in[2].reshape({-1, x.size(1)})).reshape(dims);
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
  return [begins = node.to_device(begins), size = x[axis], elements = x.elements(),
          step = x.product(axis + 1, x.rank()), scatter = RowScatter(node),
          dims = dims_of(x)](Inputs in, Outputs out) {
    const Places places = places_of(in[1].flatten(), size);
    const at::Tensor index =
        at::add(at::mul(places.index, step), begins).masked_fill(places.is_outside, elements);
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
