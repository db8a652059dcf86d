// The untrusted device `cpu`: runs segments in this process with the same kernels as the TEE.
#pragma once

#include "device/device.h"

namespace taoism::device {

struct CpuOptions {
  size_t threads = 1;
};

Result<std::unique_ptr<Device>> open_cpu(const CpuOptions& options);

}  // namespace taoism::device
