#include "start_config.h"

#include "kernels/target.h"

namespace taoism::image {
namespace {

constexpr uint32_t kMaxThreads = 1024;

bool use_target(uint32_t kernel_target) {
  if (kernel_target > kernels::kTargetCount) return false;
  const auto target =
      kernel_target == 0 ? kernels::best_target() : static_cast<kernels::Target>(kernel_target - 1);
  if (!kernels::target_supported(target)) return false;
  kernels::set_target(target);
  return true;
}

}  // namespace

bool accept_config(wire::Config& config) {
  config.key_file[wire::kMaxKeyPath - 1] = '\0';
  return config.version == wire::kProtocolVersion && config.threads != 0 &&
         config.threads <= kMaxThreads && use_target(config.kernel_target);
}

}  // namespace taoism::image
