// Session: one model under one plan and one batch size, compiled for a TEE and a device, ready to
// run again and again. Closing it ends its TEE. Thread-safety: one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "device/device.h"
#include "runtime/machine.h"
#include "runtime/prepare.h"
#include "runtime/profile.h"
#include "runtime/source.h"

namespace taoism::runtime {

class Session {
 public:
  // Compiles `prepared` for a resolved `machine`. `device` may be shared by several sessions that
  // do not run at the same time; null opens one. The TEE starts only if the plan uses it. Errors:
  // resource_exhausted naming the --tee-memory that would do; unsupported; unavailable.
  static Result<std::unique_ptr<Session>> open(const Prepared& prepared, const Machine& machine,
                                               std::shared_ptr<device::Device> device = nullptr);

  const std::vector<TensorSpec>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_; }
  // Bytes the TEE may use, and the most it has used; both 0 when the plan does not use it.
  uint64_t tee_memory_budget() const;
  uint64_t tee_memory_peak() const;
  // Bytes that both sides hold.
  uint64_t memory_bytes() const;
  // What the TEE lacks here, one line each, to be printed with every result.
  std::vector<std::string> warnings() const;
  // "tee:process", or empty when the plan does not use the TEE.
  std::string tee_name() const { return tee_ ? tee_->name() : std::string(); }

  // The TEE's worker process, or 0 where there is none.
  int worker_pid() const;

  // One inference. Views match inputs() and outputs() in order and type, or invalid_argument; so is
  // an index out of range and the like, and the outputs then hold anything. After any other error
  // every further run fails the same way.
  Status run(std::span<const ir::ConstTensorView> inputs, std::span<const ir::TensorView> outputs,
             RunProfile& profile);

 private:
  // Where a segment's tensor is: memory of our own, or the caller's n-th input or output.
  struct Slot {
    enum Kind : uint8_t { owned, caller_input, caller_output };
    Kind kind = owned;
    size_t index = 0;
    ir::TensorDesc desc;
    std::byte* data = nullptr;
  };
  struct Step {
    device::Executable* executable = nullptr;
    bool in_tee = false;
    size_t segment = 0;
    std::vector<size_t> input_slots, output_slots;
    std::vector<ir::ConstTensorView> inputs;
    std::vector<ir::TensorView> outputs;
  };
  struct Copy {  // an output that is asked for twice
    size_t from = 0;
    size_t to = 0;
  };

  Session() = default;
  Status bind_slots(const Prepared& prepared);
  Status check(std::span<const ir::ConstTensorView> inputs,
               std::span<const ir::TensorView> outputs) const;

  std::shared_ptr<device::Device> device_;
  std::unique_ptr<device::Device> tee_;
  std::unique_ptr<device::Executable> device_executable_;
  std::unique_ptr<device::Executable> tee_executable_;
  std::vector<TensorSpec> inputs_, outputs_;
  std::vector<AlignedBuffer> buffers_;
  std::vector<Slot> slots_;
  std::vector<Step> steps_;
  std::vector<Copy> copies_;
  Status failed_;
};

}  // namespace taoism::runtime
