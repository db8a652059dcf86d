// Carries messages to a TEE and its replies back: all that a kind of TEE implements. Host only.
// Thread-safety: one thread at a time per object.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "tee/tee.h"
#include "wire/ring.h"

namespace taoism::tee {

class Transport {
 public:
  virtual ~Transport() = default;

  // Memory that both sides see.
  virtual ByteSpan payload() = 0;
  // Sends without waiting; at most wire::kRingEntries messages may be under way.
  virtual Status post(const wire::Message& message) = 0;
  // The reply to the oldest message under way. Errors: unavailable (the TEE is gone), for ever.
  virtual Status collect(wire::Reply& reply) = 0;
  virtual int worker_pid() const { return 0; }
  virtual std::vector<std::string> warnings() const = 0;

  // post and collect; nothing else may be under way. An error that the TEE answers comes back as a
  // Status.
  Status call(const wire::Message& message, wire::Reply& reply);
};

// What every kind of TEE starts with. Errors: invalid_argument (the key file).
Result<wire::Config> make_config(const TeeOptions& options);

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
