// AES-128-GCM. What open() gives back is exactly what was sealed with the same key, nonce and
// additional data, or nothing. A nonce must never be used twice with one key: see channel.h, which
// counts. Trusted. Thread-safety: one thread at a time per object.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::crypto {

inline constexpr size_t kAeadKeyBytes = 16;
inline constexpr size_t kNonceBytes = 12;
inline constexpr size_t kTagBytes = 16;

using AeadKey = SecretBytes<kAeadKeyBytes>;
using Nonce = std::array<std::byte, kNonceBytes>;
using Tag = std::array<std::byte, kTagBytes>;

// The nonce that is a number, big-endian.
Nonce counter_nonce(uint64_t counter);

class Aead {
 public:
  // The key schedule is made once here. Errors: internal (the provider lacks the cipher).
  static Result<Aead> create(const AeadKey& key);

  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // `sealed` has the size of `plain` and may be the same memory. Neither may be memory that an
  // adversary can write: the tag is computed over what is read back from it.
  Status seal(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan plain, ByteSpan sealed,
              Tag& tag);
  // `plain` has the size of `sealed` and may be the same memory; `sealed` may not be memory that an
  // adversary can write. Errors: integrity; `plain` is wiped.
  Status open(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan sealed, const Tag& tag,
              ByteSpan plain);

  // The same for ciphertext in memory that an adversary can write: it is written, and read, once.
  Status seal_to_untrusted(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan plain,
                           ByteSpan untrusted_sealed, Tag& tag);
  Status open_from_untrusted(const Nonce& nonce, ConstByteSpan additional,
                             ConstByteSpan untrusted_sealed, const Tag& tag, ByteSpan plain);

 private:
  struct Contexts;
  explicit Aead(std::unique_ptr<Contexts> contexts);
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace taoism::crypto
