// A worker that is stopped while it starts: the host waits out its time, then ends it. Slow.
#include <atomic>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile_program.h"
#include "tee/transport.h"
#include "worker_watch.h"

namespace taoism::attack {
namespace {

// Stops a worker that would say nothing anyway as soon as `is_ripe` holds for it.
void stop_while_it_starts(const std::function<bool(int pid)>& is_ripe) {
  const Leftovers leftovers;
  {
    const HostileProgram program("exec /bin/sleep 600\n");
    std::atomic<int> worker{0};
    std::thread attacker([&] {
      becomes_true([&] {
        for (const int pid : children()) {
          if (is_ripe(pid) && kill(pid, SIGSTOP) == 0) worker.store(pid);
        }
        return worker.load() != 0;
      });
    });
    tee::TeeOptions options;
    options.worker_path = program.path();
    options.memory_bytes = 1 << 20;
    const auto start = std::chrono::steady_clock::now();
    const auto transport = tee::start_process(options, 1 << 20);
    EXPECT_LT(std::chrono::steady_clock::now() - start, kLong);
    attacker.join();
    EXPECT_EQ(transport.code(), Code::unavailable);
    EXPECT_NE(worker.load(), 0) << "the attacker never struck";
    EXPECT_FALSE(exists(worker.load()));
  }
  EXPECT_EQ(leftovers.text(), "");
}

TEST(WorkerStartAttack, StoppedBeforeItSaysThatItIsReady) {
  stop_while_it_starts([](int pid) { return program_of(pid) == "sleep"; });
}

// Has the kernel hold every execve() of this thread, and of what it starts, until somebody answers
// the descriptor that it returns; -1 and errno where it cannot.
int hold_execve() {
  const sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_execve},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter{std::size(code), const_cast<sock_filter*>(code)};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

constexpr int kCannotHold = 3;

// What a host sees whose worker never gets as far as its program. Returns an exit code.
int start_a_held_worker() {
  if (hold_execve() < 0) return kCannotHold;
  const Leftovers leftovers;
  tee::TeeOptions options;
  options.worker_path = "/bin/true";
  options.memory_bytes = 1 << 20;
  const auto transport = tee::start_process(options, 1 << 20);
  if (transport.code() != Code::unavailable) return 1;
  return leftovers.text().empty() ? 0 : 2;
}

// As if it were stopped between clone() and exec(), where nobody could hit it for sure.
TEST(WorkerStartAttack, HeldBeforeItRunsItsProgram) {
  const int host = fork();
  ASSERT_GE(host, 0);
  if (host == 0) _exit(start_a_held_worker());
  int status = -1;
  const bool is_over = becomes_true([&] { return waitpid(host, &status, WNOHANG) == host; });
  if (!is_over) kill(host, SIGKILL);
  ASSERT_TRUE(is_over) << "the host hangs";
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannotHold) {
    GTEST_SKIP() << "needs a kernel with seccomp's user notification";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace taoism::attack
