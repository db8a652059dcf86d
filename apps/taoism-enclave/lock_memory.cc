#include "lock_memory.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include <sys/mman.h>
#include <sys/resource.h>

#include "trusted/stacks.h"

namespace taoism::image {
namespace {

struct Mapping {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  size_t bytes() const { return end - begin; }
};

// A worker has about forty; what does not fit stays unlocked, and that is said.
using Mappings = std::array<Mapping, 512>;

constexpr size_t kPageBytes = 4096;

// So that there is something to lock.
__attribute__((noinline)) void grow_stack() {
  std::byte room[trusted::kStackBytes];
  std::memset(room, 0, sizeof(room));
  __asm__ __volatile__("" : : "r"(room) : "memory");
}

// How many there are. False when they cannot be listed.
bool list_private_mappings(ByteSpan region, Mappings& found, size_t& count) {
  std::FILE* file = std::fopen("/proc/self/maps", "re");
  if (file == nullptr) return false;
  const auto region_begin = reinterpret_cast<uintptr_t>(region.data());
  const uintptr_t region_end = region_begin + region.size();
  bool all = true;
  char line[512];
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    Mapping mapping;
    char access[5];
    // What follows is a name, of which a long one comes in several pieces that are no mapping.
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &mapping.begin, &mapping.end, access) !=
            3 ||
        access[1] != 'w' || access[3] != 'p' ||
        (mapping.begin < region_end && region_begin < mapping.end)) {
      continue;
    }
    if (count == found.size()) {
      all = false;
      break;
    }
    found[count++] = mapping;
  }
  (void)std::fclose(file);
  return all;
}

}  // namespace

void raise_lock_limit() {
  const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &none) == 0) return;
  rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}

bool lock_private_memory(ByteSpan region) {
  grow_stack();
  Mappings mappings;
  size_t count = 0;
  bool all = list_private_mappings(region, mappings, count);
  std::sort(mappings.begin(), mappings.begin() + static_cast<ptrdiff_t>(count),
            [](const Mapping& a, const Mapping& b) { return a.bytes() < b.bytes(); });
  const auto here = reinterpret_cast<uintptr_t>(&mappings);
  for (size_t i = 0; i < count; ++i) {
    Mapping mapping = mappings[i];
    // The lowest page of the stack stays as it is: a locked one could not grow beyond the limit.
    if (mapping.begin <= here && here < mapping.end) mapping.begin += kPageBytes;
    all &=
        mlock2(reinterpret_cast<const void*>(mapping.begin), mapping.bytes(), MLOCK_ONFAULT) == 0;
  }
  return all;
}

}  // namespace taoism::image
