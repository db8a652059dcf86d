// The host of the leak scan: runs a package as any user of it would, looks for the owner's secrets
// in everything that it can read, and prints what it found. It never has a secret, nor a pattern in
// clear; the deliberate leaks show what happens when it does.
//
//   leak_host FOLDER WORKER         m.tao, with the TEE in a process of its own
//   leak_host FOLDER IMAGE inline   the same with the TEE in this process: leaks by definition
//   leak_host FOLDER WORKER key     the host reads the key file, as it must not
//   leak_host FOLDER WORKER plain STRATEGY   model.onnx instead of m.tao
//
// Prints "found PATTERN MEMORY RING FILE" for each pattern: how often it was found in the address
// space after the runs, in the shared memory during them, and in the package file.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "package/package.h"
#include "patterns.h"
#include "runtime/session.h"
#include "runtime/tensors.h"

namespace taoism::leak {
namespace {

constexpr int kLeastRuns = 6;
constexpr int kLeastRingScans = 3;

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr uid_t kNobody = 65534;

// Calls alone that a fork of a process with threads may make.
bool drop_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  return syscall(SYS_capset, &header, none) == 0;
}

// Runs `look` as a process without privileges, of `user`; whether it returned true.
template <typename Look>
bool as_ordinary_process(uid_t user, const Look& look) {
  const pid_t child = fork();
  if (child == 0) {
    const bool is_user = user == getuid() || setresuid(user, user, user) == 0;
    _exit(is_user && drop_privileges() && look() ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

// By either way that Linux has. Nothing is mapped there: who may not look is told so first.
bool can_read_memory_of(pid_t pid) {
  std::byte here{};
  const iovec to{&here, 1};
  const iovec from{reinterpret_cast<void*>(uintptr_t{8}), 1};
  if (process_vm_readv(pid, &to, 1, &from, 1, 0) == 1 || errno == EFAULT) return true;
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/mem", pid);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file >= 0) close(file);
  return file >= 0;
}

// What keeps the worker's memory from a core dump and from its neighbours.
void print_worker(pid_t worker) {
  const std::string limits = read_text("/proc/" + std::to_string(worker) + "/limits");
  const size_t core = limits.find("Max core file size");
  long soft = -1;
  long hard = -1;
  if (core != std::string::npos) {
    std::sscanf(limits.c_str() + core, "Max core file size %ld %ld", &soft, &hard);
  }
  std::printf("core_limit %ld %ld\n", soft, hard);

  const auto can_read = [](pid_t pid) { return [pid] { return can_read_memory_of(pid); }; };
  std::printf("readable_by_own_user %d\n", as_ordinary_process(getuid(), can_read(worker)));
  if (getuid() == 0) {
    std::printf("readable_by_other_user %d\n", as_ordinary_process(kNobody, can_read(worker)));
  }
  // The same look at a process that has not closed itself.
  const pid_t open_process = fork();
  if (open_process == 0) {
    drop_privileges();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  usleep(20000);
  std::printf("open_process_readable %d\n", as_ordinary_process(getuid(), can_read(open_process)));
  kill(open_process, SIGKILL);
  waitpid(open_process, nullptr, 0);
}

Result<std::unique_ptr<runtime::Source>> open_plain(const std::string& path,
                                                    const std::string& strategy) {
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path));
  TAOISM_ASSIGN_OR_RETURN(const std::string hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind({.batch = kBatch}));
  TAOISM_ASSIGN_OR_RETURN(const auto spec, partition::StrategySpec::parse(strategy));
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, spec, hash));
  return runtime::open_source(std::move(model), std::move(plan), {.batch = kBatch});
}

Status act(const std::vector<std::string>& args) {
  if (args.size() < 2) return invalid_argument("FOLDER WORKER [inline | key | plain STRATEGY]");
  const std::string& folder = args[0];
  const std::string way = args.size() > 2 ? args[2] : "";
  std::vector<Pattern> patterns;
  if (!read_patterns(folder + "/patterns", patterns)) return not_found(folder + "/patterns");
  Scanner memory(patterns);
  Scanner ring(patterns);
  Scanner file(patterns);

  std::string leaked_key;
  if (way == "key") leaked_key = read_text(folder + "/m.key");

  runtime::Machine machine;
  machine.tee = way == "inline" ? "inline" : "process";
  machine.worker_path = args[1];
  machine.tee_threads = kThreads;
  machine.device_threads = kThreads;
  machine.tee_memory_bytes = std::strtoull(read_text(folder + "/memory.txt").c_str(), nullptr, 10);
  TAOISM_ASSIGN_OR_RETURN(machine, runtime::resolve(machine));
  std::unique_ptr<runtime::Source> source;
  if (way == "plain") {
    TAOISM_ASSIGN_OR_RETURN(source, open_plain(folder + "/model.onnx", args.at(3)));
  } else {
    machine.key_file = folder + "/m.key";
    TAOISM_ASSIGN_OR_RETURN(source, package::Package::open(folder + "/m.tao"));
  }
  TAOISM_ASSIGN_OR_RETURN(const runtime::Prepared prepared, source->prepare(kBatch, machine));
  TAOISM_ASSIGN_OR_RETURN(const auto session, runtime::Session::open(prepared, machine));
  const runtime::Tensors inputs(session->inputs());
  const runtime::Tensors outputs(session->outputs());
  runtime::fill_normal(inputs.views(), kInputSeed);

  // The shared memory while the TEE writes to it, over and over. (Inline there is none.)
  std::atomic<bool> is_done = false;
  std::atomic<int> ring_scans = 0;
  std::atomic<size_t> ring_mappings = 0;
  std::thread watcher([&] {
    while (!is_done) {
      ring_mappings = scan_own_memory(ring, "taoism-ring");
      ++ring_scans;
    }
  });
  Status status;
  int runs = 0;
  for (; status.ok() && (runs < kLeastRuns || ring_scans < kLeastRingScans); ++runs) {
    runtime::RunProfile profile;
    status = session->run(inputs.const_views(), outputs.views(), profile);
  }
  is_done = true;
  watcher.join();
  TAOISM_RETURN_IF_ERROR(status);
  const size_t mappings = scan_own_memory(memory);
  if (!scan_file(folder + (way == "plain" ? "/model.onnx" : "/m.tao"), file)) {
    return not_found("package");
  }

  for (size_t p = 0; p < patterns.size(); ++p) {
    std::printf("found %zu %zu %zu %zu\n", p, static_cast<size_t>(memory.found()[p]),
                static_cast<size_t>(ring.found()[p]), static_cast<size_t>(file.found()[p]));
  }
  std::printf(
      "runs %d\nring_scans %d\nring_mappings %zu\nmappings %zu\nmemory_bytes %zu\n"
      "file_bytes %zu\n",
      runs, ring_scans.load(), ring_mappings.load(), mappings,
      static_cast<size_t>(memory.scanned_bytes()), static_cast<size_t>(file.scanned_bytes()));
  std::printf("key_bytes %zu\n", leaked_key.size());  // it is there until here
  std::fflush(stdout);
  if (const pid_t worker = session->worker_pid(); worker != 0 && machine.tee == "process") {
    print_worker(worker);
  }
  return {};
}

}  // namespace
}  // namespace taoism::leak

int main(int argc, char** argv) {
  const taoism::Status status = taoism::leak::act({argv + 1, argv + argc});
  if (!status.ok()) std::fprintf(stderr, "leak_host: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
