#include "crypto/ecdh.h"

#include "crypto/p256_key.h"

namespace taoism::crypto {
struct EcdhKeyPair::Key {
  KeyPtr pkey;
};

EcdhKeyPair::EcdhKeyPair(std::unique_ptr<Key> key, PublicKey public_key)
    : key_(std::move(key)), public_key_(public_key) {}
EcdhKeyPair::EcdhKeyPair(EcdhKeyPair&&) noexcept = default;
EcdhKeyPair& EcdhKeyPair::operator=(EcdhKeyPair&&) noexcept = default;
EcdhKeyPair::~EcdhKeyPair() = default;

Result<EcdhKeyPair> EcdhKeyPair::create() {
  auto key = std::make_unique<Key>();
  TAOISM_ASSIGN_OR_RETURN(const PublicKey public_key, make_p256_key(key->pkey));
  return EcdhKeyPair(std::move(key), public_key);
}

Result<SharedSecret> EcdhKeyPair::agree(const PublicKey& untrusted_peer) const {
  KeyPtr peer(EVP_PKEY_new());
  // Decoding checks that the point is on the curve; set_peer checks it again and refuses infinity.
  if (peer == nullptr || EVP_PKEY_copy_parameters(peer.get(), key_->pkey.get()) != 1 ||
      EVP_PKEY_set1_encoded_public_key(
          peer.get(), reinterpret_cast<const unsigned char*>(untrusted_peer.data()),
          untrusted_peer.size()) != 1) {
    return integrity_error("the peer's public key is not a point of P-256");
  }
  ContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_->pkey.get(), nullptr));
  SharedSecret secret;
  size_t bytes = SharedSecret::size();
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(),
                      reinterpret_cast<unsigned char*>(secret.expose_secret().data()),
                      &bytes) != 1 ||
      bytes != SharedSecret::size()) {
    return integrity_error("no key could be agreed with the peer's public key");
  }
  return secret;
}

}  // namespace taoism::crypto
