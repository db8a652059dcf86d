// The shared, untrusted memory between a host and a worker: a submission and a completion ring,
// then the payload area. One producer and one consumer a ring; submission i is answered by
// completion i. The counters only grow (modulo 2^32); an entry's place is its number modulo
// kRingEntries. A reader that finds nothing spins, then sets its `sleeping` word, looks again and
// sleeps on the counter; a writer that finds the word set wakes it. Both ends are hostile to each
// other: neither reads a size or an offset from here. Trusted. Thread-safety: counters and words
// through std::atomic_ref alone.
#pragma once

#include <atomic>

#include "base/bytes.h"
#include "wire/message.h"

namespace taoism::wire {

inline constexpr uint32_t kRingEntries = 8;
inline constexpr size_t kPageBytes = 4096;

inline constexpr size_t kMaxKeyPath = 1024;

// How a worker starts; written before it does, copied once by it.
struct Config {
  uint32_t version = kProtocolVersion;
  uint32_t threads = 1;
  uint64_t budget_bytes = 0;
  uint64_t spin_ns = 0;  // how long the worker spins before it sleeps
  // Of the package file, which the payload area then ends with; 0: none.
  uint64_t package_bytes = 0;
  // The kernels' target (kernels/target.h) and one more; 0: the best there is.
  uint32_t kernel_target = 0;
  uint32_t unused = 0;
  // The path of the key file that the image opens before its sandbox closes; empty: none.
  char key_file[kMaxKeyPath] = {};
};

struct Ring {
  Config config;
  alignas(kAlignment) uint32_t submitted = 0;
  alignas(kAlignment) uint32_t worker_sleeping = 0;
  alignas(kAlignment) uint32_t completed = 0;
  alignas(kAlignment) uint32_t host_sleeping = 0;
  alignas(kAlignment) Message submissions[kRingEntries];
  alignas(kAlignment) Reply completions[kRingEntries];
};

inline constexpr size_t kPayloadOffset = kPageBytes;

static_assert(sizeof(Config) == 40 + kMaxKeyPath);
static_assert(offsetof(Ring, submitted) == 1088 && offsetof(Ring, worker_sleeping) == 1152);
static_assert(offsetof(Ring, completed) == 1216 && offsetof(Ring, host_sleeping) == 1280);
static_assert(offsetof(Ring, submissions) == 1344 && offsetof(Ring, completions) == 2368);
static_assert(sizeof(Ring) == 3904 && sizeof(Ring) <= kPayloadOffset);
static_assert(std::atomic_ref<uint32_t>::is_always_lock_free);

// Publishes a counter's new value and tells whether the reader has to be woken.
inline bool publish(uint32_t& counter, uint32_t value, uint32_t& sleeping) {
  // Both sequentially consistent: either the writer sees the word or the sleeper sees the value.
  std::atomic_ref(counter).store(value, std::memory_order_seq_cst);
  return std::atomic_ref(sleeping).load(std::memory_order_seq_cst) != 0;
}

// The first thing that a worker writes to its control socket.
struct Startup {
  uint32_t version = kProtocolVersion;
  uint32_t stage = 0;   // StartupStage
  int32_t error = 0;    // errno of the stage that failed
  uint32_t sealed = 0;  // bits, below
};
enum class StartupStage : uint32_t {
  ready,
  region,
  config,
  memory,
  threads,
  crypto,
  sandbox,
  package,
  key,
  walls  // its memory can be read from outside: no key is taken
};
// The bits of Startup::sealed.
inline constexpr uint32_t kSealedSeccomp = 1;
inline constexpr uint32_t kSealedNoNewPrivileges = 2;
inline constexpr uint32_t kSealedNotDumpable = 4;
inline constexpr uint32_t kSealedNoCore = 8;
inline constexpr uint32_t kSealedNamespaces = 16;
// Not readable from exec() on, and without a debugger: nobody can have its memory open.
inline constexpr uint32_t kSealedSinceExec = 32;
// All its private memory stays out of swap.
inline constexpr uint32_t kSealedLocked = 64;
static_assert(sizeof(Startup) == 16);

}  // namespace taoism::wire
