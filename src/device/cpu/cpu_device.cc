#include "device/cpu/cpu_device.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/bytes.h"
#include "device/page_buffer.h"
#include "device/thread_pool.h"
#include "host/memory.h"
#include "ops/op.h"
#include "program/execute.h"
#include "program/lower.h"

namespace taoism::device {
namespace {

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                               std::chrono::nanoseconds(1));
}

// The caller's tensors of one segment.
class Tensors final : public program::Exchange {
 public:
  Tensors(std::span<const ir::ConstTensorView> inputs, std::span<const ir::TensorView> outputs)
      : inputs_(inputs), outputs_(outputs) {}

  void read(uint32_t input, uint64_t offset, ByteSpan to) override {
    const uint64_t start = now_ns();
    if (!to.empty()) std::memcpy(to.data(), inputs_[input].data + offset, to.size());
    transfer_ns_ += now_ns() - start;
  }
  void write(uint32_t output, uint64_t offset, ConstByteSpan from) override {
    const uint64_t start = now_ns();
    if (!from.empty()) std::memcpy(outputs_[output].data + offset, from.data(), from.size());
    transfer_ns_ += now_ns() - start;
  }
  uint64_t transfer_ns() const { return transfer_ns_; }

 private:
  std::span<const ir::ConstTensorView> inputs_;
  std::span<const ir::TensorView> outputs_;
  uint64_t transfer_ns_ = 0;
};

class CpuExecutable final : public Executable {
 public:
  CpuExecutable(program::Lowered lowered, program::Schedule schedule, const ir::Graph& graph,
                std::shared_ptr<ThreadPool> pool)
      : pool_(std::move(pool)),
        lowered_(std::move(lowered)),
        schedule_(std::move(schedule)),
        memory_(schedule_.arena_bytes()),
        executor_(lowered_.program, schedule_, memory_.span(), *pool_, nullptr) {
    for (program::WeightId w = 0; w < lowered_.program.weights.size(); ++w) {
      program::pack_weight(graph, lowered_, w, executor_.weight(w).data());
    }
  }

  Status run(size_t segment, std::span<const ir::ConstTensorView> inputs,
             std::span<const ir::TensorView> outputs, RunTimes& times) override {
    TAOISM_CHECK(segment < lowered_.segment_index.size() && lowered_.segment_index[segment] >= 0);
    const auto index = static_cast<size_t>(lowered_.segment_index[segment]);
    const program::Segment& code = lowered_.program.segments[index];
    TAOISM_CHECK(inputs.size() == code.inputs.size() && outputs.size() == code.outputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      TAOISM_CHECK(inputs[i].desc == lowered_.program.slots[code.inputs[i]].desc);
    }
    for (size_t o = 0; o < outputs.size(); ++o) {
      TAOISM_CHECK(outputs[o].desc == lowered_.program.slots[code.outputs[o]].desc);
    }
    const uint64_t start = now_ns();
    Tensors tensors(inputs, outputs);
    const Status status = executor_.run(index, tensors);
    if (status.code() == Code::invalid_argument) {
      return invalid_argument(program::fault_text(executor_.last_fault()));
    }
    TAOISM_RETURN_IF_ERROR(status);
    const uint64_t duration = now_ns() - start;
    times.transfer_ns += tensors.transfer_ns();
    times.compute_ns += duration - std::min(duration, tensors.transfer_ns());
    return {};
  }

  uint64_t memory_bytes() const override { return schedule_.arena_bytes(); }

 private:
  std::shared_ptr<ThreadPool> pool_;  // shared with the device: executables may outlive it
  program::Lowered lowered_;
  program::Schedule schedule_;
  PageBuffer memory_;
  program::Executor executor_;
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
    TAOISM_ASSIGN_OR_RETURN(program::Lowered lowered, program::lower(graph, ir::Placement::device));
    // A graph may come from a package that nobody has checked.
    TAOISM_RETURN_IF_ERROR(program::verify(lowered.program));
    TAOISM_ASSIGN_OR_RETURN(
        program::Schedule schedule,
        program::make_schedule(lowered.program, program::Limits{.threads = threads()}));
    if (const Status status = host::check_memory(schedule.arena_bytes()); !status.ok()) {
      return resource_exhausted("the device's part " + status.message() + ": use a smaller batch");
    }
    return std::unique_ptr<Executable>(std::make_unique<CpuExecutable>(
        std::move(lowered), std::move(schedule), graph.graph, pool_));
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
