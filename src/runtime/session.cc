#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "tee/tee.h"

namespace taoism::runtime {
namespace {

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                               std::chrono::nanoseconds(1));
}

// The call took `duration_ns`; what the other side claims beyond that is not believed.
void add_call(uint64_t duration_ns, const device::RunTimes& times, bool in_tee,
              RunProfile& profile) {
  uint64_t left = duration_ns;
  auto take = [&left](uint64_t claimed) {
    uint64_t taken = std::min(claimed, left);
    left -= taken;
    return taken;
  };
  (in_tee ? profile.tee_compute_ns : profile.device_compute_ns) += take(times.compute_ns);
  profile.crypto_ns += take(times.crypto_ns);
  profile.transfer_ns += take(times.transfer_ns);
  if (in_tee) profile.wait_ns += left;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const Prepared& prepared, const Machine& machine,
                                               std::shared_ptr<device::Device> device) {
  std::unique_ptr<Session> session(new Session());
  if (prepared.uses_tee) {
    TAOISM_ASSIGN_OR_RETURN(session->tee_, open_tee(machine));
    TAOISM_ASSIGN_OR_RETURN(session->tee_executable_,
                            prepared.sealed != nullptr
                                ? open_sealed(machine, prepared.partitioned, *prepared.sealed)
                                : session->tee_->compile(prepared.partitioned));
  }
  if (prepared.uses_device) {
    if (device == nullptr) {
      TAOISM_ASSIGN_OR_RETURN(device, open_device(machine));
    }
    session->device_ = std::move(device);
    TAOISM_ASSIGN_OR_RETURN(session->device_executable_,
                            session->device_->compile(prepared.partitioned));
  }
  TAOISM_RETURN_IF_ERROR(session->bind_slots(prepared));
  return session;
}

Status Session::bind_slots(const Prepared& prepared) {
  const ir::Graph& graph = prepared.partitioned.graph;
  std::map<ir::ValueId, size_t> slot_of;
  auto add_slot = [&](ir::ValueId id, Slot::Kind kind, size_t index) {
    slot_of[id] = slots_.size();
    slots_.push_back({kind, index, graph.value(id).desc, nullptr});
  };
  for (ir::ValueId id : graph.inputs()) {
    add_slot(id, Slot::caller_input, inputs_.size());
    inputs_.push_back({graph.value(id).name, graph.value(id).desc});
  }
  for (ir::ValueId id : graph.outputs()) {
    if (auto found = slot_of.find(id); found != slot_of.end()) {
      copies_.push_back({found->second, outputs_.size()});
    } else {
      add_slot(id, Slot::caller_output, outputs_.size());
    }
    outputs_.push_back({graph.value(id).name, graph.value(id).desc});
  }
  // Both sides write crossing tensors straight into memory that they share, where there is any.
  auto slot_for = [&](ir::ValueId id) -> size_t {
    if (auto found = slot_of.find(id); found != slot_of.end()) return found->second;
    add_slot(id, Slot::owned, 0);
    Slot& slot = slots_.back();
    size_t bytes = std::max<size_t>(slot.desc.bytes(), 1);
    for (device::Executable* owner : {tee_executable_.get(), device_executable_.get()}) {
      if (owner != nullptr && slot.data == nullptr) slot.data = owner->allocate_crossing(bytes);
    }
    if (slot.data == nullptr) slot.data = buffers_.emplace_back(bytes).data();
    return slots_.size() - 1;
  };
  for (size_t i = 0; i < prepared.partitioned.segments.size(); ++i) {
    const ir::Segment& segment = prepared.partitioned.segments[i];
    Step step;
    step.segment = i;
    step.in_tee = segment.placement == ir::Placement::tee;
    step.executable = step.in_tee ? tee_executable_.get() : device_executable_.get();
    for (ir::ValueId id : segment.inputs) step.input_slots.push_back(slot_for(id));
    for (ir::ValueId id : segment.outputs) step.output_slots.push_back(slot_for(id));
    for (size_t slot : step.input_slots)
      step.inputs.push_back({slots_[slot].desc, slots_[slot].data});
    for (size_t slot : step.output_slots)
      step.outputs.push_back({slots_[slot].desc, slots_[slot].data});
    steps_.push_back(std::move(step));
  }
  return {};
}

uint64_t Session::tee_memory_budget() const {
  const tee::TeeExecutable* tee = tee_executable_ ? tee::as_tee(*tee_executable_) : nullptr;
  return tee != nullptr ? tee->budget_bytes() : 0;
}

uint64_t Session::tee_memory_peak() const {
  const tee::TeeExecutable* tee = tee_executable_ ? tee::as_tee(*tee_executable_) : nullptr;
  return tee != nullptr ? tee->peak_trusted_bytes() : 0;
}

uint64_t Session::memory_bytes() const {
  uint64_t bytes = 0;
  for (const device::Executable* executable : {tee_executable_.get(), device_executable_.get()}) {
    if (executable != nullptr) bytes += executable->memory_bytes();
  }
  return bytes;
}

std::vector<std::string> Session::warnings() const {
  const tee::TeeExecutable* tee = tee_executable_ ? tee::as_tee(*tee_executable_) : nullptr;
  return tee != nullptr ? tee->warnings() : std::vector<std::string>();
}

int Session::worker_pid() const {
  const tee::TeeExecutable* tee = tee_executable_ ? tee::as_tee(*tee_executable_) : nullptr;
  return tee != nullptr ? tee->worker_pid() : 0;
}

Status Session::check(std::span<const ir::ConstTensorView> inputs,
                      std::span<const ir::TensorView> outputs) const {
  if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size()) {
    return invalid_argument("the model has " + std::to_string(inputs_.size()) + " inputs and " +
                            std::to_string(outputs_.size()) + " outputs; " +
                            std::to_string(inputs.size()) + " and " +
                            std::to_string(outputs.size()) + " were given");
  }
  auto check_one = [](const TensorSpec& spec, const ir::TensorDesc& desc,
                      const void* data) -> Status {
    if (desc == spec.desc && (data != nullptr || desc.bytes() == 0)) return {};
    return invalid_argument("'" + spec.name + "' is " + ir::dtype_name(spec.desc.dtype) + " " +
                            spec.desc.shape.text() + "; " + ir::dtype_name(desc.dtype) + " " +
                            desc.shape.text() + " was given");
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    TAOISM_RETURN_IF_ERROR(check_one(inputs_[i], inputs[i].desc, inputs[i].data));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    TAOISM_RETURN_IF_ERROR(check_one(outputs_[i], outputs[i].desc, outputs[i].data));
  }
  return {};
}

Status Session::run(std::span<const ir::ConstTensorView> inputs,
                    std::span<const ir::TensorView> outputs, RunProfile& profile) {
  const uint64_t start = now_ns();
  if (!failed_.ok()) return failed_;
  TAOISM_RETURN_IF_ERROR(check(inputs, outputs));
  profile = {};
  auto caller_data = [&](const Slot& slot) -> const std::byte* {
    if (slot.kind == Slot::caller_input) return inputs[slot.index].data;
    if (slot.kind == Slot::caller_output) return outputs[slot.index].data;
    return slot.data;
  };
  for (Step& step : steps_) {
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      step.inputs[i].data = caller_data(slots_[step.input_slots[i]]);
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      const Slot& slot = slots_[step.output_slots[i]];
      step.outputs[i].data =
          slot.kind == Slot::caller_output ? outputs[slot.index].data : slot.data;
    }
    device::RunTimes times;
    const uint64_t entered = now_ns();
    Status status = step.executable->run(step.segment, step.inputs, step.outputs, times);
    const uint64_t duration = now_ns() - entered;
    if (!status.ok()) {
      // What the input made wrong ends this request alone.
      if (status.code() != Code::invalid_argument) failed_ = status;
      return status;
    }
    add_call(duration, times, step.in_tee, profile);
  }
  for (const Copy& copy : copies_) {
    std::memcpy(outputs[copy.to].data, caller_data(slots_[copy.from]),
                outputs[copy.to].desc.bytes());
  }
  profile.end_to_end_ns = now_ns() - start;
  profile.residual_ns = profile.end_to_end_ns - profile.tee_compute_ns - profile.device_compute_ns -
                        profile.crypto_ns - profile.transfer_ns - profile.wait_ns;
  return {};
}

}  // namespace taoism::runtime
