// Opening a TEE, and what this machine offers for one. Host only.
// Thread-safety: free functions; one thread at a time per device and executable.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/device.h"
#include "kernels/target.h"
#include "tee/sealed_program.h"

namespace taoism::tee {

struct TeeOptions {
  std::string kind = "process";  // process, inline; sgx is not available yet
  uint64_t memory_bytes = 0;     // the budget of trusted memory; 0: as much as the plan needs
  size_t threads = 1;
  // The image: taoism-enclave or libtaoism-inline.so. Empty: the one beside the running program, or
  // beside the library that contains this code.
  std::string worker_path;
  // Of packaged programs: the file (open for reading, living as long as what is started; its bytes
  // end the payload area), its key file, which the image reads itself, and the kernels that
  // its weights are packed for (none: the best there are).
  int package_fd = -1;
  uint64_t package_bytes = 0;
  std::string key_file;
  std::optional<kernels::Target> kernel_target;
  uint64_t call_timeout_ms = 600'000;  // a worker that takes longer for one call is ended
};

// A TEE as a device: nothing is started before compile(). Every executable has a TEE of its own,
// which ends with it. Errors: invalid_argument (unknown kind, no threads), unavailable (sgx; the
// image is missing), each with the mend.
Result<std::unique_ptr<device::Device>> open_tee(const TeeOptions& options);

// A packaged program in a TEE of its own: its segments are those of `graph` that are placed in the
// TEE, in order. options.memory_bytes 0: what holds everything; what `program` says of the package
// replaces the package's fields there. Errors: integrity (the package is not what was sealed, or
// the key is not its key), policy (too old), invalid_argument (no key file, or one that others may
// read), not_found (the key file), unsupported (packed for kernels that this processor has not),
// resource_exhausted naming the memory that would do, unavailable.
Result<std::unique_ptr<device::Executable>> open_sealed(const TeeOptions& options,
                                                        const ir::PartitionedGraph& graph,
                                                        const SealedProgram& program);

// What compile() of such a device, and open_sealed(), return.
class TeeExecutable : public device::Executable {
 public:
  // The highest use of trusted memory so far, as the TEE counts it; never above the budget.
  virtual uint64_t peak_trusted_bytes() const = 0;
  virtual uint64_t budget_bytes() const = 0;
  // An empty call. Errors: as run().
  virtual Status ping() = 0;
  // The worker's process, or 0 where there is none.
  virtual int worker_pid() const = 0;
  // What this TEE lacks here, one line each, to be printed with every result.
  virtual std::vector<std::string> warnings() const = 0;
};

// Null when `executable` does not run in a TEE.
TeeExecutable* as_tee(device::Executable& executable);
inline const TeeExecutable* as_tee(const device::Executable& executable) {
  return as_tee(const_cast<device::Executable&>(executable));
}

// One thing that a TEE needs, or would be better with.
struct TeeFeature {
  std::string name;
  bool available = false;
  std::string reason;  // what was found
  std::string mend;    // empty when available
};

// For `taoism doctor`: SGX, and each part of the process sandbox. Tries them; changes nothing.
std::vector<TeeFeature> probe_tee(const std::string& worker_path = "");

}  // namespace taoism::tee
