#include "runtime/machine.h"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "device/cpu/cpu_device.h"
#include "device/torch/torch_device.h"
#include "tee/tee.h"

namespace taoism::runtime {
namespace {

constexpr size_t kMaxThreads = 256;
constexpr std::string_view kTorch = "torch:";

// "torch:cpu" or "torch:cuda:N". Whether there is such a GPU is asked when the device is opened.
bool is_torch_name(std::string_view name) {
  if (name == "torch:cpu") return true;
  constexpr std::string_view kCuda = "torch:cuda:";
  if (!name.starts_with(kCuda)) return false;
  const std::string_view index = name.substr(kCuda.size());
  return !index.empty() && index.size() <= 2 &&
         std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
}

tee::TeeOptions tee_options(const Machine& machine) {
  return {.kind = machine.tee,
          .memory_bytes = machine.tee_memory_bytes,
          .threads = machine.tee_threads,
          .worker_path = machine.worker_path,
          .key_file = machine.key_file};
}

}  // namespace

size_t core_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
    return static_cast<size_t>(CPU_COUNT(&set));
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

Result<Machine> resolve(Machine machine) {
  if (machine.tee == "sgx") {
    return unsupported("--tee sgx is not yet available; use --tee process");
  }
  if (machine.tee != "process" && machine.tee != "inline") {
    return invalid_argument("--tee '" + machine.tee + "': no such TEE; use process or inline");
  }
  if (machine.device != "cpu" && !is_torch_name(machine.device)) {
    return invalid_argument("--device '" + machine.device +
                            "': no such device; use cpu, torch:cpu or torch:cuda:0");
  }
  if (machine.tee_threads > kMaxThreads || machine.device_threads > kMaxThreads) {
    return invalid_argument("--tee-threads and --device-threads: at most " +
                            std::to_string(kMaxThreads));
  }
  if (machine.tee_threads == 0) machine.tee_threads = core_count();
  if (machine.device_threads == 0) machine.device_threads = core_count();
  return machine;
}

Result<std::unique_ptr<device::Device>> open_device(const Machine& machine) {
  if (machine.device.starts_with(kTorch)) {
    return device::open_torch(
        {.device = machine.device.substr(kTorch.size()), .threads = machine.device_threads});
  }
  return device::open_cpu({.threads = machine.device_threads});
}

Status check_device(const Machine& machine, const ir::Graph& graph) {
  // Import takes in nothing that `cpu` does not run.
  if (machine.device == "cpu") return {};
  TAOISM_ASSIGN_OR_RETURN(const std::unique_ptr<device::Device> device, open_device(machine));
  for (const ir::Node& node : graph.nodes()) {
    if (node.placement != ir::Placement::device) continue;
    TAOISM_RETURN_IF_ERROR(device->supports(graph, node));
  }
  return {};
}

Result<std::unique_ptr<device::Device>> open_tee(const Machine& machine) {
  return tee::open_tee(tee_options(machine));
}

Result<std::unique_ptr<device::Executable>> open_sealed(const Machine& machine,
                                                        const ir::PartitionedGraph& graph,
                                                        const tee::SealedProgram& program) {
  return tee::open_sealed(tee_options(machine), graph, program);
}

bool is_simulated(const std::string& tee) { return tee != "sgx"; }

}  // namespace taoism::runtime
