#include "runtime/crypto_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "crypto/aead.h"
#include "program/schedule.h"

namespace taoism::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kAreaBytes = size_t{48} << 20;  // beyond what caches hold
constexpr auto kTime = std::chrono::milliseconds(250);

// One thread's share: sealed pieces and a place to open them to.
class Opener {
 public:
  static Result<Opener> create() {
    TAOISM_ASSIGN_OR_RETURN(crypto::Aead aead, crypto::Aead::create(crypto::AeadKey()));
    Opener opener(std::move(aead));
    for (uint64_t piece = 0; piece < opener.tags_.size(); ++piece) {
      const ByteSpan area = opener.piece(piece);
      TAOISM_RETURN_IF_ERROR(
          opener.aead_.seal(crypto::counter_nonce(piece), {}, area, area, opener.tags_[piece]));
    }
    return opener;
  }
  // Opens pieces until `stop`; the bytes that it opened.
  uint64_t run(const std::atomic<bool>& stop) {
    uint64_t pieces = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      const uint64_t next = pieces++ % tags_.size();
      if (!aead_
               .open_from_untrusted(crypto::counter_nonce(next), {}, piece(next), tags_[next],
                                    plain_.span())
               .ok())
        return 0;
    }
    return pieces * program::kPieceBytes;
  }

 private:
  explicit Opener(crypto::Aead aead)
      : aead_(std::move(aead)),
        sealed_(kAreaBytes),
        plain_(program::kPieceBytes),
        tags_(kAreaBytes / program::kPieceBytes) {}
  ByteSpan piece(uint64_t number) {
    return sealed_.span().subspan(number * program::kPieceBytes, program::kPieceBytes);
  }

  crypto::Aead aead_;
  AlignedBuffer sealed_, plain_;
  std::vector<crypto::Tag> tags_;
};

}  // namespace

Result<double> measure_aes_gcm_bandwidth(size_t threads) {
  std::vector<Opener> openers;
  for (size_t t = 0; t < threads; ++t) {
    TAOISM_ASSIGN_OR_RETURN(Opener opener, Opener::create());
    openers.push_back(std::move(opener));
  }
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> bytes = 0;
  std::vector<std::thread> workers;
  workers.reserve(threads);
  const Clock::time_point start = Clock::now();
  for (Opener& opener : openers) {
    workers.emplace_back([&] { bytes += opener.run(stop); });
  }
  std::this_thread::sleep_for(kTime);
  stop = true;
  for (std::thread& worker : workers) worker.join();
  return static_cast<double>(bytes) / std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace taoism::runtime
