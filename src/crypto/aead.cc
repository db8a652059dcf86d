#include "crypto/aead.h"

#include <algorithm>
#include <climits>

#include <openssl/evp.h>

namespace taoism::crypto {
namespace {

// EVP counts in int; a whole number of blocks.
constexpr size_t kMaxUpdateBytes = size_t{1} << 30;
static_assert(kMaxUpdateBytes <= INT_MAX);

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) { return reinterpret_cast<const unsigned char*>(p); }

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// Feeds `in` to the cipher; `out` is null for additional data.
bool update(EVP_CIPHER_CTX* context, ConstByteSpan in, std::byte* out) {
  for (size_t done = 0; done < in.size();) {
    const size_t step = std::min(kMaxUpdateBytes, in.size() - done);
    int written = 0;
    if (EVP_CipherUpdate(context, out != nullptr ? raw(out + done) : nullptr, &written,
                         raw(in.data() + done), static_cast<int>(step)) != 1) {
      return false;
    }
    done += step;
  }
  return true;
}

}  // namespace

// One context a direction: switching a context between sealing and opening redoes its set-up.
struct Aead::Contexts {
  ContextPtr seal;
  ContextPtr open;
};

Aead::Aead(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

Result<Aead> Aead::create(const AeadKey& key) {
  auto contexts = std::make_unique<Contexts>();
  contexts->seal.reset(EVP_CIPHER_CTX_new());
  contexts->open.reset(EVP_CIPHER_CTX_new());
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  const unsigned char* key_bytes = raw(key.expose_secret().data());
  const bool ready =
      cipher != nullptr && contexts->seal != nullptr && contexts->open != nullptr &&
      EVP_EncryptInit_ex2(contexts->seal.get(), cipher, key_bytes, nullptr, nullptr) == 1 &&
      EVP_DecryptInit_ex2(contexts->open.get(), cipher, key_bytes, nullptr, nullptr) == 1;
  EVP_CIPHER_free(cipher);
  if (!ready) return internal_error("the crypto provider has no AES-128-GCM");
  return Aead(std::move(contexts));
}

Status Aead::seal(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan plain,
                  ByteSpan sealed, Tag& tag) {
  TAOISM_CHECK(plain.size() == sealed.size());
  EVP_CIPHER_CTX* context = contexts_->seal.get();
  int written = 0;
  unsigned char none[kTagBytes];
  if (EVP_EncryptInit_ex2(context, nullptr, nullptr, raw(nonce.data()), nullptr) != 1 ||
      !update(context, additional, nullptr) || !update(context, plain, sealed.data()) ||
      EVP_EncryptFinal_ex(context, none, &written) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, raw(tag.data())) != 1) {
    secure_wipe(sealed.data(), sealed.size());
    return internal_error("sealing failed in the crypto provider");
  }
  return {};
}

Status Aead::open(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan sealed,
                  const Tag& tag, ByteSpan plain) {
  TAOISM_CHECK(plain.size() == sealed.size());
  EVP_CIPHER_CTX* context = contexts_->open.get();
  int written = 0;
  unsigned char none[kTagBytes];
  Tag expected = tag;
  if (EVP_DecryptInit_ex2(context, nullptr, nullptr, raw(nonce.data()), nullptr) != 1 ||
      !update(context, additional, nullptr) || !update(context, sealed, plain.data()) ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, expected.data()) != 1 ||
      EVP_DecryptFinal_ex(context, none, &written) != 1) {
    if (!plain.empty()) secure_wipe(plain.data(), plain.size());
    return integrity_error("authentication of sealed data failed");
  }
  return {};
}

}  // namespace taoism::crypto
