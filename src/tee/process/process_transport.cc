// `--tee process`: a sandboxed worker, messages over a ring in shared memory.
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tee/find_image.h"
#include "tee/process/spawn.h"
#include "tee/region.h"
#include "tee/transport.h"
#include "wire/ring.h"

namespace taoism::tee {
namespace {

using Clock = std::chrono::steady_clock;

// Longer than an empty call and the gap between two segments, shorter than anybody notices.
constexpr uint64_t kSpinNs = 80'000;
constexpr int kLooksPerClock = 32;
// A sleeping wait looks so often whether the worker still lives.
constexpr timespec kNap{0, 20'000'000};
constexpr int kStartMs = 20'000;
constexpr int kFarewellMs = 2'000;

int processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

const char* stage_text(uint32_t stage) {
  switch (static_cast<wire::StartupStage>(stage)) {
    case wire::StartupStage::ready: return "nothing";
    case wire::StartupStage::region: return "the shared memory";
    case wire::StartupStage::config: return "the configuration";
    case wire::StartupStage::memory: return "the trusted memory";
    case wire::StartupStage::threads: return "the threads";
    case wire::StartupStage::crypto: return "the crypto provider's self-test";
    case wire::StartupStage::sandbox: return "closing the sandbox (seccomp)";
    case wire::StartupStage::package: return "mapping the package file";
    case wire::StartupStage::key: return "reading the key file";
    case wire::StartupStage::walls: return "closing its memory";
  }
  return "an unknown stage";
}

class ProcessTransport final : public Transport {
 public:
  ProcessTransport(Region region, Descriptor control, Child child, const TeeOptions& options)
      : region_(std::move(region)),
        control_(std::move(control)),
        child_(std::move(child)),
        key_file_(options.key_file),
        spin_ns_(processors() > 1 ? kSpinNs : 0),
        timeout_(std::chrono::milliseconds(options.call_timeout_ms)) {}

  // The worker ends when its socket closes; what does not end by itself is killed.
  ~ProcessTransport() override {
    control_.reset();
    child_.wait(kFarewellMs);
  }

  // Waits until the worker has set itself up.
  Status finish_start() {
    wire::Startup startup;
    TAOISM_RETURN_IF_ERROR(read_startup(startup, kStartMs));
    region_.close_descriptor();
    sealed_ = startup.sealed;
    return {};
  }

  ByteSpan payload() override { return region_.bytes().subspan(wire::kPayloadOffset); }

  Status send(uint32_t number, const wire::Message& message) override {
    if (!end_.ok()) return end_;
    ring().submissions[number % wire::kRingEntries] = message;
    if (wire::publish(ring().submitted, number + 1, ring().worker_sleeping)) {
      syscall(SYS_futex, &ring().submitted, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    return {};
  }

  Status receive(uint32_t number, wire::Reply& reply) override {
    TAOISM_RETURN_IF_ERROR(wait_for_completion(number));
    reply = ring().completions[number % wire::kRingEntries];
    return {};
  }

  int worker_pid() const override { return child_.pid(); }
  bool is_locked() const override { return (sealed_ & wire::kSealedLocked) != 0; }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> warnings{"simulated TEE: a sandboxed process, no hardware protection"};
    if ((sealed_ & wire::kSealedNamespaces) == 0) {
      warnings.emplace_back(
          "the TEE worker has no namespaces of its own: allow unprivileged user namespaces "
          "(see taoism doctor)");
    }
    if ((sealed_ & wire::kSealedNotDumpable) == 0) {
      warnings.emplace_back("the TEE worker's memory can be read by processes of the same user");
    } else if ((sealed_ & wire::kSealedSinceExec) == 0) {
      warnings.emplace_back(
          "the TEE worker's memory can be read by a process of the same user that has watched its "
          "start (see taoism doctor)");
    }
    return warnings;
  }

 private:
  wire::Ring& ring() { return *reinterpret_cast<wire::Ring*>(region_.bytes().data()); }

  // Whether the worker has answered more than `collected` messages.
  bool has_completion(uint32_t collected) {
    return std::atomic_ref(ring().completed).load(std::memory_order_acquire) != collected;
  }

  Status wait_for_completion(uint32_t collected) {
    if (!end_.ok()) return end_;
    const Clock::time_point start = Clock::now();
    const Clock::time_point spin_end = start + std::chrono::nanoseconds(spin_ns_);
    do {
      for (int look = 0; look < kLooksPerClock; ++look) {
        if (has_completion(collected)) return {};
        pause_cpu();
      }
    } while (Clock::now() < spin_end);

    const std::atomic_ref asleep(ring().host_sleeping);
    while (!has_completion(collected)) {
      asleep.store(1, std::memory_order_seq_cst);
      if (std::atomic_ref(ring().completed).load(std::memory_order_seq_cst) == collected) {
        syscall(SYS_futex, &ring().completed, FUTEX_WAIT, collected, &kNap, nullptr, 0);
      }
      asleep.store(0, std::memory_order_relaxed);
      if (has_completion(collected)) break;
      // A worker whose session is dead answers and ends.
      if (child_.wait(0)) return has_completion(collected) ? Status() : died();
      if (Clock::now() - start > timeout_) return timed_out();
    }
    return {};
  }

  Status died() {
    // The socket closes a moment before the process has ended.
    if (!child_.wait(kFarewellMs)) end_child();
    child_.wait(-1);
    wire::Startup last;
    const Status reason = read_startup(last, 0);
    end_ = reason.code() == Code::internal
               ? unavailable("the TEE worker died (" + child_.how_it_ended() +
                             "): run again; if it repeats, see the kernel's log")
               : reason;
    return end_;
  }

  Status timed_out() {
    end_child();
    end_ = unavailable("the TEE worker gave no answer for " + std::to_string(timeout_.count()) +
                       " ms and was ended: raise the call timeout or use more threads");
    return end_;
  }

  // Kills and reaps.
  void end_child() {
    child_.kill();
    child_.wait(-1);
    child_.how_it_ended();
  }

  // Errors: unavailable with the stage that failed; internal when the worker wrote nothing.
  Status read_startup(wire::Startup& startup, int timeout_ms) {
    pollfd readable{control_.get(), POLLIN, 0};
    int ready = 0;
    do {
      ready = poll(&readable, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0 && timeout_ms != 0) {
      end_child();
      return unavailable("the TEE worker did not start within " +
                         std::to_string(timeout_ms / 1000) +
                         " s and was ended: is the machine overloaded?");
    }
    const ssize_t bytes =
        ready > 0 ? recv(control_.get(), &startup, sizeof(startup), MSG_DONTWAIT) : 0;
    if (bytes != sizeof(startup)) return internal_error("no startup record");
    if (startup.version != wire::kProtocolVersion) {
      return of_another_build();
    }
    if (startup.stage == static_cast<uint32_t>(wire::StartupStage::key)) {
      return bad_key_file(key_file_, startup.error);
    }
    if (startup.stage == static_cast<uint32_t>(wire::StartupStage::walls)) {
      return policy_error(
          "the TEE worker takes no key: a debugger holds it, or its memory could be read by other "
          "processes of this user while it started (see taoism doctor)");
    }
    if (startup.stage != static_cast<uint32_t>(wire::StartupStage::ready)) {
      return unavailable(std::string("the TEE worker cannot start: ") + stage_text(startup.stage) +
                         " failed: " + std::strerror(startup.error) + " (see taoism doctor)");
    }
    return {};
  }

  Region region_;
  Descriptor control_;
  Child child_;
  const std::string key_file_;
  const uint64_t spin_ns_;
  const std::chrono::milliseconds timeout_;
  uint32_t sealed_ = 0;
  Status end_;

  friend Result<std::unique_ptr<Transport>> taoism::tee::start_process(const TeeOptions&, size_t);
};

}  // namespace

Result<std::unique_ptr<Transport>> start_process(const TeeOptions& options, size_t payload_bytes) {
  TAOISM_ASSIGN_OR_RETURN(const std::string path,
                          find_image(options.worker_path, "taoism-enclave"));
  TAOISM_ASSIGN_OR_RETURN(const wire::Config config, make_config(options));
  TAOISM_ASSIGN_OR_RETURN(Region region,
                          Region::create(wire::kPayloadOffset + payload_bytes, options));
  auto& ring = *reinterpret_cast<wire::Ring*>(region.bytes().data());
  ring.config = config;
  ring.config.spin_ns = processors() > 1 ? kSpinNs : 0;

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return unavailable(std::string("a socket for the TEE worker: ") + std::strerror(errno));
  }
  Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  TAOISM_ASSIGN_OR_RETURN(Child child, spawn(path, region.fd(), theirs.get(), options.package_fd));
  theirs.reset();
  auto transport = std::make_unique<ProcessTransport>(std::move(region), std::move(ours),
                                                      std::move(child), options);
  const Status started = transport->finish_start();
  if (started.code() == Code::internal) return transport->died();
  TAOISM_RETURN_IF_ERROR(started);
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace taoism::tee
