#include "spy.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <sstream>

namespace taoism::attack {
namespace {

constexpr size_t kMostOfAMapping = size_t{16} << 20;

std::string of_process(int pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::string read_all(int fd) {
  std::string text;
  char part[8192];
  for (off_t at = 0;;) {
    const ssize_t bytes = pread(fd, part, sizeof(part), at);
    if (bytes <= 0) return text;
    text.append(part, static_cast<size_t>(bytes));
    at += bytes;
  }
}

std::string read_all(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const std::string text = read_all(fd);
  close(fd);
  return text;
}

bool runs_its_program(int pid) {
  return read_all(of_process(pid, "cmdline")).starts_with(kWorkerName);
}

// A process started by any thread of `host`.
std::vector<int> children_of(int host) {
  std::vector<int> children;
  DIR* tasks = opendir(of_process(host, "task").c_str());
  if (tasks == nullptr) return children;
  while (const dirent* task = readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    std::istringstream list(read_all(of_process(host, "task") + "/" + task->d_name + "/children"));
    for (int pid = 0; list >> pid;) children.push_back(pid);
  }
  closedir(tasks);
  return children;
}

class Spy {
 public:
  Spy(Watch& watch, ConstByteSpan secret) : watch_(watch), secret_(secret) {}
  Spy(const Spy&) = delete;
  Spy& operator=(const Spy&) = delete;

  void run(SpyWay way, const std::vector<std::string>& libraries) {
    const int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (way == SpyWay::libraries) {
      for (const std::string& path : libraries) inotify_add_watch(events, path.c_str(), IN_OPEN);
    }
    watch_.is_watching = true;
    while (!watch_.is_over) {
      const int host = watch_.host;
      if (host == 0) continue;
      if (way == SpyWay::libraries) {
        pollfd waited{events, POLLIN, 0};
        if (poll(&waited, 1, 1) > 0) drop_events(events);
      }
      for (const int pid : children_of(host)) {
        if (way == SpyWay::debugger) {
          debug(pid);
          continue;
        }
        if (way == SpyWay::libraries) kill(pid, SIGSTOP);
        look(pid);
        if (way == SpyWay::libraries) kill(pid, SIGCONT);
      }
      use_what_is_open();
    }
  }

 private:
  struct Memory {
    int pid;
    int memory;
    int maps;
  };

  static void drop_events(int events) {
    alignas(inotify_event) char buffer[4096];
    while (read(events, buffer, sizeof(buffer)) > 0) {
    }
  }

  void count_once(int pid, std::atomic<int>& counter) {
    if (counted_[&counter] == pid) return;
    counted_[&counter] = pid;
    ++counter;
  }

  void look(int pid) {
    ++watch_.looks;
    const bool is_worker = runs_its_program(pid);  // before it is opened, so that this stays true
    keep_memory(pid);
    if (!is_worker) return;
    count_once(pid, watch_.seen);
    if (can_read(pid) || can_take_a_descriptor(pid) || can_list(pid)) {
      count_once(pid, watch_.opened);
    }
    if (ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0) {
      count_once(pid, watch_.opened);
      ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
      waitpid(pid, nullptr, __WALL);
      ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
    }
  }

  // Where it is the worker's own memory and not yet that of its host, as before exec().
  void keep_memory(int pid) {
    const int memory = open(of_process(pid, "mem").c_str(), O_RDWR | O_CLOEXEC);
    const int maps = open(of_process(pid, "maps").c_str(), O_RDONLY | O_CLOEXEC);
    const bool is_workers =
        memory >= 0 && maps >= 0 && read_all(maps).find(kWorkerName) != std::string::npos;
    if (is_workers) {
      count_once(pid, watch_.seen);
      count_once(pid, watch_.opened);
    }
    if (is_workers && open_.size() < 4) {
      open_.push_back({pid, memory, maps});
      return;
    }
    if (memory >= 0) close(memory);
    if (maps >= 0) close(maps);
  }

  static bool can_read(int pid) {
    std::byte here{};
    const iovec to{&here, 1};
    const iovec from{reinterpret_cast<void*>(uintptr_t{8}), 1};
    // Nothing is mapped there: who may not look is told so first.
    return process_vm_readv(pid, &to, 1, &from, 1, 0) == 1 || errno == EFAULT;
  }

  static bool can_take_a_descriptor(int pid) {
    const auto process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    const auto taken = static_cast<int>(syscall(SYS_pidfd_getfd, process, 3, 0));
    if (process >= 0) close(process);
    if (taken >= 0) close(taken);
    return taken >= 0;
  }

  static bool can_list(int pid) {
    char target[256];
    DIR* descriptors = opendir(of_process(pid, "fd").c_str());
    if (descriptors != nullptr) closedir(descriptors);
    return descriptors != nullptr ||
           readlink(of_process(pid, "exe").c_str(), target, sizeof(target)) > 0 ||
           !read_all(of_process(pid, "auxv")).empty();
  }

  void use_what_is_open() {
    for (const Memory& memory : open_) {
      kill(memory.pid, SIGSTOP);
      std::istringstream maps(read_all(memory.maps));
      for (std::string line; std::getline(maps, line);) {
        uintptr_t begin = 0;
        uintptr_t end = 0;
        char rights[8] = {};
        if (std::sscanf(line.c_str(), "%lx-%lx %7s", &begin, &end, rights) == 3 &&
            std::strncmp(rights, "rw", 2) == 0) {
          search(memory, begin, std::min(end - begin, kMostOfAMapping));
        }
      }
      kill(memory.pid, SIGCONT);
    }
  }

  void search(const Memory& memory, uintptr_t begin, size_t bytes) {
    std::vector<std::byte> copy(bytes);
    const ssize_t got = pread(memory.memory, copy.data(), bytes, static_cast<off_t>(begin));
    if (got <= 0) return;
    const void* found =
        memmem(copy.data(), static_cast<size_t>(got), secret_.data(), secret_.size());
    if (found == nullptr) return;
    count_once(memory.pid, watch_.read);
    const auto at = static_cast<size_t>(static_cast<const std::byte*>(found) - copy.data());
    if (pwrite(memory.memory, found, 1, static_cast<off_t>(begin + at)) == 1) {
      count_once(memory.pid, watch_.written);
    }
  }

  // Attaches to a child that is still a copy of its host, and lives on with it.
  void debug(int pid) {
    ++watch_.looks;
    if (runs_its_program(pid)) {
      count_once(pid, watch_.seen);
      if (ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0) count_once(pid, watch_.opened);
      return;
    }
    if (ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXEC) != 0) return;
    for (int status = 0; waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);) {
      const bool is_exec = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
      if (is_exec) {
        count_once(pid, watch_.seen);
        count_once(pid, watch_.debugged);
        look_as_debugger(pid);
      }
      const int signal = status >> 16 != 0 ? 0 : WSTOPSIG(status);
      ptrace(PTRACE_CONT, pid, nullptr, reinterpret_cast<void*>(static_cast<uintptr_t>(signal)));
    }
  }

  void look_as_debugger(int pid) {
#if defined(__x86_64__)
    user_regs_struct registers{};
    if (ptrace(PTRACE_GETREGS, pid, nullptr, &registers) != 0) return;
    errno = 0;
    ptrace(PTRACE_PEEKDATA, pid, reinterpret_cast<void*>(registers.rsp), nullptr);
    if (errno == 0) count_once(pid, watch_.opened);
#endif
  }

  Watch& watch_;
  ConstByteSpan secret_;
  std::vector<Memory> open_;
  std::map<const std::atomic<int>*, int> counted_;
};

}  // namespace

int start_spy(SpyWay way, Watch& watch, const std::vector<std::string>& libraries,
              ConstByteSpan secret) {
  const int process = fork();
  if (process == 0) {
    Spy(watch, secret).run(way, libraries);
    _exit(0);
  }
  while (process > 0 && !watch.is_watching) usleep(100);
  return process;
}

}  // namespace taoism::attack
