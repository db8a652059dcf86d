// Hostile key files: what parse_key accepts is written back to a file that means the same.
#include <algorithm>
#include <cstring>

#include "store/package_key.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto key = store::parse_key({reinterpret_cast<const std::byte*>(data), size});
  if (!key.ok()) {
    TAOISM_CHECK(key.code() == Code::invalid_argument);
    // No part of what may be a secret is repeated.
    TAOISM_CHECK(key.status().message() == store::parse_key({}).status().message());
    return 0;
  }
  std::array<std::byte, store::kMaxKeyFileBytes> text{};
  const size_t bytes = store::format_key(*key, text);
  TAOISM_CHECK(bytes <= text.size());
  const auto again = store::parse_key(ConstByteSpan(text).first(bytes));
  TAOISM_CHECK(again.ok() && again->least_version == key->least_version);
  TAOISM_CHECK(std::ranges::equal(again->secret.expose_secret(), key->secret.expose_secret()));
  // The secret's digits are the same; only the number may have been written in another way.
  constexpr size_t kSecretEnd = 13 + 2 * crypto::kStoreSecretBytes + 1;
  TAOISM_CHECK(std::memcmp(text.data(), data, kSecretEnd) == 0);
  return 0;
}

}  // namespace taoism::fuzz
