#include "crypto/signature.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "crypto/hash.h"
#include "crypto/p256_key.h"

namespace taoism::crypto {
namespace {

constexpr size_t kHalfBytes = kSignatureBytes / 2;
// A sequence of two integers, each with its head and perhaps a zero in front.
constexpr size_t kMaxDerBytes = 2 + 2 * (2 + 1 + kHalfBytes);

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};

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

void append_integer(std::vector<unsigned char>& der, const std::byte* half) {
  const unsigned char* begin = raw(half);
  const unsigned char* const end = begin + kHalfBytes;
  while (end - begin > 1 && *begin == 0) ++begin;
  const bool needs_zero = (*begin & 0x80U) != 0;
  der.push_back(0x02);
  der.push_back(static_cast<unsigned char>(end - begin + (needs_zero ? 1 : 0)));
  if (needs_zero) der.push_back(0);
  der.insert(der.end(), begin, end);
}

std::vector<unsigned char> to_der(const Signature& signature) {
  std::vector<unsigned char> der;
  der.reserve(kMaxDerBytes);
  der.assign({0x30, 0});
  append_integer(der, signature.data());
  append_integer(der, signature.data() + kHalfBytes);
  der[1] = static_cast<unsigned char>(der.size() - 2);
  return der;
}

// One integer at the front of `der`, which then begins behind it.
bool take_integer(std::span<const unsigned char>& der, std::byte* half) {
  if (der.size() < 2 || der[0] != 0x02 || der[1] > der.size() - 2) return false;
  std::span<const unsigned char> digits = der.subspan(2, der[1]);
  der = der.subspan(2 + digits.size());
  while (digits.size() > kHalfBytes && digits[0] == 0) digits = digits.subspan(1);
  if (digits.size() > kHalfBytes) return false;
  std::memset(half, 0, kHalfBytes - digits.size());
  std::memcpy(half + kHalfBytes - digits.size(), digits.data(), digits.size());
  return true;
}

std::optional<Signature> from_der(std::span<const unsigned char> der) {
  Signature signature;
  if (der.size() < 2 || der[0] != 0x30 || der[1] != der.size() - 2) return std::nullopt;
  der = der.subspan(2);
  if (!take_integer(der, signature.data()) || !take_integer(der, signature.data() + kHalfBytes) ||
      !der.empty()) {
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
  const std::unique_ptr<BIGNUM, FreeNumber> owned(number);
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
  // Making the key checks that the point is on the curve.
  // A point has one encoding here; the provider knows more.
  const KeyPtr key = signer[0] == std::byte{4} ? make_key(signer, nullptr) : nullptr;
  if (key == nullptr) return integrity_error("the signer's public key is not a point of P-256");
  const ContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  const std::vector<unsigned char> der = to_der(signature);
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_verify(context.get(), der.data(), der.size(), raw(digest.data()), digest.size()) !=
          1) {
    return integrity_error("the signature does not verify");
  }
  return {};
}

}  // namespace taoism::crypto
