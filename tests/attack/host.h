// A host that plays by the rules, step by step, so that a test can break one of them: it builds
// every message that the real host would send and lets the test change it before it is sent.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "crypto/channel.h"
#include "sample.h"
#include "store/package_head.h"
#include "trusted/image.h"

namespace taoism::attack {

// What one exchange was to end with.
struct Outcome {
  Code code = Code::ok;
  wire::Text text = wire::Text::none;
  bool operator==(const Outcome&) const = default;
};

// Not what the TEE said: what the host finds when it opens a session.
inline constexpr Outcome kOtherKeys{Code::internal, wire::Text::crypto_failed};

// Runs tasks one after the other on the caller's thread, and lets a test act before and after each:
// while a segment runs.
class SteppedParallel final : public Parallel {
 public:
  using Hook = std::function<void(uint64_t tick)>;

  // Ticks count from 0 again.
  void set_hook(Hook hook) {
    hook_ = std::move(hook);
    ticks_ = 0;
  }
  uint64_t ticks() const { return ticks_; }

  size_t threads() const override { return 1; }
  void run(size_t count, Task task, void* context) override {
    tick();
    for (size_t i = 0; i < count; ++i) {
      task(context, i, 0);
      tick();
    }
  }

 private:
  void tick() {
    const uint64_t now = ticks_++;
    if (hook_) hook_(now);
  }
  Hook hook_;
  uint64_t ticks_ = 0;
};

// Who signs the packages: the same for all tests of a process.
const crypto::SigningKey& test_owner();

// What the test wants a TEE to have: the key of the packages' owner, another, or none. A TEE that
// has one takes nothing but packages.
class TestKeys final : public trusted::KeySource {
 public:
  TestKeys() {
    std::ranges::fill(key.secret.expose_secret(), std::byte{0x5c});
    key.owners.keys.push_back(test_owner().public_key());
  }
  const store::PackageKey* package_key() const override {
    return when == When::always || (when == When::for_packages && is_for_packages) ? &key : nullptr;
  }

  enum class When : uint8_t { never, for_packages, always };
  store::PackageKey key;
  When when = When::for_packages;
  bool is_for_packages = false;  // as the host has sealed last
};

class Host {
 public:
  // How the program gets into the TEE: sealed by the session, or in its owner's package.
  enum class Way : uint8_t { session, package };

  // Where the parts of the payload lie.
  struct Regions {
    wire::Range list, tensors, spill;
    wire::Range file;                       // the package
    wire::Range manifest, sealed, weights;  // in it
    uint64_t bytes = 0;
  };

  // Budget 0: exactly what the program needs when all of it is held. `parallel` null: its own.
  explicit Host(uint64_t budget_bytes = 0) : Host(small_sample(), budget_bytes) {}
  explicit Host(const Sample& sample, uint64_t budget_bytes = 0, Parallel* parallel = nullptr);

  // Each sends one message; `open_session` also makes the keys, from what the TEE was started with,
  // or from what the host believes of it. In a session every reply is the TEE's own, or the test
  // ends.
  Outcome open_session();
  Outcome open_session(const wire::SessionTerms& believed, const wire::Range& evidence = {});
  Outcome send(const wire::Message& message);
  wire::SessionTerms terms() const;
  // Whether this is the TEE's next reply in the session, to this message.
  bool is_authentic(const wire::Message& message, const wire::Reply& reply);
  // For messages that change while they are read.
  void believe_replies() { from_tee_.reset(); }

  // The owner's store into the payload.
  void put_weights();
  // Messages with their sealed bytes in the payload. Each call uses up a number of the session's
  // sequence, as sealing does. The second seals any plaintext under any program's name.
  wire::Message seal_program();
  wire::Message seal_program(const store::StoreHeader& header);
  wire::Message seal_plain(ConstByteSpan plain, const wire::ProgramId& id);
  // The same from a package, which is made in the payload and signed. The second seals any
  // plaintext under any context but for its size, and says of it what `claimed` says, or the same.
  wire::Message seal_packaged();
  wire::Message seal_packaged(ConstByteSpan plain, store::PackageContext context);
  wire::Message seal_packaged(ConstByteSpan plain, store::PackageContext context,
                              const store::PackageContext& claimed);
  store::PackageContext package_context() const;
  // The head of the package that was made last, to be changed, and putting it back as it then is.
  store::PackageHead& head() { return *head_; }
  void put_head();
  wire::Message seal(Way way) { return way == Way::session ? seal_program() : seal_packaged(); }
  wire::Message close_program() const;

  // Session, weights and program, in the right order.
  void load_everything(Way way = Way::session);
  // Writes the input and the list of slots into the payload, and kUnwritten over the outputs.
  wire::Message run_message(uint32_t segment, const Floats& input);
  // Of the segment that run_message() was last called for.
  Floats output(size_t output = 0);
  const wire::Range& output_range(size_t output) const { return last_slots_[1 + output]; }
  // Both segments, with the answers checked to be ok: the last output.
  Floats run_all(const Floats& x, const Floats& y);

  static constexpr std::byte kUnwritten{0xee};

  const Sample& sample() const { return sample_; }
  const program::Program& program() const { return sample_.program(); }
  // Null when the budget is too small for any.
  const program::Schedule* schedule() const { return schedule_; }
  // Of what was sealed last.
  const wire::ProgramId& id() const { return id_; }
  // That the TEE has; what the host seals is under a key of the same bytes.
  TestKeys& keys() { return keys_; }
  const Regions& regions() const { return regions_; }
  ByteSpan payload() { return payload_.span().subspan(kGuardBytes, regions_.bytes); }
  ByteSpan part(const wire::Range& range) { return payload().subspan(range.offset, range.bytes); }
  ByteSpan arena() { return memory_.span().subspan(kGuardBytes, arena_bytes_); }
  // Nothing was written beside payload and arena.
  bool guards_hold() const;
  const wire::Reply& reply() const { return reply_; }
  trusted::Image& image() { return *image_; }
  const crypto::Digest& transcript() const { return transcript_; }
  void destroy_image() { image_.reset(); }
  uint64_t sequence() const { return to_tee_->next(); }

 private:
  static constexpr size_t kGuardBytes = 4096;

  const Sample& sample_;
  const program::Schedule* schedule_;
  uint64_t arena_bytes_;
  Regions regions_;
  AlignedBuffer memory_;
  AlignedBuffer payload_;
  SerialParallel serial_;
  TestKeys keys_;
  wire::ProgramId id_;
  std::unique_ptr<trusted::Image> image_;
  const Parallel& parallel_;
  std::optional<crypto::Channel> to_tee_, from_tee_;
  std::optional<store::PackageHead> head_;
  crypto::Digest transcript_{};
  wire::Reply reply_;
  std::vector<wire::Range> last_slots_;
};

}  // namespace taoism::attack
