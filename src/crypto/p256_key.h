// A P-256 key as OpenSSL holds it, for agreeing and for signing. Of this folder alone. Trusted.
// Thread-safety: as OpenSSL's.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "base/status.h"
#include "crypto/ecdh.h"

namespace taoism::crypto {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;
using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;

// A new key, and its public half. Errors: internal.
Result<PublicKey> make_p256_key(KeyPtr& key);

}  // namespace taoism::crypto
