#include "host/memory.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

namespace taoism::host {
namespace {

constexpr uint64_t kNoBound = std::numeric_limits<uint64_t>::max();

// The number behind `key` in a file of lines "key 123"; `otherwise` without it.
uint64_t number_in(const std::string& path, const std::string& key, uint64_t otherwise) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (word != key) continue;
    uint64_t value = 0;
    return file >> value ? value : otherwise;
  }
  return otherwise;
}

// A file that is one number; `otherwise` where it is none ("max") or not there.
uint64_t number_of(const std::string& path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : otherwise;
}

struct CgroupNames {
  const char *limit, *used, *reclaimable;
};
constexpr CgroupNames kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                   "total_inactive_file"};
constexpr CgroupNames kVersion2 = {"memory.max", "memory.current", "inactive_file"};

// Of one group. What it used for files is given back under pressure.
uint64_t room_of(const std::string& folder, const CgroupNames& names) {
  const uint64_t limit = number_of(folder + "/" + names.limit, kNoBound);
  if (limit == kNoBound) return kNoBound;
  uint64_t used = number_of(folder + "/" + names.used, 0);
  used -= std::min(used, number_in(folder + "/memory.stat", names.reclaimable, 0));
  return limit - std::min(limit, used);
}

struct Machine {
  uint64_t free_bytes, swap_bytes;  // free: or given back by the page cache; 0 when unknown
};

Machine machine() {
  std::ifstream file("/proc/meminfo");
  Machine found = {0, 0};
  std::string key, rest;
  uint64_t kib = 0;
  while (file >> key >> kib && std::getline(file, rest)) {
    if (key == "MemAvailable:") found.free_bytes = kib * 1024;
    if (key == "SwapFree:") found.swap_bytes = kib * 1024;
  }
  return found;
}

uint64_t own_cgroup_room_bytes() {
  std::ifstream file("/proc/self/cgroup");
  std::ostringstream text;
  text << file.rdbuf();
  return cgroup_room_bytes(text.str(), "/sys/fs/cgroup");
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

uint64_t cgroup_room_bytes(const std::string& groups, const std::string& root) {
  uint64_t room = kNoBound;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    // "0::/path" in version 2, "4:memory:/path" in version 1.
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_version2 = controllers == ",,";
    if (!is_version2 && controllers.find(",memory,") == std::string::npos) continue;
    const CgroupNames& names = is_version2 ? kVersion2 : kVersion1;
    const std::string mount = is_version2 ? root : root + "/memory";
    std::string path = line.substr(second + 1);
    while (true) {
      while (!path.empty() && path.back() == '/') path.pop_back();
      room = std::min(room, room_of(mount + path, names));
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return room;
}

std::optional<uint64_t> available_memory_bytes() {
  const uint64_t free_bytes = machine().free_bytes;
  if (free_bytes == 0) return {};
  return std::min(free_bytes, own_cgroup_room_bytes());
}

Status check_memory(uint64_t bytes) {
  // To ask takes a fraction of a millisecond.
  constexpr uint64_t kSmall = uint64_t{1} << 20;
  constexpr uint64_t kTogether = uint64_t{16} << 20;
  constexpr uint64_t kBeside = uint64_t{16} << 20;
  static std::atomic<uint64_t> small_bytes = 0;  // not asked for yet, by the whole process
  if (bytes < kSmall) {
    if (small_bytes.fetch_add(bytes) + bytes < kTogether) return {};
    small_bytes = 0;
    bytes = kTogether;  // for those that follow
  }
  const Machine all = machine();
  uint64_t available = all.free_bytes + all.swap_bytes;
  if (all.free_bytes == 0) {  // no /proc: as much as there is
    available = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  }
  available = std::min(available, own_cgroup_room_bytes());
  available -= std::min(available, kBeside);
  if (bytes <= available && may_allocate(bytes)) return {};
  return resource_exhausted("takes " + std::to_string(bytes) +
                            " bytes of memory, this process can have " +
                            (bytes <= available ? "less" : std::to_string(available)));
}

Result<AlignedBuffer> take_memory(uint64_t bytes) {
  TAOISM_RETURN_IF_ERROR(check_memory(bytes));
  return AlignedBuffer(bytes);
}

}  // namespace taoism::host
