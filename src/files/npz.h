// NumPy's .npz: a zip archive of .npy files, stored or deflated (also zip64, as NumPy writes it).
// The bytes are hostile.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::files {

// One file of an archive.
struct NpzEntry {
  std::string name;  // printable, without ".npy"
  bool is_deflated = false;
  uint64_t offset = 0;  // of its data in the archive
  uint64_t packed_bytes = 0;
  uint64_t bytes = 0;
  uint32_t crc32 = 0;
};

bool is_npz(ConstByteSpan bytes);

// The archive's entries; their data lies within it. Errors: invalid_argument (no archive, damaged,
// encrypted, another compression, a name twice).
Result<std::vector<NpzEntry>> parse_npz(ConstByteSpan bytes);

// What was packed: exactly entry.bytes bytes. Errors: invalid_argument for what the archive's sums
// contradict, resource_exhausted above `most_bytes`.
Result<std::vector<std::byte>> unpack_npz(ConstByteSpan bytes, const NpzEntry& entry,
                                          uint64_t most_bytes);

}  // namespace taoism::files
