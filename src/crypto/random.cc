#include "crypto/random.h"

#include <openssl/rand.h>

namespace taoism::crypto {

Status random_bytes(ByteSpan out) {
  if (RAND_priv_bytes_ex(nullptr, reinterpret_cast<unsigned char*>(out.data()), out.size(), 0) !=
      1) {
    return internal_error("the crypto provider has no random numbers");
  }
  return {};
}

Result<float> SecretRandom::unit() {
  uint32_t bits = 0;
  TAOISM_RETURN_IF_ERROR(random_bytes(std::as_writable_bytes(std::span(&bits, 1))));
  return static_cast<float>(bits >> 8) * 0x1p-24F;
}

}  // namespace taoism::crypto
