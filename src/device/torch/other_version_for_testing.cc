// A module that says it was built from a later tree, for load_module_test.
#include "device/torch/abi.h"

extern "C" __attribute__((visibility("default"))) const taoism::device::torch_abi::Module*
taoism_torch_module() {
  static constexpr taoism::device::torch_abi::Module kModule = {
      .abi = taoism::device::torch_abi::kAbi + 1};
  return &kModule;
}
