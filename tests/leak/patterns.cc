#include "patterns.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <unistd.h>

namespace taoism::leak {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
// Between two blocks, so that nothing is cut in two.
constexpr size_t kOverlap = kNeighbourhood;

uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93U;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93U;
  return x ^ x >> 32;
}

// [begin, end) of an open file. What cannot be read ends it.
void scan_range(int fd, uint64_t begin, uint64_t end, std::vector<std::byte>& block,
                Scanner& scanner) {
  for (uint64_t at = begin; at < end;) {
    const auto want = static_cast<size_t>(std::min<uint64_t>(block.size(), end - at));
    const ssize_t got = pread(fd, block.data(), want, static_cast<off_t>(at));
    if (got <= 0) return;
    scanner.scan({block.data(), static_cast<size_t>(got)});
    if (static_cast<uint64_t>(got) == end - at || static_cast<size_t>(got) <= kOverlap) return;
    at += static_cast<size_t>(got) - kOverlap;
  }
}

}  // namespace

uint64_t hash_word(uint32_t word) { return mix(word + 0x9e3779b97f4a7c15U); }

uint64_t hash_window(const std::byte* bytes) {
  uint64_t low = 0;
  uint64_t high = 0;
  std::memcpy(&low, bytes, 8);
  std::memcpy(&high, bytes + 8, 8);
  return mix(low * 0x9e3779b97f4a7c15U + (high ^ high >> 29) * 0xbf58476d1ce4e5b9U);
}

bool write_patterns(const std::string& path, const std::vector<Pattern>& patterns) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const auto put = [&file](uint64_t value) {
    file.write(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  put(patterns.size());
  for (const Pattern& pattern : patterns) {
    put(pattern.kind);
    put(pattern.hashes.size());
    for (const uint64_t hash : pattern.hashes) put(hash);
  }
  return static_cast<bool>(file.flush());
}

bool read_patterns(const std::string& path, std::vector<Pattern>& patterns) {
  std::ifstream file(path, std::ios::binary);
  const auto get = [&file] {
    uint64_t value = 0;
    file.read(reinterpret_cast<char*>(&value), sizeof(value));
    return value;
  };
  patterns.clear();
  for (uint64_t left = get(); file && left != 0; --left) {
    Pattern& pattern = patterns.emplace_back();
    pattern.kind = static_cast<Pattern::Kind>(get());
    for (uint64_t hashes = get(); file && hashes != 0; --hashes) pattern.hashes.push_back(get());
  }
  return static_cast<bool>(file) && !patterns.empty();
}

Scanner::Scanner(const std::vector<Pattern>& patterns)
    : last_(patterns.size()), found_(patterns.size()) {
  for (uint32_t p = 0; p < patterns.size(); ++p) {
    const bool is_words = patterns[p].kind == Pattern::words;
    for (const uint64_t hash : patterns[p].hashes) {
      (is_words ? word_filter_ : window_filter_).add(hash);
      (is_words ? words_ : windows_).emplace(hash, p);
    }
  }
}

void Scanner::found_word(uint32_t pattern, size_t at) {
  std::array<size_t, kNeighbours>& last = last_[pattern];
  std::copy(last.begin() + 1, last.end(), last.begin());
  last.back() = at;
  if (last.front() != SIZE_MAX && at - last.front() < kNeighbourhood) ++found_[pattern];
}

void Scanner::scan(ConstByteSpan bytes) {
  scanned_ += bytes.size();
  for (auto& last : last_) last.fill(SIZE_MAX);
  for (size_t at = 0; at + sizeof(uint32_t) <= bytes.size(); ++at) {
    uint64_t head = 0;  // most memory is zero, and no pattern begins with eight zeros
    if (at + kWindow <= bytes.size()) {
      std::memcpy(&head, bytes.data() + at, sizeof(head));
      if (head == 0) {
        // The last three bytes may begin a word.
        at += sizeof(uint32_t) - 1;
        continue;
      }
      const uint64_t hash = hash_window(bytes.data() + at);
      if (window_filter_.may_have(hash)) {
        const auto [begin, end] = windows_.equal_range(hash);
        for (auto it = begin; it != end; ++it) ++found_[it->second];
      }
    }
    if (at % sizeof(uint32_t) != 0) continue;
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    const uint64_t hash = hash_word(word);
    if (!word_filter_.may_have(hash)) continue;
    const auto [begin, end] = words_.equal_range(hash);
    for (auto it = begin; it != end; ++it) found_word(it->second, at);
  }
}

size_t scan_own_memory(Scanner& scanner, const std::string& only) {
  std::vector<std::byte> block(kBlock);
  // The list first: reading it may move what it lists.
  std::ifstream maps("/proc/self/maps");
  const std::string list((std::istreambuf_iterator<char>(maps)), {});
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  if (memory < 0) return 0;
  std::istringstream lines(list);
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    uint64_t begin = 0;
    uint64_t end = 0;
    char access = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %c", &begin, &end, &access) != 3) continue;
    if (line.find(only) == std::string::npos) continue;
    if (access != 'r' || line.ends_with("[vvar]") || line.ends_with("[vsyscall]")) continue;
    ++count;
    scan_range(memory, begin, end, block, scanner);
  }
  close(memory);
  return count;
}

bool scan_file(const std::string& path, Scanner& scanner) {
  std::vector<std::byte> block(kBlock);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const off_t bytes = lseek(file, 0, SEEK_END);
  scan_range(file, 0, static_cast<uint64_t>(bytes), block, scanner);
  close(file);
  return bytes > 0;
}

}  // namespace taoism::leak
