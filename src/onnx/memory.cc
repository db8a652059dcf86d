#include "onnx/memory.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace taoism::onnx {
namespace {

// What can be had without ending another process: free, or given back by the page cache. All of the
// machine's where the kernel does not say.
uint64_t available_bytes() {
  uint64_t free_kib = 0, swap_kib = 0;
  if (std::FILE* info = std::fopen("/proc/meminfo", "re")) {
    char line[128];
    while (std::fgets(line, sizeof(line), info) != nullptr) {
      unsigned long long value = 0;
      if (std::sscanf(line, "MemAvailable: %llu", &value) == 1) free_kib = value;
      if (std::sscanf(line, "SwapFree: %llu", &value) == 1) swap_kib = value;
    }
    (void)std::fclose(info);
  }
  if (free_kib > 0) return (free_kib + swap_kib) * 1024;
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
}

// Whether the limits of this process (RLIMIT_AS, a strict kernel) leave room for it.
bool may_allocate(uint64_t bytes) {
  void* const memory = std::malloc(bytes);
  // Else the compiler may leave out both.
  __asm__ __volatile__("" : : "r"(memory) : "memory");
  std::free(memory);
  return memory != nullptr;
}

}  // namespace

Status check_memory(uint64_t bytes) {
  constexpr uint64_t kSmall = uint64_t{1} << 20;  // what is smaller stops at an exception
  if (bytes < kSmall) return {};
  const uint64_t available = available_bytes();
  if (bytes <= available && may_allocate(bytes)) return {};
  return resource_exhausted("takes " + std::to_string(bytes) +
                            " bytes of memory, this process can have " +
                            (bytes <= available ? "less" : std::to_string(available)));
}

}  // namespace taoism::onnx
