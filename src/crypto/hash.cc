#include "crypto/hash.h"

#include <algorithm>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace taoism::crypto {
namespace {

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) { return reinterpret_cast<const unsigned char*>(p); }

}  // namespace

Result<Digest> sha256(ConstByteSpan data) {
  Digest digest;
  unsigned int written = 0;
  if (EVP_Digest(data.data(), data.size(), raw(digest.data()), &written, EVP_sha256(), nullptr) !=
          1 ||
      written != kDigestBytes) {
    return internal_error("SHA-256 failed in the crypto provider");
  }
  return digest;
}

Status hmac_sha256(ConstByteSpan key, ConstByteSpan data, std::span<std::byte, kDigestBytes> out) {
  unsigned int written = 0;
  static constexpr std::byte kEmpty{};  // a null key would mean "the previous one"
  const std::byte* key_data = key.empty() ? &kEmpty : key.data();
  if (HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()), raw(data.data()), data.size(),
           raw(out.data()), &written) == nullptr ||
      written != kDigestBytes) {
    return internal_error("HMAC-SHA-256 failed in the crypto provider");
  }
  return {};
}

// RFC 5869: PRK = HMAC(salt, secret); T(i) = HMAC(PRK, T(i-1) | info | i).
Status hkdf_sha256(ConstByteSpan secret, ConstByteSpan salt, ConstByteSpan info, ByteSpan out) {
  TAOISM_CHECK(out.size() <= 255 * kDigestBytes);
  static constexpr Digest kNoSalt{};
  SecretBytes<kDigestBytes> prk;
  TAOISM_RETURN_IF_ERROR(
      hmac_sha256(salt.empty() ? ConstByteSpan(kNoSalt) : salt, secret, prk.expose_secret()));

  SecretBytes<kDigestBytes> block;
  std::vector<std::byte> message;
  message.reserve(kDigestBytes + info.size() + 1);
  Status status;
  uint8_t counter = 0;
  for (size_t done = 0; done < out.size() && status.ok();) {
    message.clear();
    if (counter != 0) {
      const auto previous = block.expose_secret();
      message.insert(message.end(), previous.begin(), previous.end());
    }
    message.insert(message.end(), info.begin(), info.end());
    message.push_back(std::byte{++counter});
    status = hmac_sha256(prk.expose_secret(), message, block.expose_secret());
    const size_t step = std::min(kDigestBytes, out.size() - done);
    std::memcpy(out.data() + done, block.expose_secret().data(), step);
    done += step;
  }
  secure_wipe(message.data(), message.size());
  return status;
}

}  // namespace taoism::crypto
