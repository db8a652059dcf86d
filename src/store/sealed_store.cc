#include "store/sealed_store.h"

#include "crypto/random.h"

namespace taoism::store {

// Ciphers are for one thread at a time; on cache lines of their own.
struct alignas(2 * kAlignment) SealedStore::Thread {
  crypto::ChunkCipher weights;
  crypto::ChunkCipher spill;
  crypto::ChunkCipher fetch;  // of its own: what is read may have an older key than what is written
};

SealedStore::SealedStore(const StoreHeader& header, WeightLayout layout,
                         ConstByteSpan untrusted_weights, ByteSpan untrusted_spill)
    : header_(header),
      layout_(std::move(layout)),
      untrusted_weights_(untrusted_weights),
      untrusted_spill_(untrusted_spill) {
  secure_wipe(header_.secret.data(), header_.secret.size());
}

SealedStore::~SealedStore() = default;

Result<std::unique_ptr<SealedStore>> SealedStore::open(const StoreHeader& header,
                                                       WeightLayout layout,
                                                       const program::Schedule& schedule,
                                                       ConstByteSpan untrusted_weights,
                                                       ByteSpan untrusted_spill, size_t threads) {
  TAOISM_CHECK(untrusted_weights.size() >= layout.bytes());
  TAOISM_CHECK(untrusted_spill.size() >= spill_bytes(schedule));
  std::unique_ptr<SealedStore> store(
      new SealedStore(header, std::move(layout), untrusted_weights, untrusted_spill));
  store->versions_.assign(schedule.spill_chunks, 0);
  crypto::StoreSecret secret;
  TAOISM_RETURN_IF_ERROR(crypto::random_bytes(secret.expose_secret()));
  TAOISM_RETURN_IF_ERROR(crypto::random_bytes(store->spill_id_));
  for (size_t t = 0; t < threads; ++t) {
    TAOISM_ASSIGN_OR_RETURN(crypto::ChunkCipher weights, weight_cipher(header));
    TAOISM_ASSIGN_OR_RETURN(crypto::ChunkCipher spill,
                            crypto::ChunkCipher::create(secret, store->spill_id_, kSpillPurpose));
    TAOISM_ASSIGN_OR_RETURN(crypto::ChunkCipher fetch,
                            crypto::ChunkCipher::create(secret, store->spill_id_, kSpillPurpose));
    store->threads_.push_back(
        std::make_unique<Thread>(Thread{std::move(weights), std::move(spill), std::move(fetch)}));
  }
  return store;
}

bool SealedStore::open_weight(program::WeightId weight, uint32_t piece, ByteSpan to,
                              size_t thread) {
  const ChunkContext context = weight_context(header_, layout_, weight, piece);
  TAOISM_CHECK(to.size() == context.bytes);
  const ConstByteSpan sealed = untrusted_weights_.subspan(layout_.offset(weight, piece),
                                                          layout_.sealed_bytes(weight, piece));
  return threads_[thread]
      ->weights.open(layout_.counter(weight, piece), object_bytes(context), sealed, to)
      .ok();
}

ChunkContext SealedStore::spill_context(uint64_t chunk, uint64_t bytes) const {
  ChunkContext context;
  context.store = spill_id_;
  context.kind = static_cast<uint32_t>(ChunkKind::spill);
  context.index = chunk;
  context.version = versions_[chunk];
  context.bytes = bytes;
  return context;
}

bool SealedStore::spill(uint64_t chunk, ConstByteSpan from, size_t thread) {
  TAOISM_CHECK(chunk < versions_.size() && from.size() <= program::kPieceBytes);
  versions_[chunk] = last_version_.fetch_add(1, std::memory_order_relaxed) + 1;
  const ChunkContext context = spill_context(chunk, from.size());
  const ByteSpan sealed =
      untrusted_spill_.subspan(chunk * kSpillChunkBytes, from.size() + crypto::kTagBytes);
  return threads_[thread]->spill.seal(context.version, object_bytes(context), from, sealed).ok();
}

bool SealedStore::fetch(uint64_t chunk, ByteSpan to, size_t thread) {
  TAOISM_CHECK(chunk < versions_.size() && to.size() <= program::kPieceBytes);
  if (versions_[chunk] == 0) {
    secure_wipe(to.data(), to.size());
    return false;
  }
  const ChunkContext context = spill_context(chunk, to.size());
  const ConstByteSpan sealed =
      untrusted_spill_.subspan(chunk * kSpillChunkBytes, to.size() + crypto::kTagBytes);
  return threads_[thread]->fetch.open(context.version, object_bytes(context), sealed, to).ok();
}

}  // namespace taoism::store
