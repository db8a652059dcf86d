#include "tee/tee.h"

#include "files/private_file.h"
#include "tee/find_image.h"
#include "tee/tee_device.h"

namespace taoism::tee {
namespace {

// What can be said without reading it: the image alone reads a key file.
Status check_key_file(const std::string& path) {
  if (path.empty()) {
    return invalid_argument(
        "a package (.tao) needs the key of its owner: give its key file, --key");
  }
  const Status status = files::check_private_file(path);
  if (status.code() == Code::not_found) {
    return not_found("key file " + status.message() + "; give it with --key");
  }
  return status.annotate("key file");
}

}  // namespace

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

Result<std::unique_ptr<device::Executable>> open_sealed(const TeeOptions& options,
                                                        const ir::PartitionedGraph& graph,
                                                        const SealedProgram& program) {
  TAOISM_RETURN_IF_ERROR(check_key_file(options.key_file));
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<device::Device> device, open_tee(options));
  return static_cast<TeeDevice&>(*device).open_sealed(graph, program);
}

TeeExecutable* as_tee(device::Executable& executable) {
  return dynamic_cast<TeeExecutable*>(&executable);
}

}  // namespace taoism::tee
