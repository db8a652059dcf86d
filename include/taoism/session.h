// Session: a model split between a TEE and an untrusted device, ready to run again and again.
//
//   std::unique_ptr<taoism::api::Session> session;
//   if (auto error = taoism::api::Session::open("m.tao", {.key_file = "m.key"}, session)) ...
//   if (auto error = session->run({x}, {y})) ...
//
// A package (.tao) keeps what is private from this process. Opening a plain .onnx means that its
// weights are known here: that is measurement, not protection.
// Thread-safety: one thread at a time per session; sessions are independent of each other. Nothing
// here throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "taoism/error.h"

#if defined(__GNUC__)
#define TAOISM_API __attribute__((visibility("default")))
#else
#define TAOISM_API
#endif

namespace taoism::api {

struct SessionOptions {
  // Of an .onnx; a package runs under the plan that it was sealed with.
  std::string strategy = "full";  // "none", "full", "deep:k=2", ...
  std::string plan_json;          // not empty: the text of a plan.json, instead of a strategy
  // Of a package: its owner's key file, which the TEE alone reads. Empty: beside it, m.key.
  std::string key_file;
  // What an open first dimension becomes. 0: what the file or input_shapes say, or the least there
  // is.
  int64_t batch = 0;
  // Of an .onnx whose inputs leave other dimensions open: shapes by input name; -1 leaves one to
  // the file and to `batch`.
  std::vector<std::pair<std::string, std::vector<int64_t>>> input_shapes;
  std::string tee = "process";    // process, inline
  std::string device = "cpu";     // cpu, torch:cpu, torch:cuda:N
  uint64_t tee_memory_bytes = 0;  // 0: what the plan needs
  size_t tee_threads = 0;         // 0: one a core
  size_t device_threads = 0;      // 0: one a core
  std::string worker_path;        // empty: beside this program or library
  // Of a package: the public half of its owner's key, owner.pub; another's is refused. Empty: the
  // TEE alone checks, by the key file.
  std::string owner_file;
};

// The element types that a model's inputs and outputs have; bool is one byte, 0 or 1.
enum class ElementType {
  float32,
  float64,
  float16,
  bfloat16,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  boolean,
};

// Contiguous, row-major.
struct TensorInfo {
  std::string name;
  ElementType type = ElementType::float32;
  std::vector<int64_t> shape;  // none of a scalar
  size_t elements = 0;
  size_t bytes = 0;
};

// Nanoseconds of the last run; the phases add up to end_to_end_ns.
struct RunTimes {
  uint64_t end_to_end_ns = 0;
  uint64_t tee_compute_ns = 0;
  uint64_t device_compute_ns = 0;
  uint64_t crypto_ns = 0;
  uint64_t transfer_ns = 0;
  uint64_t wait_ns = 0;
  uint64_t residual_ns = 0;
};

class TAOISM_API Session {
 public:
  // Errors: not_found, invalid_argument, unsupported, resource_exhausted (names the memory that
  // would do), unavailable; of a package integrity (damaged, or not its key) and policy (older than
  // its key accepts). `session` is left alone on an error.
  static Error open(const std::string& model_path, const SessionOptions& options,
                    std::unique_ptr<Session>& session);
  ~Session();  // ends the TEE
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;
  // What must be shown to whoever relies on this session: a simulated TEE, a strategy that is
  // broken.
  const std::vector<std::string>& warnings() const;
  // The partition as `taoism plan` prints it; of a package what it says in clear.
  const std::string& plan_text() const;

  // One inference, tensors in the order of inputs() and outputs(), each of exactly its `bytes`.
  // Errors: invalid_argument; unavailable, integrity, policy, after which every run fails.
  Error run_bytes(std::span<const std::span<const std::byte>> inputs,
                  std::span<const std::span<std::byte>> outputs);
  // The same where all of them are float32.
  Error run(std::span<const std::span<const float>> inputs,
            std::span<const std::span<float>> outputs);
  const RunTimes& last_times() const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace taoism::api
