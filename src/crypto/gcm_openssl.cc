#include <algorithm>
#include <climits>

#include <openssl/evp.h>

#include "crypto/gcm.h"

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

class OpensslGcm final : public Gcm {
 public:
  explicit OpensslGcm(EVP_CIPHER_CTX* context) : context_(context) {}

  bool begin(const Nonce& nonce, ConstByteSpan additional) override {
    return EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, raw(nonce.data()), -1, nullptr) ==
               1 &&
           feed(additional, nullptr);
  }

  bool update(ConstByteSpan in, std::byte* out) override { return feed(in, out); }

  bool finish_seal(Tag& tag) override {
    int written = 0;
    unsigned char none[kTagBytes];
    return EVP_EncryptFinal_ex(context_.get(), none, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, raw(tag.data())) ==
               1;
  }

  bool finish_open(const Tag& tag) override {
    int written = 0;
    unsigned char none[kTagBytes];
    Tag expected = tag;
    return EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                               raw(expected.data())) == 1 &&
           EVP_DecryptFinal_ex(context_.get(), none, &written) == 1;
  }

 private:
  // `out` is null for additional data.
  bool feed(ConstByteSpan in, std::byte* out) {
    for (size_t done = 0; done < in.size();) {
      const size_t step = std::min(kMaxUpdateBytes, in.size() - done);
      int written = 0;
      if (EVP_CipherUpdate(context_.get(), out != nullptr ? raw(out + done) : nullptr, &written,
                           raw(in.data() + done), static_cast<int>(step)) != 1) {
        return false;
      }
      done += step;
    }
    return true;
  }

  std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context_;
};

}  // namespace

std::unique_ptr<Gcm> make_openssl_gcm(const AeadKey& key, Gcm::Direction direction) {
  std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  const unsigned char* key_bytes = raw(key.expose_secret().data());
  const auto init = direction == Gcm::Direction::seal ? &EVP_EncryptInit_ex2 : &EVP_DecryptInit_ex2;
  const bool ready = cipher != nullptr && context != nullptr &&
                     init(context.get(), cipher, key_bytes, nullptr, nullptr) == 1;
  EVP_CIPHER_free(cipher);
  if (!ready) return nullptr;
  return std::make_unique<OpensslGcm>(context.release());
}

}  // namespace taoism::crypto
