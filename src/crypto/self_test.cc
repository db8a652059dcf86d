#include "crypto/self_test.h"

#include <openssl/crypto.h>

#include "crypto/channel.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/signature.h"

namespace taoism::crypto {
namespace {

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 2: all-zero key, nonce,
// block.
constexpr uint8_t kSealedZeroBlock[] = {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92,
                                        0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78};
constexpr uint8_t kZeroBlockTag[] = {0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd,
                                     0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf};

Status test_aead() {
  TAOISM_ASSIGN_OR_RETURN(Aead aead, Aead::create(AeadKey()));
  std::array<std::byte, 16> block{};
  Tag tag;
  TAOISM_RETURN_IF_ERROR(aead.seal(Nonce{}, {}, block, block, tag));
  if (std::memcmp(block.data(), kSealedZeroBlock, block.size()) != 0 ||
      std::memcmp(tag.data(), kZeroBlockTag, tag.size()) != 0) {
    return internal_error("the crypto provider's AES-128-GCM is wrong");
  }
  return aead.open(Nonce{}, {}, block, tag, block);
}

// Also that what is no signature is refused: the provider's error strings load lazily.
Status test_signature() {
  TAOISM_ASSIGN_OR_RETURN(const SigningKey key, SigningKey::create());
  const ConstByteSpan message = key.public_key();
  TAOISM_ASSIGN_OR_RETURN(Signature signature, key.sign(message));
  TAOISM_RETURN_IF_ERROR(verify(key.public_key(), message, signature));
  signature.back() ^= std::byte{1};
  PublicKey no_point{};
  no_point[0] = std::byte{4};  // encoded as a point, and on no curve
  if (verify(key.public_key(), message, signature).ok() ||
      verify(key.public_key(), message, Signature{}).ok() ||
      verify(no_point, message, signature).ok()) {
    return internal_error("the crypto provider accepts any signature");
  }
  return {};
}

}  // namespace

Status self_test() {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  TAOISM_RETURN_IF_ERROR(test_aead());
  TAOISM_RETURN_IF_ERROR(test_signature());
  std::array<std::byte, 32> noise;
  TAOISM_RETURN_IF_ERROR(random_bytes(noise));
  TAOISM_ASSIGN_OR_RETURN(EcdhKeyPair a, EcdhKeyPair::create());
  TAOISM_ASSIGN_OR_RETURN(EcdhKeyPair b, EcdhKeyPair::create());
  TAOISM_ASSIGN_OR_RETURN(SharedSecret ab, a.agree(b.public_key()));
  TAOISM_ASSIGN_OR_RETURN(SharedSecret ba, b.agree(a.public_key()));
  TAOISM_ASSIGN_OR_RETURN(const Digest transcript,
                          session_transcript(a.public_key(), b.public_key(), noise));
  TAOISM_ASSIGN_OR_RETURN(SessionKeys ours, derive_session_keys(ab, transcript));
  TAOISM_ASSIGN_OR_RETURN(SessionKeys theirs, derive_session_keys(ba, transcript));
  if (std::memcmp(ours.to_tee.expose_secret().data(), theirs.to_tee.expose_secret().data(),
                  kAeadKeyBytes) != 0) {
    return internal_error("the crypto provider's key agreement is wrong");
  }
  // A refused key goes through the provider's error strings, which load lazily too.
  PublicKey no_point{};
  if (a.agree(no_point).ok()) return internal_error("the crypto provider accepts any public key");
  return {};
}

}  // namespace taoism::crypto
