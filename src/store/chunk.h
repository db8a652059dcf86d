// What the additional data of a sealed chunk says, so that a chunk opens only where, and as what,
// it was sealed. Trusted. Thread-safety: values.
#pragma once

#include <string_view>
#include <type_traits>

#include "crypto/chunk_cipher.h"

namespace taoism::store {

inline constexpr std::string_view kWeightsPurpose = "taoism weights v1";
inline constexpr std::string_view kSpillPurpose = "taoism spill v1";

struct ChunkContext {
  crypto::StoreId store{};
  uint32_t kind = 0;     // ChunkKind
  uint32_t tensor = 0;   // of a weight: its number; of a spilled chunk 0
  uint64_t index = 0;    // of the piece in its weight, or of the chunk among all
  uint64_t version = 0;  // of the store, or of the chunk
  uint64_t bytes = 0;    // of the plaintext
};
enum class ChunkKind : uint32_t { weight = 1, spill = 2 };
static_assert(sizeof(ChunkContext) == 48 && std::is_trivially_copyable_v<ChunkContext>);

// What the owner tells the TEE about a program's weights, sealed together with the program.
struct StoreHeader {
  crypto::StoreId id{};
  std::array<std::byte, crypto::kStoreSecretBytes> secret{};
  uint64_t version = 0;
};
static_assert(sizeof(StoreHeader) == 56 && std::is_trivially_copyable_v<StoreHeader>);

}  // namespace taoism::store
