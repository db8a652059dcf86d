#include <cerrno>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "tee/find_image.h"
#include "tee/process/private_image.h"
#include "tee/process/spawn.h"
#include "tee/tee.h"
#include "tee/transport.h"

namespace taoism::tee {
namespace {

TeeFeature feature(std::string name, bool available, std::string reason, std::string mend) {
  return {std::move(name), available, std::move(reason), available ? "" : std::move(mend)};
}

TeeFeature probe_sgx_processor() {
  bool available = false;
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kSgxBit = 1U << 2;  // CPUID.07H:EBX.SGX
  available = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSgxBit) != 0;
#endif
  return feature("sgx: processor", available,
                 available ? "CPUID reports SGX" : "CPUID reports no SGX",
                 "an Intel Xeon of the third generation or later, SGX switched on in the firmware");
}

TeeFeature probe_sgx_driver() {
  const bool available = access("/dev/sgx_enclave", R_OK | W_OK) == 0;
  return feature("sgx: driver", available,
                 available ? "/dev/sgx_enclave can be opened"
                           : std::string("/dev/sgx_enclave: ") + std::strerror(errno),
                 "Linux 5.11 or later on such a processor; the user in group sgx");
}

TeeFeature probe_namespaces() {
  const int error = try_namespaces();
  return feature("process: namespaces", error == 0,
                 error == 0 ? "user, network, mount and IPC namespaces can be made"
                            : std::string("namespaces cannot be made: ") + std::strerror(error),
                 "sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone, or the "
                 "container's security profile; the worker runs without them");
}

TeeFeature probe_seccomp() {
  const uint32_t action = SECCOMP_RET_KILL_PROCESS;
  const bool available = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  return feature(
      "process: seccomp", available,
      available ? "system call filters can end a process"
                : std::string("no system call filters: ") + std::strerror(errno),
      "Linux 4.14 or later with CONFIG_SECCOMP_FILTER; the container must allow seccomp");
}

TeeFeature probe_sealed_memory() {
  const Descriptor fd(memfd_create("taoism-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool available =
      fd.is_open() && fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;
  return feature("process: sealed shared memory", available,
                 available ? "memfd with size seals"
                           : std::string("memfd with size seals: ") + std::strerror(errno),
                 "Linux 3.17 or later with CONFIG_MEMFD_CREATE");
}

TeeFeature probe_worker(const std::string& worker_path) {
  const auto found = find_image(worker_path, "taoism-enclave");
  const bool available = found.ok() && access(found->c_str(), X_OK) == 0;
  return feature(
      "process: worker", available,
      found.ok() ? *found + (available ? "" : ": not executable") : found.status().message(),
      "build the target 'programs', or reinstall");
}

// Of /proc/sys; `otherwise` where there is none.
int kernel_setting(const char* name, int otherwise) {
  std::ifstream file(std::string("/proc/sys/") + name);
  int value = otherwise;
  return file >> value ? value : otherwise;
}

TeeFeature probe_closed_memory(const std::string& worker_path) {
  const auto found = find_image(worker_path, "taoism-enclave");
  if (!found.ok()) {
    return feature("process: closed memory", false, "there is no worker to try", "see above");
  }
  if (constexpr int kReadable = 1; kernel_setting("fs/suid_dumpable", 0) == kReadable) {
    return feature("process: closed memory", false,
                   "fs.suid_dumpable is 1: processes of this user can read the worker's memory, "
                   "and it takes no key",
                   "sysctl fs.suid_dumpable=0");
  }
  const auto image = make_private_image(*found);
  const bool available = image.ok() && image->is_open();
  return feature(
      "process: closed memory", available,
      available    ? "the worker runs from a copy that nobody can read, so that none can read it"
      : image.ok() ? "no memory file can be executed: processes of this user that watch the "
                     "worker start can read its memory, and it takes no key"
                   : image.status().message(),
      "sysctl vm.memfd_noexec=0 or 1");
}

TeeFeature probe_debuggers() {
  const bool available = kernel_setting("kernel/yama/ptrace_scope", 0) != 0;
  return feature("process: no debuggers", available,
                 available ? "Yama lets no process debug taoism uninvited"
                           : "any process of this user may debug taoism before the worker starts, "
                             "and start another in its place",
                 "a kernel with Yama and sysctl kernel.yama.ptrace_scope=1");
}

bool has_swap() {
  std::ifstream file("/proc/swaps");
  std::string line;
  std::getline(file, line);  // the heading
  return static_cast<bool>(std::getline(file, line));
}

// What a worker may lock: RLIM_INFINITY: anything, as it raises its limit where it can. A child
// tries, because a limit is the whole process's.
rlim_t most_locked_bytes() {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
    _exit(setrlimit(RLIMIT_MEMLOCK, &none) == 0 ? 0 : 1);
  }
  int status = 1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && status == 0) return RLIM_INFINITY;
  rlimit limit{};
  return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? limit.rlim_max : 0;
}

// Where it matters, a worker tells what it could lock; one with more memory may lock less of it.
TeeFeature probe_swap(const std::string& worker_path) {
  constexpr const char* kName = "process: no swap";
  if (!has_swap()) return feature(kName, true, "this machine has no swap", "");
  if (const rlim_t most = most_locked_bytes(); most != RLIM_INFINITY) {
    return feature(kName, false,
                   "the worker may lock " + std::to_string(most >> 10) +
                       " KiB of its memory; the rest may go to swap",
                   "ulimit -l unlimited (memlock in /etc/security/limits.conf), or swapoff -a");
  }
  TeeOptions options;
  options.worker_path = worker_path;
  options.memory_bytes = wire::kPageBytes;
  const auto worker = start_process(options, wire::kPageBytes);
  if (!worker.ok()) {
    return feature(kName, false, "no worker to ask: " + worker.status().message(), "see above");
  }
  const bool locks = (*worker)->is_locked();
  return feature(kName, locks,
                 locks ? "the worker locks its memory, and none goes to swap"
                       : "the system refuses to lock the worker's memory, which may go to swap",
                 "the container's security profile (mlock2), or swapoff -a");
}

}  // namespace

std::vector<TeeFeature> probe_tee(const std::string& worker_path) {
  return {probe_worker(worker_path), probe_closed_memory(worker_path),
          probe_debuggers(),         probe_namespaces(),
          probe_seccomp(),           probe_sealed_memory(),
          probe_swap(worker_path),   probe_sgx_processor(),
          probe_sgx_driver()};
}

}  // namespace taoism::tee
