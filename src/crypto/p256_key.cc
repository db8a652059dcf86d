#include "crypto/p256_key.h"

#include <cstring>

#include <openssl/ec.h>

namespace taoism::crypto {

Result<PublicKey> make_p256_key(KeyPtr& key) {
  key.reset(EVP_EC_gen("P-256"));
  unsigned char* encoded = nullptr;
  const size_t bytes = key == nullptr ? 0 : EVP_PKEY_get1_encoded_public_key(key.get(), &encoded);
  PublicKey public_key{};
  if (bytes == kPublicKeyBytes) std::memcpy(public_key.data(), encoded, bytes);
  OPENSSL_free(encoded);
  if (bytes != kPublicKeyBytes) {
    return internal_error("the crypto provider cannot make a P-256 key");
  }
  return public_key;
}

}  // namespace taoism::crypto
