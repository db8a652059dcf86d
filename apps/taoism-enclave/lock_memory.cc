#include "lock_memory.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include <sys/mman.h>
#include <sys/resource.h>

#include "trusted/stacks.h"

namespace taoism::image {
namespace {

struct Mapping {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  size_t bytes() const { return end - begin; }
  bool has(const void* at) const {
    const auto address = reinterpret_cast<uintptr_t>(at);
    return begin <= address && address < end;
  }
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

bool lock(uintptr_t begin, size_t bytes) {
  return mlock2(reinterpret_cast<const void*>(begin), bytes, MLOCK_ONFAULT) == 0;
}

size_t lock_limit() {
  rlimit limit;
  return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? limit.rlim_cur : 0;
}

// Of mappings that are too large as a whole, what is used first: the front of the heap, which the
// allocator fills from there, up to half of the `left` bytes that may be locked; the ends of
// threads' stacks.
void lock_parts(std::span<const Mapping> mappings, size_t left) {
  void* const chunk = std::malloc(1);
  for (const Mapping& mapping : mappings) {
    const size_t front = std::min(mapping.bytes(), left / 2) / kPageBytes * kPageBytes;
    if (mapping.has(chunk) && lock(mapping.begin, front)) left -= front;
  }
  std::free(chunk);
  constexpr size_t kEnd = trusted::kStackBytes + 4 * kPageBytes;  // and the thread's own variables
  for (const Mapping& mapping : mappings) {
    if (mapping.bytes() > kEnd && left >= kEnd && lock(mapping.end - kEnd, kEnd)) left -= kEnd;
  }
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
  size_t left = lock_limit(), too_large = 0;
  for (size_t i = 0; i < count; ++i) {
    Mapping mapping = mappings[i];
    // The lowest page of the stack stays as it is: a locked one could not grow beyond the limit.
    if (mapping.has(&mappings)) mapping.begin += kPageBytes;
    if (lock(mapping.begin, mapping.bytes())) {
      left -= std::min(left, mapping.bytes());
    } else {
      mappings[too_large++] = mapping;
    }
  }
  lock_parts(std::span(mappings).first(too_large), left);
  all = all && too_large == 0;
  return all;
}

}  // namespace taoism::image
