#include "device/cpu/cpu_device.h"

#include <chrono>

#include "base/bytes.h"
#include "device/thread_pool.h"
#include "ops/op.h"
#include "program/execute.h"
#include "program/lower.h"

namespace taoism::device {
namespace {

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                               std::chrono::nanoseconds(1));
}

class CpuExecutable final : public Executable {
 public:
  CpuExecutable(program::Lowered lowered, const ir::Graph& graph, std::shared_ptr<ThreadPool> pool)
      : pool_(std::move(pool)),
        lowered_(std::move(lowered)),
        weights_(lowered_.program.weight_bytes),
        activations_(lowered_.program.activation_bytes),
        scratch_(lowered_.program.scratch_bytes) {
    for (program::WeightId w = 0; w < lowered_.program.weights.size(); ++w) {
      program::pack_weight(graph, lowered_, w,
                           weights_.data() + lowered_.program.weights[w].offset);
    }
    executor_ = std::make_unique<program::Executor>(
        lowered_.program, program::Arena{weights_.span(), activations_.span(), scratch_.span()},
        *pool_);
  }

  Status run(size_t segment, std::span<const ir::ConstTensorView> inputs,
             std::span<const ir::TensorView> outputs, RunTimes& times) override {
    TAOISM_CHECK(segment < lowered_.segment_index.size() && lowered_.segment_index[segment] >= 0);
    const auto index = static_cast<size_t>(lowered_.segment_index[segment]);
    const program::Segment& code = lowered_.program.segments[index];
    TAOISM_CHECK(inputs.size() == code.inputs.size() && outputs.size() == code.outputs.size());
    const uint64_t start = now_ns();
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ByteSpan to = executor_->slot(code.inputs[i]);
      TAOISM_CHECK(inputs[i].desc.bytes() == to.size());
      std::memcpy(to.data(), inputs[i].data, to.size());
    }
    const uint64_t entered = now_ns();
    TAOISM_RETURN_IF_ERROR(executor_->run(index));
    const uint64_t computed = now_ns();
    for (size_t o = 0; o < outputs.size(); ++o) {
      const ByteSpan from = executor_->slot(code.outputs[o]);
      TAOISM_CHECK(outputs[o].desc.bytes() == from.size());
      std::memcpy(outputs[o].data, from.data(), from.size());
    }
    times.compute_ns += computed - entered;
    times.transfer_ns += entered - start + now_ns() - computed;
    return {};
  }

  uint64_t memory_bytes() const override { return lowered_.program.arena_bytes(); }

 private:
  std::shared_ptr<ThreadPool> pool_;  // shared with the device: executables may outlive it
  program::Lowered lowered_;
  AlignedBuffer weights_, activations_, scratch_;
  std::unique_ptr<program::Executor> executor_;
};

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(size_t threads) : pool_(std::make_shared<ThreadPool>(threads)) {}

  std::string name() const override { return "cpu"; }
  size_t threads() const override { return pool_->threads(); }

  Status supports(const ir::Graph&, const ir::Node& node) const override {
    const ops::OpDef* op = ops::find_op(node.op);
    if (op == nullptr || op->run == nullptr) {
      return unsupported(node.op + " '" + node.name + "': no CPU kernel for this operator");
    }
    return {};
  }

  Result<std::unique_ptr<Executable>> compile(const ir::PartitionedGraph& graph) override {
    TAOISM_ASSIGN_OR_RETURN(program::Lowered lowered,
                            program::lower(graph, ir::Placement::device, threads()));
    return std::unique_ptr<Executable>(
        std::make_unique<CpuExecutable>(std::move(lowered), graph.graph, pool_));
  }

 private:
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace

Result<std::unique_ptr<Device>> open_cpu(const CpuOptions& options) {
  if (options.threads == 0 || options.threads > 1024) {
    return invalid_argument("--device-threads: " + std::to_string(options.threads) +
                            " is not in 1..1024");
  }
  return std::unique_ptr<Device>(std::make_unique<CpuDevice>(options.threads));
}

}  // namespace taoism::device
