// SHA-256 of what comes in pieces (crypto/hash.h: of what lies in one). Host only. Thread-safety:
// one owner.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::onnx {

class RunningDigest {
 public:
  RunningDigest()
      : context_(EVP_MD_CTX_new()),
        good_(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1) {}

  void add(ConstByteSpan bytes) {
    good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  // Of all that was added, 32 bytes; to be called once. Errors: internal, when the provider fails.
  Result<std::string> finish() {
    std::string digest(static_cast<size_t>(EVP_MD_get_size(EVP_sha256())), '\0');
    auto* const bytes = reinterpret_cast<unsigned char*>(digest.data());
    if (!good_ || EVP_DigestFinal_ex(context_.get(), bytes, nullptr) != 1) {
      return internal_error("OpenSSL cannot compute SHA-256");
    }
    return digest;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  bool good_;
};

}  // namespace taoism::onnx
