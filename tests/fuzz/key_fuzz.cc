// Hostile key files: what parse_key accepts is written back to a file that means the same.
#include <cstring>
#include <string>

#include "store/package_key.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto key = store::parse_key({reinterpret_cast<const std::byte*>(data), size});
  if (!key.ok()) {
    TAOISM_CHECK(key.code() == Code::invalid_argument || key.code() == Code::unsupported ||
                 key.code() == Code::integrity);
    // No part of what may be a secret is repeated: one text for each kind of error.
    static std::string seen[3];
    const size_t kind = key.code() == Code::unsupported ? 1 : key.code() == Code::integrity ? 2 : 0;
    if (seen[kind].empty()) seen[kind] = key.status().message();
    TAOISM_CHECK(key.status().message() == seen[kind]);
    return 0;
  }
  // There is one way to write what it says.
  std::array<std::byte, store::kMaxKeyFileBytes> text{};
  const auto bytes = store::format_key(*key, text);
  TAOISM_CHECK(bytes.ok() && *bytes == size && std::memcmp(text.data(), data, size) == 0);
  return 0;
}

}  // namespace taoism::fuzz
