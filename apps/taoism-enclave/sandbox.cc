#include "sandbox.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire/ring.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAOISM_SANITIZED 1
#endif

namespace taoism::image {
namespace {

// What a worker needs to run. No memory can be mapped, nothing opened, nothing written.
constexpr int kAllowed[] = {
    SCMP_SYS(futex),
    // The clock, by whatever call the C library falls back to where the vDSO has none.
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    // The provider's generator: its seed, and its test whether the process has forked.
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
#if TAOISM_SANITIZED
    // The sanitizers' runtime: shadow memory, reports, thread bookkeeping.
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mprotect),
    SCMP_SYS(brk),
    SCMP_SYS(write),
    SCMP_SYS(read),
    SCMP_SYS(openat),
    SCMP_SYS(close),
    SCMP_SYS(readlink),
    SCMP_SYS(newfstatat),
    SCMP_SYS(gettid),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(prlimit64),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
#endif
};

// Whether a debugger holds this process; true when it cannot be told.
bool is_traced() {
  constexpr char kField[] = "\nTracerPid:\t";
  char text[4096];
  const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  const ssize_t bytes = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (bytes <= 0) return true;
  text[bytes] = '\0';
  const char* field = std::strstr(text, kField);
  return field == nullptr || std::strncmp(field + sizeof(kField) - 1, "0\n", 2) != 0;
}

// The kernel closes a process at exec() whose image its user may not read; then nobody could open
// its memory, nor come with a debugger, since. Nothing else has changed it yet.
bool is_closed_since_exec() {
  constexpr int kReadable = 1;
  const int dumpable = prctl(PR_GET_DUMPABLE);
  return dumpable >= 0 && dumpable != kReadable && !is_traced();
}

}  // namespace

uint32_t harden_process() {
  uint32_t held = 0;
  if (is_closed_since_exec()) held |= wire::kSealedSinceExec;
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) == 0) held |= wire::kSealedNoCore;
  if (prctl(PR_SET_DUMPABLE, 0) == 0) held |= wire::kSealedNotDumpable;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) held |= wire::kSealedNoNewPrivileges;
  // Entered here and not by whoever starts us: a process that is executed in a user namespace can
  // be read by every process of the user who made that, dumpable or not.
  constexpr int kNamespaces =
      CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
  if (unshare(kNamespaces) == 0) held |= wire::kSealedNamespaces;
  // Whatever root, or a new namespace, has given.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  syscall(SYS_capset, &header, none);
  return held;
}

int seal(int control_fd) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return ENOMEM;
  int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  for (const int call : kAllowed) {
    if (error == 0) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
  }
#if !TAOISM_SANITIZED
  if (error == 0) {
    error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                             SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(control_fd)));
  }
#endif
  if (error == 0) error = seccomp_load(filter);
  seccomp_release(filter);
  return -error;
}

}  // namespace taoism::image
