// A partition compiled for PyTorch: the segments of the device, as calls of ATen in order. Values
// that a later segment reads stay here. Errors are exceptions: c10::Error, and Failure below.
// Thread-safety: one thread at a time per object.
#pragma once

#include "device/torch/abi.h"
#include "device/torch/module/accelerator.h"
#include "device/torch/module/checks.h"
#include "device/torch/module/failure.h"
#include "device/torch/module/lowering.h"
#include "ir/segment.h"

namespace taoism::torch_module {

// Throws Failure, unsupported, for the first node placed on the device that has no lowering.
void check_supported(const ir::PartitionedGraph& graph);

class Executable {
 public:
  // Weights are copied: `graph` must outlive the call alone.
  Executable(const ir::PartitionedGraph& graph, at::Device device, bool staged, int threads);

  // Throws Failure, invalid_argument, for elements that a node cannot do with.
  void run(size_t segment, const void* const* inputs, void* const* outputs,
           device::torch_abi::Times& times);
  std::byte* allocate_crossing(size_t bytes) { return accelerator_.allocate_pinned(bytes); }
  uint64_t memory_bytes() const { return weight_bytes_ + activation_bytes_; }

 private:
  struct Step {
    Kernel kernel;
    std::vector<ir::ValueId> inputs;  // kNoValue: given nothing
    std::vector<ir::ValueId> outputs;
    std::vector<ir::ValueId> last_use;  // dropped afterwards
    std::string what;                   // "Conv 'conv1'"
  };
  struct Part {
    std::vector<Step> steps;
    std::vector<ir::ValueId> inputs, outputs;
    std::vector<ir::ValueId> last_use;  // after the outputs were copied
    std::vector<at::Tensor> staged_inputs;
    std::vector<at::Tensor> recorded_outputs;
    std::unique_ptr<Accelerator::Recording> recording;
    std::unique_ptr<Checks> checks = std::make_unique<Checks>();  // kernels refer to it
    at::Tensor found;                                             // by the checks of the last run
    uint64_t runs = 0;
  };

  void add_step(const ir::PartitionedGraph& graph, const ir::Node& node, Weights& weights,
                Part& part);
  void find_last_uses(const ir::PartitionedGraph& graph);
  void bring_inputs(Part& part, const void* const* inputs);
  void run_steps(Part& part);
  void compute(Part& part);

  Accelerator accelerator_;
  int threads_;
  std::vector<ir::TensorDesc> types_;  // by value
  std::vector<at::Tensor> constants_;  // by value; those that kernels are given
  std::vector<at::Tensor> values_;     // by value
  std::vector<Part> parts_;            // by segment; empty for the other side's
  std::vector<at::Tensor> in_, out_;   // of the step that runs
  bool keeps_values_ = false;          // a later segment reads what an earlier one had
  uint64_t weight_bytes_ = 0, activation_bytes_ = 0;
};

}  // namespace taoism::torch_module
