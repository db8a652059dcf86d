// From one node to calls of ATen. A Lowering is looked up by the operator's name; what it gives is
// run for every inference. Shapes are static and have been checked by the operator's own rule
// before they come here. Thread-safety: the table is constant; a Kernel runs on one thread at a
// time.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "device/torch/module/checks.h"
#include "ir/graph.h"

namespace taoism::torch_module {

using Inputs = std::span<const at::Tensor>;
using Outputs = std::span<at::Tensor>;
// Reads the node's inputs (undefined where absent, or taken by the lowering) and sets its outputs.
// Inputs are never written. Outputs may share an input's memory.
using Kernel = std::function<void(Inputs, Outputs)>;
// What a kernel calls with elements that may be a fault.
using Look = std::function<void(const at::Tensor&)>;

// Weights on their way to the device: each is brought there once, however many nodes read it.
class Weights {
 public:
  explicit Weights(at::Device device) : device_(device) {}

  // A copy on the device; of its own memory there.
  at::Tensor get(const ir::Graph& graph, ir::ValueId id);
  at::Tensor to_device(const at::Tensor& host);
  at::Device device() const { return device_; }
  uint64_t bytes() const { return bytes_; }

 private:
  at::Device device_;
  std::unordered_map<ir::ValueId, at::Tensor> ready_;
  uint64_t bytes_ = 0;
};

// A node, and where it will run.
class NodeContext {
 public:
  // `checks` outlives the kernel.
  NodeContext(const ir::Graph& graph, const ir::Node& node, Weights& weights, Checks& checks)
      : graph_(graph),
        node_(node),
        weights_(weights),
        checks_(checks),
        taken_(node.inputs.size(), false) {}

  const ir::Attrs& attrs() const { return node_.attrs; }
  size_t input_count() const { return node_.inputs.size(); }
  bool has(size_t i) const { return i < input_count() && node_.inputs[i] != ir::kNoValue; }
  bool is_weight(size_t i) const { return has(i) && value(i).is_constant(); }
  const ir::Shape& shape(size_t i) const { return value(i).desc.shape; }
  const ir::TensorDesc& output(size_t o = 0) const { return graph_.value(node_.outputs[o]).desc; }
  size_t rank(size_t i) const { return shape(i).rank(); }
  bool on_cpu() const { return weights_.device().is_cpu(); }

  // The weight on the device; undefined when it is absent. The kernel keeps it and is given nothing
  // in its place, so that a packed copy can be all that stays.
  at::Tensor take(size_t i);
  // The weight as it lies in the graph: for what is computed while compiling.
  at::Tensor on_host(size_t i) const;
  at::Tensor to_device(const at::Tensor& host) { return weights_.to_device(host); }
  // int64, of one dimension.
  at::Tensor to_device(const std::vector<int64_t>& list);
  // For indices, input `i`, that count `dims`, or with none for divisors: see Checks. A weight is
  // checked here. Throws Failure, invalid_argument.
  Look look(size_t i, std::vector<int64_t> dims);
  // The kernel is given nothing at `i`.
  void leave_out(size_t i) { taken_[i] = true; }
  bool is_taken(size_t i) const { return taken_[i]; }

 private:
  const ir::Value& value(size_t i) const { return graph_.value(node_.inputs[i]); }

  const ir::Graph& graph_;
  const ir::Node& node_;
  Weights& weights_;
  Checks& checks_;
  std::vector<bool> taken_;
};

struct Lowering {
  std::string_view op;
  Kernel (*lower)(NodeContext&);
};

// Null: PyTorch does not run this operator here.
const Lowering* find_lowering(std::string_view op);

std::span<const Lowering> linear_lowerings();
std::span<const Lowering> pointwise_lowerings();
std::span<const Lowering> function_lowerings();
std::span<const Lowering> pool_lowerings();
std::span<const Lowering> layout_lowerings();
std::span<const Lowering> indexing_lowerings();
std::span<const Lowering> normalization_lowerings();
std::span<const Lowering> protocol_lowerings();

std::string name_of(const ir::Node& node);  // "Conv 'conv1'"
at::ScalarType scalar_type(ir::DType dtype);
std::vector<int64_t> dims_of(const ir::Shape& shape);

}  // namespace taoism::torch_module
