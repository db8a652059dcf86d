// Carries messages to a TEE and its replies back: all that a kind of TEE implements. Host only.
// Thread-safety: one thread at a time per object.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/channel.h"
#include "tee/tee.h"
#include "wire/ring.h"

namespace taoism::tee {

class Transport {
 public:
  virtual ~Transport() = default;

  // Memory that both sides see.
  virtual ByteSpan payload() = 0;
  // Sends without waiting; at most wire::kRingEntries messages may be under way.
  Status post(const wire::Message& message);
  // The reply to the oldest message under way. Errors: unavailable (the TEE is gone), integrity (in
  // a session: the reply is not the TEE's), both for ever; and after a reply that ended the
  // session, that reply's.
  Status collect(wire::Reply& reply);
  // From here on replies are the TEE's own or errors; nothing is under way.
  void authenticate(crypto::Channel from_tee) { from_tee_ = std::move(from_tee); }
  virtual int worker_pid() const { return 0; }
  // Whether all of the TEE's private memory stays out of swap.
  virtual bool is_locked() const { return false; }
  virtual std::vector<std::string> warnings() const = 0;

  // post and collect; nothing else may be under way. An error that the TEE answers comes back as a
  // Status.
  Status call(const wire::Message& message, wire::Reply& reply);

 protected:
  // Message and reply `number`, which count from 0 (modulo 2^32), each in its order.
  virtual Status send(uint32_t number, const wire::Message& message) = 0;
  virtual Status receive(uint32_t number, wire::Reply& reply) = 0;

 private:
  std::array<wire::Message, wire::kRingEntries> sent_;
  uint32_t sent_count_ = 0;
  uint32_t collected_count_ = 0;
  std::optional<crypto::Channel> from_tee_;
  Status session_end_;
};

// Whether `reply` is the TEE's to `message`, and the next. Errors: integrity.
Status check_reply(crypto::Channel& from_tee, const wire::Message& message,
                   const wire::Reply& reply);

// What every kind of TEE starts with. Errors: invalid_argument (the key file).
Result<wire::Config> make_config(const TeeOptions& options);

// What a TEE that is started so is to be: a session is opened with that one alone.
wire::SessionTerms session_terms(const TeeOptions& options);

// Why an image did not take its key file; the images' KeyFile::read() gives `error`.
Status bad_key_file(const std::string& path, int error);

// unavailable, for an image that speaks another protocol.
Status of_another_build();

// The Status that a reply stands for.
Status status_of(const wire::Reply& reply);

// Starts a TEE with `options.memory_bytes` of trusted memory and so many bytes of payload, rounded
// up to whole pages; the package file, where there is one, lies behind them in payload().
Result<std::unique_ptr<Transport>> start_process(const TeeOptions& options, size_t payload_bytes);
Result<std::unique_ptr<Transport>> start_inline(const TeeOptions& options, size_t payload_bytes);

}  // namespace taoism::tee
