// What the leak scan looks for, in a form that does not contain it: the scanning process holds
// hashes alone, made by the owner's process, and so never finds its own copies. Thread-safety:
// free functions; Scanner: one thread at a time.
#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace taoism::leak {

inline constexpr size_t kWindow = 16;

// A secret is a set of words or a set of windows.
struct Pattern {
  enum Kind : uint32_t {
    // Bit patterns of a weight's values, in any order: packing permutes them. Found where
    // kNeighbours of them lie within kNeighbourhood bytes.
    words,
    // Runs of kWindow bytes, at any address.
    windows,
  };
  Kind kind = windows;
  std::vector<uint64_t> hashes;
};
inline constexpr size_t kNeighbours = 4;
inline constexpr size_t kNeighbourhood = 256;

uint64_t hash_word(uint32_t word);
uint64_t hash_window(const std::byte* bytes);

// By their number; false on failure.
bool write_patterns(const std::string& path, const std::vector<Pattern>& patterns);
bool read_patterns(const std::string& path, std::vector<Pattern>& patterns);

class Scanner {
 public:
  explicit Scanner(const std::vector<Pattern>& patterns);

  // `bytes` starts at a multiple of four of what is looked at.
  void scan(ConstByteSpan bytes);
  // How often each pattern was found since the start.
  const std::vector<uint64_t>& found() const { return found_; }
  uint64_t scanned_bytes() const { return scanned_; }

 private:
  // Which hashes there may be: a bit each for their lowest bits.
  struct Filter {
    std::vector<uint64_t> bits = std::vector<uint64_t>(size_t{1} << 16);
    void add(uint64_t hash) { bits[hash >> 6 & 0xffff] |= uint64_t{1} << (hash & 63); }
    bool may_have(uint64_t hash) const {
      return (bits[hash >> 6 & 0xffff] >> (hash & 63) & 1) != 0;
    }
  };
  void found_word(uint32_t pattern, size_t at);

  Filter word_filter_, window_filter_;
  std::unordered_multimap<uint64_t, uint32_t> words_, windows_;
  std::vector<std::array<size_t, kNeighbours>> last_;  // by pattern: where its last words were
  std::vector<uint64_t> found_;
  uint64_t scanned_ = 0;
};

// Everything that this process can read, by /proc/self/maps, through a scanner; or only mappings
// whose line there contains `only`. Returns the number of mappings read.
size_t scan_own_memory(Scanner& scanner, const std::string& only = "");
bool scan_file(const std::string& path, Scanner& scanner);

}  // namespace taoism::leak
