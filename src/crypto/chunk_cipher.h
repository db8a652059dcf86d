// Seals and opens the chunks of a store that lies in memory an adversary can write, AES-128-GCM
// with keys that nobody outside has. The counter of a chunk is its nonce and chooses its key, so
// that a key is changed long before its limit; what the chunk is (store, tensor, index, version) is
// the additional data. Untrusted memory is read and written once, through a small buffer: what is
// authenticated is what is used. Trusted. Thread-safety: one thread at a time per object.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/aead.h"

namespace taoism::crypto {

inline constexpr size_t kStoreIdBytes = 16;
inline constexpr size_t kStoreSecretBytes = 32;
using StoreId = std::array<std::byte, kStoreIdBytes>;
using StoreSecret = SecretBytes<kStoreSecretBytes>;

class ChunkCipher {
 public:
  // A key seals so many chunks at most (of at most a few MiB: far below 2^32 messages and 2^39
  // blocks, NIST SP 800-38D).
  static constexpr uint64_t kChunksPerKey = uint64_t{1} << 24;

  // Keys are HKDF-SHA-256(secret, salt = id, info = purpose and number of the key).
  static Result<ChunkCipher> create(const StoreSecret& secret, const StoreId& id,
                                    std::string_view purpose,
                                    uint64_t chunks_per_key = kChunksPerKey);

  // `untrusted_sealed` has plain.size() + kTagBytes bytes: the ciphertext and its tag. A counter
  // must never come twice with the same store and purpose.
  Status seal(uint64_t counter, ConstByteSpan additional, ConstByteSpan plain,
              ByteSpan untrusted_sealed);
  // Errors: integrity; `plain` is wiped.
  Status open(uint64_t counter, ConstByteSpan additional, ConstByteSpan untrusted_sealed,
              ByteSpan plain);

 private:
  ChunkCipher(std::string purpose, uint64_t chunks_per_key)
      : purpose_(std::move(purpose)), chunks_per_key_(chunks_per_key) {}
  Status use_key_of(uint64_t counter);

  StoreSecret secret_;
  StoreId id_{};
  std::string purpose_;
  uint64_t chunks_per_key_;
  uint64_t key_number_ = UINT64_MAX;
  std::optional<Aead> aead_;
};

}  // namespace taoism::crypto
