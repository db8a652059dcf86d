#include "store/seal_weights.h"

#include <algorithm>

#include "crypto/random.h"

namespace taoism::store {

Result<StoreHeader> new_store(uint64_t version) {
  StoreHeader header;
  header.version = version;
  TAOISM_RETURN_IF_ERROR(crypto::random_bytes(header.id));
  TAOISM_RETURN_IF_ERROR(crypto::random_bytes(header.secret));
  return header;
}

ChunkContext weight_context(const StoreHeader& header, const WeightLayout& layout,
                            program::WeightId weight, uint32_t piece) {
  ChunkContext context;
  context.store = header.id;
  context.kind = static_cast<uint32_t>(ChunkKind::weight);
  context.tensor = weight;
  context.index = piece;
  context.version = header.version;
  context.bytes = layout.end(weight, piece) - layout.begin(weight, piece);
  return context;
}

Result<crypto::ChunkCipher> weight_cipher(const StoreHeader& header) {
  crypto::StoreSecret secret;
  std::memcpy(secret.expose_secret().data(), header.secret.data(), header.secret.size());
  return crypto::ChunkCipher::create(secret, header.id, kWeightsPurpose);
}

Status seal_weights(const program::Program& program, const WeightLayout& layout,
                    const StoreHeader& header, const PackWeight& pack, ByteSpan untrusted_store) {
  TAOISM_CHECK(untrusted_store.size() >= layout.bytes());
  TAOISM_ASSIGN_OR_RETURN(crypto::ChunkCipher cipher, weight_cipher(header));
  uint64_t largest = 0;
  for (const program::Weight& weight : program.weights) {
    largest = std::max(largest, weight.packed_bytes);
  }
  SecretBuffer packed(largest);
  for (program::WeightId w = 0; w < program.weights.size(); ++w) {
    pack(w, packed.span().data());
    for (uint32_t piece = 0; piece < layout.pieces(w); ++piece) {
      const ChunkContext context = weight_context(header, layout, w, piece);
      const ConstByteSpan plain = packed.span().subspan(layout.begin(w, piece), context.bytes);
      TAOISM_RETURN_IF_ERROR(cipher.seal(
          layout.counter(w, piece), object_bytes(context), plain,
          untrusted_store.subspan(layout.offset(w, piece), layout.sealed_bytes(w, piece))));
    }
  }
  return {};
}

}  // namespace taoism::store
