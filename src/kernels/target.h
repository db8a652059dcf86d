// The instruction set that the kernels use, chosen at run time among those compiled into the one
// binary. Trusted; no operating system: detection reads CPUID, and where that is not allowed (an
// enclave) the host's choice is given to set_target() before the first kernel runs.
// Thread-safety: reading is safe from everywhere; set the target while no kernel runs. Packed
// weights are laid out for the target that was current when they were packed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace taoism::kernels {

// `portable` is one float wide on x86-64, whatever the compiler and its Highway, so that packed
// weights for it mean the same in every build.
enum class Target : uint8_t { portable, avx2, avx512 };
inline constexpr int kTargetCount = 3;

// Whether this CPU and this binary have the target; portable always.
bool target_supported(Target target);
// The widest supported target.
Target best_target();

// The target in use: best_target() until set_target() says otherwise.
Target current_target();
// The caller vouches that the CPU has it.
void set_target(Target target);
// As set_target, but refuses (returns false) a target that target_supported() denies.
bool force_target_for_testing(Target target);

// "portable", "avx2", "avx512".
const char* target_name(Target target);
// The target of this name, if there is one.
std::optional<Target> find_target(std::string_view name);
const char* target_name();

}  // namespace taoism::kernels
