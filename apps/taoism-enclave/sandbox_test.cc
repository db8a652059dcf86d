#include "sandbox.h"

#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trusted/platform.h"
#include "worker_pool.h"

namespace taoism::image {
namespace {

// The wait status of a child that closes its sandbox and then does this.
int status_after(const std::function<void()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    if (seal(0) != 0) _exit(99);
    action();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

bool is_killed_by(const std::function<void()>& action) {
  const int status = status_after(action);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

TEST(Sandbox, LetsComputeAndEnd) {
  const int status = status_after([] { (void)platform::monotonic_ns(); });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Sandbox, KillsWhoReachesOut) {
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_execve, "/bin/true", nullptr, nullptr); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_kill, getppid(), 0); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_ptrace, 0, 0, 0, 0); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_unlink, "/nowhere"); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_clone, 0, nullptr, nullptr, nullptr, 0); }));
}

// The sanitizers' runtime needs these.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Sandbox, KillsWhoMapsOpensOrWrites) {
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_openat, -1, "/etc/hostname", 0); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_write, 1, "x", 1); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_read, 1, nullptr, 0); }));
  EXPECT_TRUE(is_killed_by(
      [] { syscall(SYS_mmap, nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }));
  EXPECT_TRUE(is_killed_by([] { syscall(SYS_mprotect, nullptr, 4096, PROT_EXEC); }));
}
#endif

TEST(WorkerPool, DoesEachTaskOnce) {
  for (const bool spin : {false, true}) {
    for (const size_t threads : {size_t{1}, size_t{2}, size_t{5}}) {
      WorkerPool pool(threads, spin);
      ASSERT_EQ(pool.threads(), threads);
      for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{300}}) {
        for (int round = 0; round < 20; ++round) {
          std::vector<int> done(count);
          std::vector<int> by(threads);
          parallel_for(pool, count, [&](size_t i, size_t thread) {
            ++done[i];
            ++by[thread];
          });
          for (const int times : done) ASSERT_EQ(times, 1);
        }
      }
    }
  }
}

}  // namespace
}  // namespace taoism::image
