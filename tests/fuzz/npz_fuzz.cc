// Hostile .npz bytes: what is accepted lies within the file, and unpacks to what its entry says.
#include "files/npz.h"
#include "reader.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ConstByteSpan bytes = fuzz::Reader(data, size).rest();
  const auto entries = files::parse_npz(bytes);
  if (!entries.ok()) {
    TAOISM_CHECK(entries.code() == Code::invalid_argument && !entries.status().message().empty());
    return 0;
  }
  constexpr uint64_t kMost = 1 << 20;
  for (const files::NpzEntry& entry : *entries) {
    TAOISM_CHECK(entry.offset <= bytes.size() && entry.packed_bytes <= bytes.size() - entry.offset);
    const auto plain = files::unpack_npz(bytes, entry, kMost);
    TAOISM_CHECK(!plain.ok() || plain->size() == entry.bytes);
  }
  return 0;
}

}  // namespace taoism::fuzz
