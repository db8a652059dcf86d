// One direction of a session: AES-128-GCM whose nonce is a counter that both ends keep. Sealing
// n messages uses the nonces 0..n-1; opening accepts only the next one, so that a replayed,
// reordered, dropped or duplicated message fails like a forged one. Trusted.
// Thread-safety: one thread at a time per object.
#pragma once

#include "crypto/aead.h"
#include "crypto/ecdh.h"
#include "crypto/hash.h"

namespace taoism::crypto {

// A key is used for at most so many messages (NIST SP 800-38D).
inline constexpr uint64_t kMaxMessagesPerKey = uint64_t{1} << 32;

class Channel {
 public:
  static Result<Channel> create(const AeadKey& key);

  // The number that the next message has.
  uint64_t next() const { return next_; }
  // As Aead::seal with nonce next(). Errors: policy when the key is used up.
  Status seal(ConstByteSpan additional, ByteSpan in_place, Tag& tag);
  // As Aead::open with nonce next(), which advances on success only.
  Status open(ConstByteSpan additional, ByteSpan in_place, const Tag& tag);

 private:
  explicit Channel(Aead aead) : aead_(std::move(aead)) {}
  Aead aead_;
  uint64_t next_ = 0;
};

// What a session is: both public keys, and what both ends believe of the TEE (`terms`). Evidence
// of what the TEE is names it.
Result<Digest> session_transcript(const PublicKey& host, const PublicKey& tee, ConstByteSpan terms);

// Both directions' keys, from an ephemeral agreement and its transcript.
struct SessionKeys {
  AeadKey to_tee;
  AeadKey to_host;
};
Result<SessionKeys> derive_session_keys(const SharedSecret& secret, const Digest& transcript);

}  // namespace taoism::crypto
