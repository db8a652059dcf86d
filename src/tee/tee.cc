#include "tee/tee.h"

#include "tee/find_image.h"
#include "tee/tee_device.h"

namespace taoism::tee {

Result<std::unique_ptr<device::Device>> open_tee(const TeeOptions& options) {
  if (options.threads == 0) return invalid_argument("--tee-threads must be at least 1");
  const auto open = [&](const char* image,
                        StartTransport start) -> Result<std::unique_ptr<device::Device>> {
    TeeOptions found = options;
    TAOISM_ASSIGN_OR_RETURN(found.worker_path, find_image(options.worker_path, image));
    return std::unique_ptr<device::Device>(std::make_unique<TeeDevice>(std::move(found), start));
  };
  if (options.kind == "process") return open("taoism-enclave", start_process);
  if (options.kind == "inline") return open("libtaoism-inline.so", start_inline);
  if (options.kind == "sgx") {
    return unavailable("--tee sgx: this build has no SGX image yet: use --tee process");
  }
  return invalid_argument("--tee " + options.kind + ": no such TEE: process, inline or sgx");
}

TeeExecutable* as_tee(device::Executable& executable) {
  return dynamic_cast<TeeExecutable*>(&executable);
}

}  // namespace taoism::tee
