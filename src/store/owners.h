// Who may sign packages, as whoever checks one knows it. Trusted. Thread-safety: values.
#pragma once

#include <algorithm>
#include <vector>

#include "crypto/hash.h"
#include "crypto/signature.h"

namespace taoism::store {

// SHA-256 of a public key as it is encoded (65 bytes).
using OwnerId = crypto::Digest;
inline Result<OwnerId> owner_id(const crypto::PublicKey& key) { return crypto::sha256(key); }

struct Owners {
  static constexpr size_t kMostKeys = 8;
  static constexpr size_t kMostRevoked = 16;

  std::vector<crypto::PublicKey> keys;  // each accepted: during a rotation an old one and a new one
  std::vector<OwnerId> revoked;         // refused, whether or not they are among the keys
};

enum class Signer : uint8_t { accepted, unknown, revoked };

// Errors: internal (the crypto provider).
inline Result<Signer> judge(const Owners& owners, const crypto::PublicKey& signer) {
  TAOISM_ASSIGN_OR_RETURN(const OwnerId id, owner_id(signer));
  if (std::ranges::find(owners.revoked, id) != owners.revoked.end()) return Signer::revoked;
  return std::ranges::find(owners.keys, signer) != owners.keys.end() ? Signer::accepted
                                                                     : Signer::unknown;
}

}  // namespace taoism::store
