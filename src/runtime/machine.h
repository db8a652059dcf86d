// Machine: which TEE and which device a session runs on. The only place that knows the kinds there
// are; a new kind is one line in machine.cc. Thread-safety: values and free functions.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "device/device.h"
#include "tee/sealed_program.h"

namespace taoism::runtime {

struct Machine {
  std::string tee = "process";    // process, inline
  std::string device = "cpu";     // cpu, torch:cpu, torch:cuda:N
  uint64_t tee_memory_bytes = 0;  // 0: what the plan needs
  size_t tee_threads = 0;         // 0: one a core
  size_t device_threads = 0;      // 0: one a core
  std::string worker_path;        // empty: beside this program
  std::string key_file;           // of packages; the TEE alone reads it
};

// Cores this process may run on.
size_t core_count();

// `machine` with every default filled in and every name checked. Errors: invalid_argument listing
// the names there are; unsupported for one that is planned.
Result<Machine> resolve(Machine machine);

// Both want a resolved machine; no TEE starts before compile(). Errors: unavailable; of a torch
// device also invalid_argument for an index beyond the GPUs there are.
Result<std::unique_ptr<device::Device>> open_device(const Machine& machine);
Result<std::unique_ptr<device::Device>> open_tee(const Machine& machine);

// Whether the machine's device runs every node that is placed on it. Errors: unsupported naming the
// first that it does not run and why; open_device's.
Status check_device(const Machine& machine, const ir::Graph& graph);

// A packaged program in a TEE of this machine.
Result<std::unique_ptr<device::Executable>> open_sealed(const Machine& machine,
                                                        const ir::PartitionedGraph& graph,
                                                        const tee::SealedProgram& program);

// True for a TEE that is not hardware: everything that is printed about it says so.
bool is_simulated(const std::string& tee);

}  // namespace taoism::runtime
