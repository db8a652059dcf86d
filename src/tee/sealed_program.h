// A program that its owner sealed into a package file: what a host has of it. Host only.
// Thread-safety: a value.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/hash.h"

namespace taoism::tee {

struct SealedProgram {
  int fd = -1;  // of the package file, open for reading
  uint64_t file_bytes = 0;
  std::shared_ptr<const void> owner;  // keeps it open
  uint32_t index = 0;                 // of the program in the package
  crypto::Digest package{};  // SHA-256 of what its owner signed, as this process has read it
  // Enough for what is spilled under any budget.
  uint64_t most_spill_bytes = 0;
  // The budgets that hold everything, with 1, 2, 4, 8... threads.
  std::vector<uint64_t> whole_memory_bytes;
  std::string kernel_target;

  // For so many threads: that of the next number that is known, or the last.
  uint64_t whole_memory(size_t threads) const {
    size_t i = 0;
    while (i + 1 < whole_memory_bytes.size() && (size_t{1} << i) < threads) ++i;
    return whole_memory_bytes.empty() ? 0 : whole_memory_bytes[i];
  }
};

}  // namespace taoism::tee
