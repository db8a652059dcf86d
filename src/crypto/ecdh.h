// Ephemeral Diffie-Hellman over P-256. The result is a shared secret that is not uniform: only
// hkdf_sha256() may use it. Trusted. Thread-safety: one thread at a time per object.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::crypto {

inline constexpr size_t kPublicKeyBytes = 65;  // 0x04, x, y
using PublicKey = std::array<std::byte, kPublicKeyBytes>;
using SharedSecret = SecretBytes<32>;

class EcdhKeyPair {
 public:
  // A fresh random pair. Errors: internal.
  static Result<EcdhKeyPair> create();

  EcdhKeyPair(EcdhKeyPair&&) noexcept;
  EcdhKeyPair& operator=(EcdhKeyPair&&) noexcept;
  ~EcdhKeyPair();

  const PublicKey& public_key() const { return public_key_; }
  // Errors: integrity when `untrusted_peer` is not a point of the curve other than infinity.
  Result<SharedSecret> agree(const PublicKey& untrusted_peer) const;

 private:
  struct Key;
  EcdhKeyPair(std::unique_ptr<Key> key, PublicKey public_key);
  std::unique_ptr<Key> key_;
  PublicKey public_key_;
};

}  // namespace taoism::crypto
