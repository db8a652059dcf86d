#include "crypto/signature.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>

#include "crypto/p256_key.h"

namespace taoism::crypto {
namespace {

constexpr int kHalfBytes = kSignatureBytes / 2;
// A sequence of two integers, each with its head and perhaps a zero in front.
constexpr size_t kMaxDerBytes = 2 + 2 * (2 + 1 + kHalfBytes);

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
using NumberPtr = std::unique_ptr<BIGNUM, FreeNumber>;
struct FreeParts {
  void operator()(ECDSA_SIG* parts) const { ECDSA_SIG_free(parts); }
};
using PartsPtr = std::unique_ptr<ECDSA_SIG, FreeParts>;

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) { return reinterpret_cast<const unsigned char*>(p); }

// A key from its parts; null when the provider refuses them. Without `secret` the public half.
KeyPtr make_key(const PublicKey& public_key, const SigningSecret* secret) {
  const ContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  char group[] = "P-256";
  PublicKey point = public_key;
  SigningSecret number;  // the provider's numbers have the processor's order of bytes
  if (secret != nullptr) {
    std::ranges::reverse_copy(secret->expose_secret(), number.expose_secret().begin());
  }
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      secret == nullptr
          ? OSSL_PARAM_construct_end()
          : OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, raw(number.expose_secret().data()),
                                    SigningSecret::size()),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key,
                        secret == nullptr ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
                        parameters) != 1) {
    return nullptr;
  }
  return KeyPtr(key);
}

// How the provider writes a signature. Empty: it cannot.
std::vector<unsigned char> to_der(const Signature& signature) {
  const PartsPtr parts(ECDSA_SIG_new());
  NumberPtr r(BN_bin2bn(raw(signature.data()), kHalfBytes, nullptr));
  NumberPtr s(BN_bin2bn(raw(signature.data() + kHalfBytes), kHalfBytes, nullptr));
  if (parts == nullptr || ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();  // they are the parts' own now
  (void)s.release();
  const int bytes = i2d_ECDSA_SIG(parts.get(), nullptr);
  if (bytes <= 0) return {};
  std::vector<unsigned char> der(static_cast<size_t>(bytes));
  unsigned char* to = der.data();
  return i2d_ECDSA_SIG(parts.get(), &to) == bytes ? der : std::vector<unsigned char>();
}

std::optional<Signature> from_der(std::span<const unsigned char> der) {
  const unsigned char* at = der.data();
  const PartsPtr parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Signature signature;
  if (parts == nullptr || at != der.data() + der.size() ||
      BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), raw(signature.data()), kHalfBytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), raw(signature.data() + kHalfBytes), kHalfBytes) <
          0) {
    return std::nullopt;
  }
  return signature;
}

}  // namespace

struct SigningKey::Key {
  KeyPtr pkey;
};

SigningKey::SigningKey(std::unique_ptr<Key> key, const PublicKey& public_key)
    : key_(std::move(key)), public_key_(public_key) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::create() {
  auto key = std::make_unique<Key>();
  TAOISM_ASSIGN_OR_RETURN(const PublicKey public_key, make_p256_key(key->pkey));
  return SigningKey(std::move(key), public_key);
}

Result<SigningKey> SigningKey::from(const SigningSecret& secret, const PublicKey& public_key) {
  auto key = std::make_unique<Key>();
  key->pkey = make_key(public_key, &secret);
  const Status no_pair = invalid_argument("not the two halves of a P-256 key");
  if (key->pkey == nullptr) return no_pair;
  SigningKey pair(std::move(key), public_key);
  const Result<Signature> signature = pair.sign(public_key);
  if (!signature.ok() || !verify(public_key, public_key, *signature).ok()) return no_pair;
  return pair;
}

Result<SigningSecret> SigningKey::secret() const {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key_->pkey.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
    return internal_error("the crypto provider does not give the secret of a P-256 key");
  }
  const NumberPtr owned(number);
  SigningSecret secret;
  if (BN_bn2binpad(number, raw(secret.expose_secret().data()), SigningSecret::size()) < 0) {
    return internal_error("the crypto provider does not give the secret of a P-256 key");
  }
  return secret;
}

Result<Signature> SigningKey::sign(ConstByteSpan message) const {
  TAOISM_ASSIGN_OR_RETURN(const Digest digest, sha256(message));
  const ContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_->pkey.get(), nullptr));
  unsigned char der[kMaxDerBytes];
  size_t bytes = sizeof(der);
  std::optional<Signature> signature;
  if (context != nullptr && EVP_PKEY_sign_init(context.get()) == 1 &&
      EVP_PKEY_sign(context.get(), der, &bytes, raw(digest.data()), digest.size()) == 1) {
    signature = from_der({der, bytes});
  }
  if (!signature.has_value()) return internal_error("the crypto provider cannot sign");
  return *signature;
}

Status verify(const PublicKey& signer, ConstByteSpan message, const Signature& signature) {
  TAOISM_ASSIGN_OR_RETURN(const Digest digest, sha256(message));
  return verify_digest(signer, digest, signature);
}

Status verify_digest(const PublicKey& signer, const Digest& digest, const Signature& signature) {
  // Making the key checks that the point is on the curve.
  // A point has one encoding here; the provider knows more.
  const KeyPtr key = signer[0] == std::byte{4} ? make_key(signer, nullptr) : nullptr;
  if (key == nullptr) return integrity_error("the signer's public key is not a point of P-256");
  const ContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  const std::vector<unsigned char> der = to_der(signature);
  if (context == nullptr || der.empty() || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_verify(context.get(), der.data(), der.size(), raw(digest.data()), digest.size()) !=
          1) {
    return integrity_error("the signature does not verify");
  }
  return {};
}

}  // namespace taoism::crypto
