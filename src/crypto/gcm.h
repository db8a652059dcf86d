// AES-128-GCM as one of the providers computes it: what Aead is made of. Internal.
// Thread-safety: one thread at a time per object.
#pragma once

#include <memory>

#include "crypto/aead.h"

namespace taoism::crypto {

// One message at a time: begin, any number of updates, finish. Nothing that update() gave out may
// be used before finish_open() said true.
class Gcm {
 public:
  enum class Direction : uint8_t { seal, open };

  virtual ~Gcm() = default;  // wipes the key
  virtual bool begin(const Nonce& nonce, ConstByteSpan additional) = 0;
  // `out` has room for `in`, and may be the same memory.
  virtual bool update(ConstByteSpan in, std::byte* out) = 0;
  virtual bool finish_seal(Tag& tag) = 0;
  virtual bool finish_open(const Tag& tag) = 0;
};

// OpenSSL's; null when it has no such cipher.
std::unique_ptr<Gcm> make_openssl_gcm(const AeadKey& key, Gcm::Direction direction);
// Intel's multi-buffer library's, two to three times faster where the processor has VAES; null on
// one without AES instructions and where the library was not there to be built with.
std::unique_ptr<Gcm> make_ipsec_gcm(const AeadKey& key, Gcm::Direction direction);

}  // namespace taoism::crypto
