#include "crypto/aead.h"

#include <algorithm>
#include <climits>

#include <openssl/evp.h>

namespace taoism::crypto {
namespace {

// EVP counts in int; a whole number of blocks.
constexpr size_t kMaxUpdateBytes = size_t{1} << 30;
static_assert(kMaxUpdateBytes <= INT_MAX);
// What passes through trusted memory at a time: it stays in the first-level cache.
constexpr size_t kBounceBytes = 16 << 10;

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

Nonce counter_nonce(uint64_t counter) {
  Nonce nonce{};
  for (size_t i = 0; i < sizeof(counter); ++i) {
    nonce[kNonceBytes - 1 - i] = static_cast<std::byte>(counter >> (8 * i));
  }
  return nonce;
}

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

namespace {

bool begin(EVP_CIPHER_CTX* context, const Nonce& nonce, ConstByteSpan additional) {
  return EVP_CipherInit_ex2(context, nullptr, nullptr, raw(nonce.data()), -1, nullptr) == 1 &&
         update(context, additional, nullptr);
}

bool finish_seal(EVP_CIPHER_CTX* context, Tag& tag) {
  int written = 0;
  unsigned char none[kTagBytes];
  return EVP_EncryptFinal_ex(context, none, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, raw(tag.data())) == 1;
}

bool finish_open(EVP_CIPHER_CTX* context, const Tag& tag) {
  int written = 0;
  unsigned char none[kTagBytes];
  Tag expected = tag;
  return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, raw(expected.data())) ==
             1 &&
         EVP_DecryptFinal_ex(context, none, &written) == 1;
}

Status sealing_failed(ByteSpan sealed) {
  secure_wipe(sealed.data(), sealed.size());
  return internal_error("sealing failed in the crypto provider");
}

Status opening_failed(ByteSpan plain) {
  if (!plain.empty()) secure_wipe(plain.data(), plain.size());
  return integrity_error("authentication of sealed data failed");
}

}  // namespace

Status Aead::seal(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan plain,
                  ByteSpan sealed, Tag& tag) {
  TAOISM_CHECK(plain.size() == sealed.size());
  EVP_CIPHER_CTX* context = contexts_->seal.get();
  const bool ok = begin(context, nonce, additional) && update(context, plain, sealed.data()) &&
                  finish_seal(context, tag);
  return ok ? Status() : sealing_failed(sealed);
}

Status Aead::open(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan sealed,
                  const Tag& tag, ByteSpan plain) {
  TAOISM_CHECK(plain.size() == sealed.size());
  EVP_CIPHER_CTX* context = contexts_->open.get();
  const bool ok = begin(context, nonce, additional) && update(context, sealed, plain.data()) &&
                  finish_open(context, tag);
  return ok ? Status() : opening_failed(plain);
}

Status Aead::seal_to_untrusted(const Nonce& nonce, ConstByteSpan additional, ConstByteSpan plain,
                               ByteSpan untrusted_sealed, Tag& tag) {
  TAOISM_CHECK(plain.size() == untrusted_sealed.size());
  EVP_CIPHER_CTX* context = contexts_->seal.get();
  bool ok = begin(context, nonce, additional);
  alignas(kAlignment) std::byte sealed[kBounceBytes];
  for (size_t done = 0; ok && done < plain.size(); done += kBounceBytes) {
    const size_t step = std::min(kBounceBytes, plain.size() - done);
    ok = update(context, plain.subspan(done, step), sealed);
    std::memcpy(untrusted_sealed.data() + done, sealed, step);
  }
  ok = ok && finish_seal(context, tag);
  return ok ? Status() : sealing_failed(untrusted_sealed);
}

Status Aead::open_from_untrusted(const Nonce& nonce, ConstByteSpan additional,
                                 ConstByteSpan untrusted_sealed, const Tag& tag, ByteSpan plain) {
  TAOISM_CHECK(plain.size() == untrusted_sealed.size());
  EVP_CIPHER_CTX* context = contexts_->open.get();
  bool ok = begin(context, nonce, additional);
  alignas(kAlignment) std::byte sealed[kBounceBytes];
  for (size_t done = 0; ok && done < plain.size(); done += kBounceBytes) {
    const size_t step = std::min(kBounceBytes, plain.size() - done);
    std::memcpy(sealed, untrusted_sealed.data() + done, step);
    ok = update(context, {sealed, step}, plain.data() + done);
  }
  ok = ok && finish_open(context, tag);
  return ok ? Status() : opening_failed(plain);
}

}  // namespace taoism::crypto
