#include "tee/process/spawn.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <semaphore>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tee/process/private_image.h"

#if defined(__SANITIZE_THREAD__)
// The sanitizer's clone() takes every child for a fork; the C library has the real one under this
// name.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument,
                       ...) noexcept;
#define TAOISM_CLONE __clone
#else
#define TAOISM_CLONE clone
#endif

namespace taoism::tee {
namespace {

// As the worker enters them itself (apps/taoism-enclave/sandbox.cc): made here, its memory could
// be read by every process of the user who made them.
constexpr int kNamespaces =
    CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr size_t kStackBytes = size_t{256} << 10;
constexpr int kRegionFd = 3;
constexpr int kControlFd = 4;
constexpr int kPackageFd = 5;
constexpr int kFirstFreeFd = 10;
// From clone() to exec().
constexpr std::chrono::seconds kMostStartTime(10);

struct Request {
  const char* path;  // null: end at once
  int image;         // of the private copy, which is run instead; -1: none
  int region;
  int control;
  int package;  // -1: none
  int error;    // written by the child when it cannot run `path`
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeepStderr = true;  // for the sanitizer's reports
#else
constexpr bool kKeepStderr = false;
#endif

// Root may read what nobody may, by two of its capabilities. They are back after exec().
__attribute__((no_sanitize("address", "thread", "undefined"))) bool give_up_reading_everything() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  sets[0].effective &= ~((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH));
  return syscall(SYS_capset, &header, sets) == 0;
}

// Runs in the child on the parent's memory while the parent's thread is stopped: system calls
// alone, and none through a wrapper that a sanitizer replaces.
__attribute__((no_sanitize("address", "thread", "undefined"))) int run_child(void* argument) {
  auto& request = *static_cast<Request*>(argument);
  if (request.path == nullptr) syscall(SYS_exit_group, 0);

  // A handler of the parent's must not run here; the mask is lifted after.
  unsigned long default_action[8] = {};
  constexpr size_t kSignalSetBytes = 8;
  for (int signal = 1; signal <= 64; ++signal) {
    syscall(SYS_rt_sigaction, signal, default_action, nullptr, kSignalSetBytes);
  }
  const auto move_to = [](int from, int to) { return syscall(SYS_dup3, from, to, 0) >= 0; };
  const long null = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
  // First out of the way of the numbers that they shall have.
  const long region = syscall(SYS_fcntl, request.region, F_DUPFD, kFirstFreeFd);
  const long control = syscall(SYS_fcntl, request.control, F_DUPFD, kFirstFreeFd);
  const long package =
      request.package < 0 ? -1 : syscall(SYS_fcntl, request.package, F_DUPFD, kFirstFreeFd);
  const long quiet = syscall(SYS_fcntl, null, F_DUPFD, kFirstFreeFd);
  const long image =
      request.image < 0 ? -1 : syscall(SYS_fcntl, request.image, F_DUPFD_CLOEXEC, kFirstFreeFd);
  const auto close_from = [&](unsigned first) {
    if (request.image < 0) return syscall(SYS_close_range, first, ~0U, 0) == 0;
    const auto kept = static_cast<unsigned>(image);
    return image >= 0 && syscall(SYS_close_range, first, kept - 1, 0) == 0 &&
           syscall(SYS_close_range, kept + 1, ~0U, 0) == 0;
  };
  const rlimit no_core{0, 0};
  unsigned long no_signals = 0;
  const bool ready =
      region >= 0 && control >= 0 && quiet >= 0 && move_to(static_cast<int>(quiet), 0) &&
      move_to(static_cast<int>(quiet), 1) && (kKeepStderr || move_to(static_cast<int>(quiet), 2)) &&
      move_to(static_cast<int>(region), kRegionFd) &&
      move_to(static_cast<int>(control), kControlFd) &&
      (request.package < 0 || (package >= 0 && move_to(static_cast<int>(package), kPackageFd))) &&
      close_from(request.package < 0 ? kPackageFd : kPackageFd + 1) && syscall(SYS_setsid) >= 0 &&
      syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      syscall(SYS_prlimit64, 0, RLIMIT_CORE, &no_core, nullptr) == 0 &&
      syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, kSignalSetBytes) == 0;
  if (ready) {
    const char* const arguments[] = {"taoism-enclave", nullptr};
    const char* const environment[] = {nullptr};
    if (request.image < 0) {
      syscall(SYS_execve, request.path, arguments, environment);
    } else if (give_up_reading_everything()) {
      syscall(SYS_execveat, image, "", arguments, environment, AT_EMPTY_PATH);
    }
  }
  request.error = errno;
  syscall(SYS_exit_group, 127);
  return 127;
}

// clone() as vfork(): returns once the child runs its program or has ended. -1 and errno on
// failure. It has a thread of its own, because it waits without end for a child that somebody has
// stopped; such a child is killed, and request.error tells.
int start(Request& request, int namespaces, int& pidfd) {
  std::vector<std::byte> stack(kStackBytes);
  auto top = reinterpret_cast<uintptr_t>(stack.data() + stack.size()) & ~uintptr_t{63};
  int pid = -1;
  int error = 0;
  std::binary_semaphore done(0);
  std::thread caller([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    // No exit signal: the child is ours alone to wait for, with __WALL.
    pid = TAOISM_CLONE(run_child, reinterpret_cast<void*>(top),
                       CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_UNTRACED | namespaces, &request,
                       &pidfd);
    error = errno;
    done.release();
  });
  bool is_late = false;
  while (!done.try_acquire_for(kMostStartTime)) {
    // The kernel has written it before it began to wait.
    const int child = std::atomic_ref(pidfd).load();
    if (child < 0) continue;
    is_late = true;
    syscall(SYS_pidfd_send_signal, child, SIGKILL, nullptr, 0);
  }
  caller.join();
  if (is_late) request.error = ETIMEDOUT;
  errno = error;
  return pid;
}

std::string describe(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return "exit code " + std::to_string(info.si_status);
  return "signal " + std::to_string(info.si_status) + ", " + strsignal(info.si_status);
}

}  // namespace

Child::Child(Child&& other) noexcept
    : pid_(other.pid_),
      pidfd_(std::move(other.pidfd_)),
      reaped_(other.reaped_),
      end_(std::move(other.end_)) {
  other.pid_ = 0;
}

Child::~Child() {
  if (!pidfd_.is_open() || reaped_) return;
  kill();
  wait(-1);
  how_it_ended();
}

bool Child::wait(int timeout_ms) const {
  pollfd fd{pidfd_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&fd, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

void Child::kill() const { syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0); }

const std::string& Child::how_it_ended() {
  if (reaped_ || !wait(0)) return end_;
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | __WALL) == 0) {
    end_ = describe(info);
  } else {
    end_ = "somebody else reaped it";
  }
  reaped_ = true;
  return end_;
}

Result<Child> spawn(const std::string& path, int region, int control, int package) {
  TAOISM_ASSIGN_OR_RETURN(const Descriptor image, make_private_image(path));
  Request request{path.c_str(), image.get(), region, control, package, 0};
  int pidfd = -1;
  const int pid = start(request, 0, pidfd);
  if (pid < 0) {
    return unavailable(std::string("the TEE worker cannot be started: ") + std::strerror(errno));
  }
  Child child(pid, Descriptor(pidfd));
  if (request.error != 0) {
    return unavailable("TEE image " + path + " cannot be run: " + std::strerror(request.error));
  }
  return child;
}

int try_namespaces() {
  Request request{nullptr, -1, -1, -1, -1, 0};
  int pidfd = -1;
  const int pid = start(request, kNamespaces, pidfd);
  if (pid < 0) return errno;
  Child child(pid, Descriptor(pidfd));
  child.wait(-1);
  return 0;
}

}  // namespace taoism::tee
