// The trusted worker. Started by taoism with the shared region as descriptor 3, a control socket as
// descriptor 4 and, where there is one, the package file as 5, with an empty environment; writes a
// wire::Startup to the socket (a second one if the sandbox cannot be closed), then serves the ring
// until shutdown, or until the socket closes because its host is gone.
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/self_test.h"
#include "key_file.h"
#include "lock_memory.h"
#include "sandbox.h"
#include "start_config.h"
#include "trusted/image.h"
#include "worker_pool.h"

namespace taoism::image {
namespace {

constexpr int kRegionFd = 3;
constexpr int kControlFd = 4;
constexpr int kPackageFd = 5;
constexpr uint64_t kMaxPackageBytes = uint64_t{1} << 46;
// Room for whatever decoding the largest program allocates, got before the sandbox closes.
constexpr size_t kHeapBytes = 16 * trusted::kMaxProgramBytes;

[[noreturn]] void fail(wire::StartupStage stage, int error) {
  wire::Startup startup;
  startup.stage = static_cast<uint32_t>(stage);
  startup.error = error;
  (void)!write(kControlFd, &startup, sizeof(startup));
  _exit(1);
}

// The package file, read where the shared memory ends. Private and writable: a host that lets us
// write there damages no more than this copy. It may be cut short under us; then we die.
void map_package(std::byte* at, uint64_t bytes) {
  struct stat status;
  if (fstat(kPackageFd, &status) != 0) fail(wire::StartupStage::package, errno);
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) < bytes) {
    fail(wire::StartupStage::package, EINVAL);
  }
  if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, kPackageFd,
           0) == MAP_FAILED) {
    fail(wire::StartupStage::package, errno);
  }
  close(kPackageFd);
}

// The shared region, whose size must be fixed, so that nobody can take it away under us, and the
// package file behind it. `config` is the only copy of what the host wrote there.
ByteSpan map_region(wire::Config& config) {
  struct stat status;
  const int seals = fcntl(kRegionFd, F_GET_SEALS);
  if (seals < 0 || fstat(kRegionFd, &status) != 0) fail(wire::StartupStage::region, errno);
  constexpr int kFixedSize = F_SEAL_SHRINK | F_SEAL_GROW;
  if ((seals & kFixedSize) != kFixedSize ||
      status.st_size < static_cast<off_t>(wire::kPayloadOffset)) {
    fail(wire::StartupStage::region, EINVAL);
  }
  const auto bytes = static_cast<size_t>(status.st_size);
  if (pread(kRegionFd, &config, sizeof(config), 0) != sizeof(config)) {
    fail(wire::StartupStage::region, errno);
  }
  const uint64_t package_bytes = config.package_bytes;
  if (bytes % wire::kPageBytes != 0 || package_bytes > kMaxPackageBytes) {
    fail(wire::StartupStage::region, EINVAL);
  }
  void* region = mmap(nullptr, bytes + package_bytes, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED || mmap(region, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                                   kRegionFd, 0) == MAP_FAILED) {
    fail(wire::StartupStage::region, errno);
  }
  close(kRegionFd);
  if (package_bytes != 0) map_package(static_cast<std::byte*>(region) + bytes, package_bytes);
  return {static_cast<std::byte*>(region), bytes + package_bytes};
}

ByteSpan map_arena(uint64_t bytes) {
  if (bytes == 0) return {};
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail(wire::StartupStage::memory, errno);
  madvise(memory, bytes, MADV_DONTDUMP);
  madvise(memory, bytes, MADV_HUGEPAGE);
  return {static_cast<std::byte*>(memory), static_cast<size_t>(bytes)};
}

// The allocator keeps what it has and never asks the system again.
void reserve_heap() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  void* room = std::malloc(kHeapBytes);
  if (room == nullptr) fail(wire::StartupStage::memory, ENOMEM);
  std::free(room);
}

bool one_processor() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1;
}

// Ends the worker when the host's end of the socket closes: the host has ended, however it did. (A
// signal on the parent's death would come when the thread that started the worker ends.)
[[noreturn]] void end_with_host(std::atomic<bool>& started) {
  started = true;
  char byte;
  while (read(kControlFd, &byte, 1) > 0) {
  }
  _exit(0);
}

int run() {
  prctl(PR_SET_NAME, "taoism-enclave");  // else the number of the descriptor that it is run from
  raise_lock_limit();                    // while there may be privileges
  const uint32_t held = harden_process();
  wire::Config config;
  const ByteSpan region = map_region(config);
  auto& ring = *reinterpret_cast<wire::Ring*>(region.data());
  if (!accept_config(config)) fail(wire::StartupStage::config, EINVAL);
  reserve_heap();
  if (!crypto::self_test().ok()) fail(wire::StartupStage::crypto, 0);

  if (config.key_file[0] != '\0' && (held & wire::kSealedSinceExec) == 0) {
    fail(wire::StartupStage::walls, EPERM);
  }
  KeyFile keys;
  if (const int error = keys.read(config.key_file); error != 0) {
    fail(wire::StartupStage::key, error);
  }

  WorkerPool pool(config.threads, !one_processor());
  trusted::Image image(map_arena(config.budget_bytes), pool, &keys);
  std::atomic<bool> watching = false;
  std::thread(end_with_host, std::ref(watching)).detach();
  while (!watching)
    std::this_thread::yield();  // starting a thread takes calls that are forbidden then

  wire::Startup startup;
  startup.sealed = held | wire::kSealedSeccomp;
  if (lock_private_memory(region)) startup.sealed |= wire::kSealedLocked;
  (void)!write(kControlFd, &startup,
               sizeof(startup));  // the last write: it is forbidden from here on
  if (const int error = seal(kControlFd); error != 0) fail(wire::StartupStage::sandbox, error);
  image.serve(ring, region.subspan(wire::kPayloadOffset), config.spin_ns);
  _exit(0);
}

}  // namespace
}  // namespace taoism::image

int main() {
  if (fcntl(taoism::image::kControlFd, F_GETFD) < 0) {
    std::fputs("taoism-enclave: started by taoism, not by hand (see taoism run --tee process)\n",
               stderr);
    return 2;
  }
  return taoism::image::run();
}
