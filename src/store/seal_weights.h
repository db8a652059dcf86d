// The model owner's side of a weight store: packs and seals every weight once. Trusted (an owner's
// tool may run in a TEE too). Thread-safety: a free function.
#pragma once

#include <functional>

#include "store/chunk.h"
#include "store/layout.h"

namespace taoism::store {

// A fresh id and secret.
Result<StoreHeader> new_store(uint64_t version);

// Writes weight `w` in packed form to `packed`.
using PackWeight = std::function<void(program::WeightId w, std::byte* packed)>;

// Fills `untrusted_store` (layout.bytes()). `header` must be fresh: its keys seal this once.
// Errors: internal (the crypto provider).
Status seal_weights(const program::Program& program, const WeightLayout& layout,
                    const StoreHeader& header, const PackWeight& pack, ByteSpan untrusted_store);

// The additional data of a piece.
ChunkContext weight_context(const StoreHeader& header, const WeightLayout& layout,
                            program::WeightId weight, uint32_t piece);

// A cipher for a store's weights.
Result<crypto::ChunkCipher> weight_cipher(const StoreHeader& header);

}  // namespace taoism::store
