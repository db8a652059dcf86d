// The untrusted device `torch`: runs segments with the user's own PyTorch, on its CPU or a CUDA
// GPU. PyTorch is behind a module (abi.h) that is loaded when a device is first opened: nothing
// here needs it to be built or to start. Thread-safety: free functions from several threads;
// objects as device.h says.
#pragma once

#include "device/device.h"

namespace taoism::device {

struct TorchOptions {
  std::string device = "cpu";  // "cpu", "cuda:N"
  size_t threads = 1;          // of PyTorch's CPU operators; process-wide, and left set
  // The module. Empty: TAOISM_TORCH_DEVICE in the environment, else libtaoism-torch.so beside the
  // running program, or beside the library that contains this code.
  std::string module_path;
  bool staged_for_testing = false;  // see abi.h
};

// Errors: invalid_argument (no such device, no threads, an index beyond the GPUs there are),
// unavailable (no module, no PyTorch, another version of either, no CUDA), each with the mend.
Result<std::unique_ptr<Device>> open_torch(const TorchOptions& options);

// For `taoism doctor`. Loads the module.
struct TorchFinding {
  bool available = false;
  std::string text;  // the version of PyTorch, or why there is none
  int cuda_devices = 0;
  std::string cuda_reason;  // why there are none
};
TorchFinding probe_torch(const std::string& module_path = "");

}  // namespace taoism::device
