// What the owner, the host and the test of the leak scan agree on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace taoism::leak {

inline constexpr int64_t kImage = 32;
inline constexpr int64_t kClasses = 12;
inline constexpr int64_t kBatch = 4;
inline constexpr uint64_t kInputSeed = 7;
inline constexpr size_t kThreads = 2;

// Of what is looked for. The later, the more open.
enum class Expected : char { never = '1', may = '2', must = '3' };

}  // namespace taoism::leak
