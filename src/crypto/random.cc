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

}  // namespace taoism::crypto
