#include "crypto/gcm.h"

#if defined(TAOISM_HAS_IPSEC_MB)
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

namespace taoism::crypto {
namespace {

// The library's choice for this processor. Its manager holds much else, and is not kept.
struct Functions {
  aes_gcm_pre_t expand_key = nullptr;
  aes_gcm_init_t begin = nullptr;
  aes_gcm_enc_dec_update_t seal = nullptr, open = nullptr;
  aes_gcm_enc_dec_finalize_t finish_seal = nullptr, finish_open = nullptr;
};

// False on a processor for which the library would emulate AES: slowly, and by tables.
bool find_functions(Functions& functions) {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return false;
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &arch);
  constexpr uint64_t kWanted = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SAFE_DATA |
                               IMB_FEATURE_SELF_TEST_PASS;
  const bool has_all = (manager->features & kWanted) == kWanted && arch != IMB_ARCH_NONE;
  functions = {manager->gcm128_pre,          manager->gcm128_init,
               manager->gcm128_enc_update,   manager->gcm128_dec_update,
               manager->gcm128_enc_finalize, manager->gcm128_dec_finalize};
  free_mb_mgr(manager);
  return has_all;
}

class IpsecGcm final : public Gcm {
 public:
  IpsecGcm(const Functions& functions, const AeadKey& key, Direction direction)
      : functions_(functions),
        update_(direction == Direction::seal ? functions.seal : functions.open) {
    functions_.expand_key(key.expose_secret().data(), &key_);
  }
  ~IpsecGcm() override {
    secure_wipe(reinterpret_cast<std::byte*>(&key_), sizeof(key_));
    secure_wipe(reinterpret_cast<std::byte*>(&context_), sizeof(context_));
  }
  IpsecGcm(const IpsecGcm&) = delete;
  IpsecGcm& operator=(const IpsecGcm&) = delete;

  bool begin(const Nonce& nonce, ConstByteSpan additional) override {
    functions_.begin(&key_, &context_, bytes(nonce.data()), bytes(additional.data()),
                     additional.size());
    return true;
  }

  bool update(ConstByteSpan in, std::byte* out) override {
    if (!in.empty()) {
      update_(&key_, &context_, reinterpret_cast<uint8_t*>(out), bytes(in.data()), in.size());
    }
    return true;
  }

  bool finish_seal(Tag& tag) override {
    functions_.finish_seal(&key_, &context_, reinterpret_cast<uint8_t*>(tag.data()), kTagBytes);
    return true;
  }

  bool finish_open(const Tag& tag) override {
    Tag computed;
    functions_.finish_open(&key_, &context_, reinterpret_cast<uint8_t*>(computed.data()),
                           kTagBytes);
    return CRYPTO_memcmp(computed.data(), tag.data(), kTagBytes) == 0;
  }

 private:
  static const uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

  const Functions functions_;
  const aes_gcm_enc_dec_update_t update_;
  gcm_key_data key_;
  gcm_context_data context_{};
};

}  // namespace

std::unique_ptr<Gcm> make_ipsec_gcm(const AeadKey& key, Gcm::Direction direction) {
  Functions functions;
  if (!find_functions(functions)) return nullptr;
  return std::make_unique<IpsecGcm>(functions, key, direction);
}

}  // namespace taoism::crypto

#else
namespace taoism::crypto {

std::unique_ptr<Gcm> make_ipsec_gcm(const AeadKey&, Gcm::Direction) { return nullptr; }

}  // namespace taoism::crypto
#endif
