// The worker process: its sandbox, its death, its host's death, and what is left behind.
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tee/process/spawn.h"
#include "tee/transport.h"

namespace taoism::tee {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using wire::Message;
using wire::MessageType;

constexpr size_t kPayloadBytes = size_t{1} << 20;
constexpr size_t kPageKib = 4;
constexpr size_t kHeapKib = size_t{60} << 10;  // a worker has a little more
constexpr int kReportFd = 9;                   // of the host that is to be killed

TeeOptions options() {
  TeeOptions options;
  options.worker_path = TAOISM_WORKER;
  options.memory_bytes = 1 << 20;
  return options;
}

Status ping(Transport& transport) {
  wire::Reply reply;
  return transport.call(Message::of(MessageType::ping), reply);
}

size_t open_descriptors() {
  return static_cast<size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), {}));
}

std::string status_field(int pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name + ":", 0) == 0) {
      return line.substr(line.find_first_not_of(" \t", name.size() + 1));
    }
  }
  return "";
}

bool exists(int pid) { return kill(pid, 0) == 0; }

bool is_gone_within(int pid, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (exists(pid)) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

TEST(Worker, LeavesNothingBehind) {
  { ASSERT_TRUE(start_process(options(), kPayloadBytes).ok()); }
  const size_t before = open_descriptors();
  int pid = 0;
  {
    const auto transport = start_process(options(), kPayloadBytes);
    ASSERT_TRUE(transport.ok()) << transport.status().message();
    ASSERT_TRUE(ping(**transport).ok());
    pid = (*transport)->worker_pid();
    EXPECT_TRUE(exists(pid));
  }
  EXPECT_FALSE(exists(pid));  // not even as a zombie
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Worker, IsInASandbox) {
  const auto transport = start_process(options(), kPayloadBytes);
  ASSERT_TRUE(transport.ok());
  ASSERT_TRUE(ping(**transport).ok());  // it has closed its sandbox when it answers
  const int pid = (*transport)->worker_pid();
  EXPECT_EQ(status_field(pid, "NoNewPrivs"), "1");
  EXPECT_EQ(status_field(pid, "Seccomp"), "2");
  EXPECT_EQ(status_field(pid, "CapEff"), "0000000000000000");
  rlimit core{1, 1};
  if (prlimit(pid, RLIMIT_CORE, nullptr, &core) == 0) {
    EXPECT_EQ(core.rlim_cur, 0U);
    EXPECT_EQ(core.rlim_max, 0U);
  }
}

struct PrivateMapping {
  size_t kib = 0;
  bool is_locked = false;
};

// What is private and may be written, but for stacks' guards. Root alone may look: empty.
std::vector<PrivateMapping> private_mappings(int pid) {
  std::ifstream text("/proc/" + std::to_string(pid) + "/smaps");
  std::vector<PrivateMapping> found;
  bool is_private = false;
  for (std::string line; std::getline(text, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char access[5];
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, access) == 3) {
      is_private = access[1] == 'w' && access[3] == 'p';
      if (is_private) found.push_back({(end - begin) >> 10});
    } else if (is_private && line.rfind("VmFlags:", 0) == 0) {
      found.back().is_locked = line.find(" lo") != std::string::npos;
    }
  }
  return found;
}

// Whether all that is no larger is locked; the stack's lowest page is left out.
bool is_locked_up_to(size_t kib, int pid) {
  for (const PrivateMapping& mapping : private_mappings(pid)) {
    if (mapping.kib > kPageKib && mapping.kib <= kib && !mapping.is_locked) return false;
  }
  return true;
}

// The first of the pieces that the heap is in, as root alone may see: at least 2 MiB.
bool is_front_of_heap_locked(int pid) {
  std::ifstream text("/proc/" + std::to_string(pid) + "/smaps");
  constexpr size_t kUsedKib = 2048;
  bool is_heap = false;
  for (std::string line; std::getline(text, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " rw-p", &begin, &end) == 2) {
      is_heap = line.ends_with("[heap]");
      if (is_heap && (end - begin) >> 10 < kUsedKib) return false;
    } else if (is_heap && line.rfind("VmFlags:", 0) == 0) {
      return line.find(" lo") != std::string::npos;
    }
  }
  return geteuid() != 0;
}

// Why no process here may lock all its memory, asked of the system and of no worker; 0: it may.
int why_not_locked() {
  const pid_t child = fork();  // a limit is the whole process's
  if (child == 0) {
    const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) _exit(errno);
    void* const page =
        mmap(nullptr, kPageKib << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) _exit(errno);
    _exit(mlock2(page, kPageKib << 10, MLOCK_ONFAULT) == 0 ? 0 : errno);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(Worker, KeepsItsMemoryOutOfSwap) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "needs a build without sanitizer, whose shadow memory cannot be locked";
#endif
  if (const int error = why_not_locked(); error != 0) {
    GTEST_SKIP() << "no process may lock all its memory here: " << std::strerror(error)
                 << " (ulimit -l unlimited)";
  }
  const auto transport = start_process(options(), kPayloadBytes);
  ASSERT_TRUE(transport.ok());
  ASSERT_TRUE(ping(**transport).ok());
  EXPECT_TRUE((*transport)->is_locked());
  const int pid = (*transport)->worker_pid();
  EXPECT_GE(std::stoul(status_field(pid, "VmLck")), kHeapKib + (options().memory_bytes >> 10));
  EXPECT_TRUE(is_locked_up_to(SIZE_MAX, pid));
}

// What a child of ours may lock is little: a worker of it locks what fits, and runs.
TEST(Worker, LocksAsMuchMemoryAsItMay) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "needs a build without sanitizer, whose shadow memory cannot be locked";
#endif
  constexpr rlim_t kEnoughKib = 8192;
  for (const rlim_t kib : {rlim_t{0}, rlim_t{64}, rlim_t{300}, kEnoughKib}) {
    const pid_t child = fork();
    if (child == 0) {
      const rlimit limit{kib << 10, kib << 10};
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {};
      if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || syscall(SYS_capget, &header, now) != 0) {
        _exit(1);
      }
      for (const int raises : {CAP_SYS_RESOURCE, CAP_IPC_LOCK}) {
        now[CAP_TO_INDEX(raises)].effective &= ~CAP_TO_MASK(raises);
        now[CAP_TO_INDEX(raises)].permitted &= ~CAP_TO_MASK(raises);
      }
      if (syscall(SYS_capset, &header, now) != 0) _exit(1);
      const auto transport = start_process(options(), kPayloadBytes);
      if (!transport.ok() || !ping(**transport).ok()) _exit(2);
      const int pid = (*transport)->worker_pid();
      const size_t locked_kib = std::stoul(status_field(pid, "VmLck"));
      if (locked_kib > kib || (*transport)->is_locked()) _exit(3);
      // Among what is smaller than a heap and the threads' stacks: arena, variables, own stack.
      constexpr size_t kSmallKib = 2048;
      if (kib == kEnoughKib &&
          (locked_kib < options().memory_bytes >> 10 || !is_locked_up_to(kSmallKib, pid))) {
        _exit(4);
      }
      // Of the heap, which is larger, what is in use.
      if (kib == kEnoughKib && !is_front_of_heap_locked(pid)) _exit(5);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0) << kib << " KiB";
  }
}

TEST(Worker, HasNoEnvironmentAndTwoDescriptorsAtMost) {
  setenv("TAOISM_TEST_SECRET", "must not be inherited", 1);
  const auto transport = start_process(options(), kPayloadBytes);
  ASSERT_TRUE(transport.ok());
  ASSERT_TRUE(ping(**transport).ok());
  const std::string proc = "/proc/" + std::to_string((*transport)->worker_pid());
  // Only root may look into a process that is not dumpable.
  std::error_code denied;
  const fs::directory_iterator descriptors(proc + "/fd", denied);
  if (denied) GTEST_SKIP() << "the worker cannot be looked into, as it should be";
  for (const fs::directory_entry& entry : descriptors) {
    const std::string target = fs::read_symlink(entry.path());
    EXPECT_TRUE(target == "/dev/null" || target.rfind("socket:", 0) == 0 ||
                entry.path().filename() == "2")
        << entry.path() << " " << target;
  }
  std::ifstream environment(proc + "/environ");
  const std::string text((std::istreambuf_iterator<char>(environment)), {});
  EXPECT_THAT(text, ::testing::Not(HasSubstr("TAOISM_TEST_SECRET")));
}

TEST(Worker, KilledWhileWaitedForIsNoticed) {
  const auto transport = start_process(options(), kPayloadBytes);
  ASSERT_TRUE(transport.ok());
  const int pid = (*transport)->worker_pid();
  ASSERT_EQ(kill(pid, SIGSTOP), 0);  // it does not answer
  std::thread killer([pid] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    kill(pid, SIGKILL);
  });
  const auto start = std::chrono::steady_clock::now();
  const Status status = ping(**transport);
  killer.join();
  EXPECT_EQ(status.code(), Code::unavailable);
  EXPECT_THAT(status.message(), HasSubstr("the TEE worker died (signal 9"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(ping(**transport).message(), status.message());
  EXPECT_FALSE(exists(pid));
}

TEST(Worker, ThatDoesNotAnswerInTimeIsEnded) {
  TeeOptions impatient = options();
  impatient.call_timeout_ms = 200;
  const size_t before = open_descriptors();
  int pid = 0;
  {
    const auto transport = start_process(impatient, kPayloadBytes);
    ASSERT_TRUE(transport.ok());
    pid = (*transport)->worker_pid();
    ASSERT_EQ(kill(pid, SIGSTOP), 0);
    const Status status = ping(**transport);
    EXPECT_EQ(status.code(), Code::unavailable);
    EXPECT_THAT(status.message(), HasSubstr("gave no answer"));
    EXPECT_FALSE(exists(pid));
  }
  EXPECT_FALSE(exists(pid));
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Worker, UsesNoProcessorWhileIdle) {
  const auto transport = start_process(options(), kPayloadBytes);
  ASSERT_TRUE(transport.ok());
  ASSERT_TRUE(ping(**transport).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const int pid = (*transport)->worker_pid();
  EXPECT_EQ(status_field(pid, "State").substr(0, 1), "S");
  const std::string before = status_field(pid, "voluntary_ctxt_switches");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(status_field(pid, "voluntary_ctxt_switches"), before);
  EXPECT_TRUE(ping(**transport).ok());  // and still wakes
}

// Run by the next test in a process of its own: starts a worker, tells its number, waits to be
// killed.
TEST(Host, DISABLED_ThatWaitsToBeKilled) {
  const auto transport = start_process(options(), kPayloadBytes);
  const int pid = transport.ok() && ping(**transport).ok() ? (*transport)->worker_pid() : -1;
  (void)!write(kReportFd, &pid, sizeof(pid));
  for (;;) pause();
}

TEST(Worker, EndsWithItsHostHoweverTheHostEnds) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], kReportFd);
  const char* const arguments[] = {"host", "--gtest_filter=Host.*",
                                   "--gtest_also_run_disabled_tests", "--gtest_output=", nullptr};
  pid_t host = 0;
  ASSERT_EQ(posix_spawn(&host, "/proc/self/exe", &actions, nullptr,
                        const_cast<char* const*>(arguments), environ),
            0);
  posix_spawn_file_actions_destroy(&actions);
  int worker = -1;
  ASSERT_EQ(read(pipe_ends[0], &worker, sizeof(worker)), static_cast<ssize_t>(sizeof(worker)));
  ASSERT_GT(worker, 0);
  ASSERT_TRUE(exists(worker));
  kill(host, SIGKILL);
  waitpid(host, nullptr, 0);
  // Its new parent reaps it: where nobody does, it stays as a zombie.
  EXPECT_TRUE(is_gone_within(worker, std::chrono::seconds(5)) ||
              status_field(worker, "State").rfind('Z', 0) == 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST(Worker, SurvivesTheThreadThatStartedIt) {
  std::unique_ptr<Transport> transport;
  std::thread starter([&] { transport = start_process(options(), kPayloadBytes).value(); });
  starter.join();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(ping(*transport).ok());
}

TEST(Worker, ThatIsNoProgramIsAnError) {
  TeeOptions broken = options();
  broken.worker_path = "/etc/hostname";
  const auto transport = start_process(broken, kPayloadBytes);
  ASSERT_EQ(transport.code(), Code::unavailable);
  EXPECT_THAT(transport.status().message(), HasSubstr("cannot be run"));
  broken.worker_path = "/bin/true";
  const auto liar = start_process(broken, kPayloadBytes);
  ASSERT_EQ(liar.code(), Code::unavailable);
  EXPECT_THAT(liar.status().message(), HasSubstr("died (exit code 0)"));
}

TEST(Worker, ThatCannotHaveItsMemorySaysSo) {
  TeeOptions greedy = options();
  greedy.memory_bytes = uint64_t{1} << 62;
  const auto transport = start_process(greedy, kPayloadBytes);
  ASSERT_EQ(transport.code(), Code::unavailable);
  EXPECT_THAT(transport.status().message(), HasSubstr("the trusted memory"));
}

TEST(Transport, KeepsRepliesInOrderWithAFullRing) {
  const auto transport = start_process(options(), kPayloadBytes);
  ASSERT_TRUE(transport.ok());
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE((*transport)
                      ->post(Message::of(i % 2 == 0 ? MessageType::hello : MessageType::ping))
                      .ok());
    }
    for (int i = 0; i < 8; ++i) {
      wire::Reply reply;
      ASSERT_TRUE((*transport)->collect(reply).ok());
      EXPECT_EQ(reply.as<wire::HelloReply>().version, i % 2 == 0 ? wire::kProtocolVersion : 0U);
    }
  }
}

}  // namespace
}  // namespace taoism::tee
