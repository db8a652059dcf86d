#include "kernels/target.h"

#include <atomic>

namespace taoism::kernels {
namespace {

constexpr int kUndecided = -1;
std::atomic<int> current{kUndecided};

}  // namespace

bool target_supported(Target target) {
#if defined(__x86_64__)
  if (target == Target::portable) return true;
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx");
  if (target == Target::avx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#else
  return target == Target::portable;
#endif
}

Target best_target() {
  if (target_supported(Target::avx512)) return Target::avx512;
  if (target_supported(Target::avx2)) return Target::avx2;
  return Target::portable;
}

Target current_target() {
  int value = current.load(std::memory_order_relaxed);
  if (value == kUndecided) {
    value = static_cast<int>(best_target());
    current.store(value, std::memory_order_relaxed);
  }
  return static_cast<Target>(value);
}

void set_target(Target target) {
  current.store(static_cast<int>(target), std::memory_order_relaxed);
}

bool force_target_for_testing(Target target) {
  if (!target_supported(target)) return false;
  set_target(target);
  return true;
}

const char* target_name(Target target) {
  switch (target) {
    case Target::avx512: return "avx512";
    case Target::avx2: return "avx2";
    case Target::portable: break;
  }
  return "portable";
}

std::optional<Target> find_target(std::string_view name) {
  for (int t = 0; t < kTargetCount; ++t) {
    if (name == target_name(static_cast<Target>(t))) return static_cast<Target>(t);
  }
  return std::nullopt;
}

const char* target_name() { return target_name(current_target()); }

}  // namespace taoism::kernels
