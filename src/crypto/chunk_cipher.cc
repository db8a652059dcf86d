#include "crypto/chunk_cipher.h"

#include "crypto/channel.h"
#include "crypto/hash.h"

namespace taoism::crypto {

Result<ChunkCipher> ChunkCipher::create(const StoreSecret& secret, const StoreId& id,
                                        std::string_view purpose, uint64_t chunks_per_key) {
  ChunkCipher cipher{std::string(purpose), chunks_per_key};
  std::memcpy(cipher.secret_.expose_secret().data(), secret.expose_secret().data(), secret.size());
  cipher.id_ = id;
  TAOISM_RETURN_IF_ERROR(cipher.use_key_of(0));
  return cipher;
}

Status ChunkCipher::use_key_of(uint64_t counter) {
  const uint64_t number = counter / chunks_per_key_;
  if (number == key_number_) return {};
  const Nonce info_end = counter_nonce(number);
  std::string info = purpose_;
  info.append(reinterpret_cast<const char*>(info_end.data()), info_end.size());
  AeadKey key;
  TAOISM_RETURN_IF_ERROR(hkdf_sha256(secret_.expose_secret(), id_, std::as_bytes(std::span(info)),
                                     key.expose_secret()));
  TAOISM_ASSIGN_OR_RETURN(aead_, Aead::create(key));
  key_number_ = number;
  return {};
}

Status ChunkCipher::seal(uint64_t counter, ConstByteSpan additional, ConstByteSpan plain,
                         ByteSpan untrusted_sealed) {
  TAOISM_CHECK(untrusted_sealed.size() == plain.size() + kTagBytes);
  TAOISM_RETURN_IF_ERROR(use_key_of(counter));
  Tag tag;
  TAOISM_RETURN_IF_ERROR(aead_->seal_to_untrusted(counter_nonce(counter), additional, plain,
                                                  untrusted_sealed.first(plain.size()), tag));
  std::memcpy(untrusted_sealed.data() + plain.size(), tag.data(), tag.size());
  return {};
}

Status ChunkCipher::open(uint64_t counter, ConstByteSpan additional, ConstByteSpan untrusted_sealed,
                         ByteSpan plain) {
  TAOISM_CHECK(untrusted_sealed.size() == plain.size() + kTagBytes);
  if (Status status = use_key_of(counter); !status.ok()) {
    if (!plain.empty()) secure_wipe(plain.data(), plain.size());
    return status;
  }
  Tag tag;
  std::memcpy(tag.data(), untrusted_sealed.data() + plain.size(), tag.size());
  return aead_->open_from_untrusted(counter_nonce(counter), additional,
                                    untrusted_sealed.first(plain.size()), tag, plain);
}

}  // namespace taoism::crypto
