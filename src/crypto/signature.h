// Signatures: ECDSA over P-256 with SHA-256 (FIPS 186-5). Who has the public half checks them and
// can make none. Trusted. Thread-safety: const functions from several threads.
#pragma once

#include "crypto/ecdh.h"
#include "crypto/hash.h"

namespace taoism::crypto {

inline constexpr size_t kSignatureBytes = 64;
using Signature = std::array<std::byte, kSignatureBytes>;  // r and s, 32 bytes each, big-endian
using SigningSecret = SecretBytes<32>;                     // big-endian

class SigningKey {
 public:
  // A fresh random pair. Errors: internal.
  static Result<SigningKey> create();
  // A pair that was kept. Errors: invalid_argument when the halves do not belong together.
  static Result<SigningKey> from(const SigningSecret& secret, const PublicKey& public_key);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  const PublicKey& public_key() const { return public_key_; }
  // To be kept. Errors: internal.
  Result<SigningSecret> secret() const;
  // Errors: internal.
  Result<Signature> sign(ConstByteSpan message) const;

 private:
  struct Key;
  SigningKey(std::unique_ptr<Key> key, const PublicKey& public_key);
  std::unique_ptr<Key> key_;
  PublicKey public_key_;
};

// Errors: integrity when it is not a signature of `message` by `signer`, or that is no public key.
Status verify(const PublicKey& signer, ConstByteSpan message, const Signature& signature);
// The same of a message whose SHA-256 is known.
Status verify_digest(const PublicKey& signer, const Digest& digest, const Signature& signature);

}  // namespace taoism::crypto
