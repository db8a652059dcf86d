// Finding and loading the torch module. Thread-safety: free function.
#pragma once

#include <string>

#include "base/status.h"
#include "device/torch/abi.h"

namespace taoism::device {

// The module at `path` (empty: as TorchOptions says), loaded for as long as the process lives:
// PyTorch cannot be unloaded. A PyTorch that the process has already, as in Python, is used again.
// Errors: unavailable, with the mend.
Result<const torch_abi::Module*> load_torch_module(const std::string& path);

}  // namespace taoism::device
