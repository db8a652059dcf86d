// A worker that is stopped while it starts: the host waits out its 20 s, then ends it. Slow.
#include <atomic>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>

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

TEST(WorkerStartAttack, StoppedBeforeItRunsItsProgram) {
  stop_while_it_starts([](int) { return true; });
}

}  // namespace
}  // namespace taoism::attack
