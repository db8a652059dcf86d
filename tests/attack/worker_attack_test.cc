// A hostile host kills, stops and starves the worker, or starts another program in its place. A
// call ends with the right bits or with `unavailable`, in bounded time, and nothing is left behind.
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include "hostile_program.h"
#include "tee/tee.h"
#include "wire/ring.h"
#include "worker_watch.h"

namespace taoism::attack {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// Long enough for a start on a busy machine, and waited out by every test that lets it pass.
constexpr uint64_t kShortTimeoutMs = 1000;

// Convolutions of 64 channels, one after the other, all in the TEE.
ir::PartitionedGraph convolutions(int64_t side, int count) {
  constexpr int64_t kChannels = 64;
  ir::PartitionedGraph p;
  ir::Graph& g = p.graph;
  const ir::TensorDesc image{ir::DType::f32, {1, kChannels, side, side}};
  std::vector<float> weights(kChannels * kChannels * 9);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = 0.05F * std::sin(0.7F * static_cast<float>(i));
  }
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>{3, 3});
  attrs.set("pads", std::vector<int64_t>{1, 1, 1, 1});
  p.segments = {{ir::Placement::tee, {}, {g.add_input("x", image)}, {}}};
  ir::ValueId last = p.segments[0].inputs[0];
  for (int i = 0; i < count; ++i) {
    const std::string name = "conv" + std::to_string(i);
    const auto w = g.add_constant(name + ".w", ir::make_f32_constant({64, 64, 3, 3}, weights));
    const auto y = g.add_value(name + ".y", image);
    p.segments[0].nodes.push_back(
        g.add_node({"Conv", name, {last, w}, {y}, attrs, ir::Placement::tee, "", ""}));
    last = y;
  }
  p.segments[0].outputs = {last};
  g.set_outputs({last});
  return p;
}

// A model in a worker of its own.
class Worker {
 public:
  Worker(const ir::PartitionedGraph& model, tee::TeeOptions options)
      : desc_(model.graph.value(model.graph.inputs()[0]).desc),
        input_(desc_.bytes()),
        output_(desc_.bytes()) {
    options.worker_path = TAOISM_WORKER;
    executable_ = tee::open_tee(options).value()->compile(model).value();
    for (size_t i = 0; i < desc_.bytes() / sizeof(float); ++i) {
      input_.as<float>()[i] = std::sin(0.37F * static_cast<float>(i));
    }
  }

  int pid() const { return tee::as_tee(*executable_)->worker_pid(); }
  Status ping() { return tee::as_tee(*executable_)->ping(); }
  Status run() {
    std::memset(output_.data(), 0xee, output_.size());
    const ir::ConstTensorView input{desc_, input_.data()};
    const ir::TensorView output{desc_, output_.data()};
    device::RunTimes times;
    return executable_->run(0, {&input, 1}, {&output, 1}, times);
  }
  std::vector<std::byte> answer() const {
    return {output_.data(), output_.data() + output_.size()};
  }

 private:
  const ir::TensorDesc desc_;
  AlignedBuffer input_, output_;
  std::unique_ptr<device::Executable> executable_;
};

// Runs on a thread of its own, so that the test can act meanwhile.
class PendingRun {
 public:
  explicit PendingRun(Worker& worker)
      : thread_([this, &worker] {
          status_ = worker.run();
          has_ended_.store(true);
        }) {}
  ~PendingRun() {
    if (thread_.joinable()) thread_.join();
  }
  bool has_ended() const { return has_ended_.load(); }
  Status wait() {
    thread_.join();
    return status_;
  }

 private:
  std::atomic<bool> has_ended_{false};
  Status status_;
  std::thread thread_;
};

void stop(int pid) {
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  ASSERT_TRUE(becomes_true([pid] { return state_of(pid) == 'T'; }));
}

class WorkerAttack : public ::testing::Test {
 protected:
  static const ir::PartitionedGraph& model() {
    static const ir::PartitionedGraph model = convolutions(96, 4);
    return model;
  }
  // What an undisturbed worker answers.
  static const std::vector<std::byte>& right() {
    static const std::vector<std::byte> right = [] {
      Worker calm(model(), {});
      EXPECT_TRUE(calm.run().ok());
      return calm.answer();
    }();
    return right;
  }

  // Stops the worker while it computes. A run that was done before the stop came is run again.
  static std::unique_ptr<PendingRun> run_and_stop(Worker& worker) {
    const int pid = worker.pid();
    for (int attempt = 0; attempt < 50; ++attempt) {
      EXPECT_TRUE(becomes_true([&] { return state_of(pid) == 'S'; }));
      auto run = std::make_unique<PendingRun>(worker);
      EXPECT_TRUE(becomes_true([&] { return state_of(pid) == 'R' || run->has_ended(); }));
      stop(pid);
      std::this_thread::sleep_for(milliseconds(50));  // for an answer that is on its way
      if (!run->has_ended()) return run;
      EXPECT_EQ(kill(pid, SIGCONT), 0);
      EXPECT_TRUE(run->wait().ok());
    }
    ADD_FAILURE() << "the worker was always done before it was stopped";
    return std::make_unique<PendingRun>(worker);
  }

  static void expect_ended(Worker& worker, int pid, const Status& status) {
    EXPECT_EQ(status.code(), Code::unavailable) << status.message();
    EXPECT_THAT(status.message(), HasSubstr("gave no answer"));
    EXPECT_FALSE(exists(pid));  // not even as a zombie
    EXPECT_EQ(worker.run().message(), status.message());
    EXPECT_EQ(worker.ping().message(), status.message());
  }

  const Leftovers leftovers_;
};

TEST_F(WorkerAttack, StoppedBeforeARunItIsEnded) {
  std::optional<Worker> worker(std::in_place, model(),
                               tee::TeeOptions{.call_timeout_ms = kShortTimeoutMs});
  const int pid = worker->pid();
  stop(pid);
  const auto start = std::chrono::steady_clock::now();
  expect_ended(*worker, pid, worker->run());
  EXPECT_LT(std::chrono::steady_clock::now() - start, kLong);
  worker.reset();
  EXPECT_FALSE(exists(pid));
  EXPECT_EQ(leftovers_.text(), "");
}

TEST_F(WorkerAttack, StoppedDuringARunItIsEnded) {
  std::optional<Worker> worker(std::in_place, model(),
                               tee::TeeOptions{.threads = 2, .call_timeout_ms = kShortTimeoutMs});
  const int pid = worker->pid();
  const auto run = run_and_stop(*worker);
  const auto start = std::chrono::steady_clock::now();
  expect_ended(*worker, pid, run->wait());
  EXPECT_LT(std::chrono::steady_clock::now() - start, kLong);
  worker.reset();
  EXPECT_FALSE(exists(pid));
  EXPECT_EQ(leftovers_.text(), "");
}

TEST_F(WorkerAttack, StoppedAndContinuedItAnswersRight) {
  for (const size_t threads : {1, 2}) {
    Worker worker(model(), {.threads = threads});
    const int pid = worker.pid();
    for (int round = 0; round < 2; ++round) {
      const auto run = run_and_stop(worker);
      std::this_thread::sleep_for(milliseconds(100));
      ASSERT_FALSE(run->has_ended());
      ASSERT_EQ(kill(pid, SIGCONT), 0);
      const Status status = run->wait();
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_TRUE(worker.answer() == right());
    }
    // Stopped while it sleeps, and the message comes meanwhile.
    stop(pid);
    PendingRun run(worker);
    std::this_thread::sleep_for(milliseconds(100));
    ASSERT_FALSE(run.has_ended());
    ASSERT_EQ(kill(pid, SIGCONT), 0);
    EXPECT_TRUE(run.wait().ok());
    EXPECT_TRUE(worker.answer() == right());
  }
}

// Without end, for a moment at a time: some of the stops hit the ring's waits and wakes.
TEST_F(WorkerAttack, StoppedAndContinuedAgainAndAgain) {
  const ir::PartitionedGraph model = convolutions(8, 1);
  Worker worker(model, {.threads = 2});
  ASSERT_TRUE(worker.run().ok());
  const std::vector<std::byte> right = worker.answer();
  std::atomic<bool> is_over{false};
  std::atomic<int> stops{0};
  std::thread attacker([&, pid = worker.pid()] {
    for (uint32_t i = 0; !is_over.load(); ++i) {
      kill(pid, SIGSTOP);
      std::this_thread::sleep_for(std::chrono::microseconds(i * 37 % 500));
      kill(pid, SIGCONT);
      std::this_thread::sleep_for(std::chrono::microseconds(i * 61 % 500));
      stops.fetch_add(1);
    }
  });
  for (int round = 0; (round < 100 || stops.load() < 200) && !HasFailure(); ++round) {
    const Status status = worker.run();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(worker.answer() == right);
  }
  is_over.store(true);
  attacker.join();
}

TEST_F(WorkerAttack, KilledDuringARun) {
  int struck = 0;
  for (const int wait_ms : {0, 1, 5, 20, 40}) {
    std::optional<Worker> worker(std::in_place, model(), tee::TeeOptions{.threads = 2});
    const int pid = worker->pid();
    PendingRun run(*worker);
    std::this_thread::sleep_for(milliseconds(wait_ms));
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    const Status status = run.wait();
    if (status.ok()) {
      EXPECT_TRUE(worker->answer() == right());
    } else {
      ++struck;
      EXPECT_EQ(status.code(), Code::unavailable);
      EXPECT_THAT(status.message(), HasSubstr("the TEE worker died (signal 9"));
      EXPECT_EQ(worker->run().message(), status.message());
      EXPECT_FALSE(exists(pid));
    }
    worker.reset();
    EXPECT_FALSE(exists(pid));
    EXPECT_EQ(leftovers_.text(), "");
  }
  EXPECT_GT(struck, 0);
}

// Puts a thread (0: this one) on a single processor. False where that is not allowed.
bool pin(int thread, int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  return sched_setaffinity(thread, sizeof(one), &one) == 0;
}

TEST_F(WorkerAttack, StarvedItAnswersRight) {
  const ir::PartitionedGraph model = convolutions(48, 2);
  Worker worker(model, {.threads = 2});
  ASSERT_TRUE(worker.run().ok());
  const std::vector<std::byte> right = worker.answer();

  const int processor = sched_getcpu();
  const std::vector<int> threads = threads_of(worker.pid());
  ASSERT_GE(threads.size(), 2U);
  for (const int thread : threads) {
    if (!pin(thread, processor) || setpriority(PRIO_PROCESS, static_cast<id_t>(thread), 19) != 0) {
      GTEST_SKIP() << "needs the right to choose the worker's processor and priority: "
                   << std::strerror(errno);
    }
  }
  std::atomic<bool> is_over{false};
  std::vector<std::thread> competitors;
  competitors.reserve(2);
  for (int i = 0; i < 2; ++i) {
    competitors.emplace_back([&] {
      pin(0, processor);
      while (!is_over.load(std::memory_order_relaxed)) {
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    const Status status = worker.run();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(worker.answer() == right);
  }
  is_over.store(true);
  for (std::thread& competitor : competitors) competitor.join();
}

// A program in the worker's place: what it says first, what it does then, before it sleeps for
// ever.
struct Impostor {
  const char* name;
  std::string says;
  const char* then;
  const char* message;
};

constexpr uint32_t kVersion = wire::kProtocolVersion;
constexpr wire::Startup kReady{kVersion};

// A shell's command that writes the bytes to the control socket.
std::string say(ConstByteSpan bytes) {
  std::string command = "printf '";
  for (const std::byte b : bytes) {
    char octal[8];
    std::snprintf(octal, sizeof(octal), "\\%03o", static_cast<unsigned>(b));
    command += octal;
  }
  return command + "' >&4\n";
}
std::string say(const wire::Startup& startup) { return say(object_bytes(startup)); }

const Impostor kImpostors[] = {
    {"SaysNothingAndEnds", "", "exit 3", "died (exit code 3)"},
    {"HangsUpAndLivesOn", "", "exec 4>&-", "died (signal 9"},
    {"SaysHalf", say(object_bytes(kReady).first(7)), "exit 3", "died (exit code 3)"},
    {"IsOfAnotherBuild", say(wire::Startup{kVersion + 1}), "exit", "of another build"},
    {"KnowsAnUnknownStage", say(wire::Startup{kVersion, 99, 5}), "exit", "an unknown stage failed"},
    {"IsReadyAndSaysNothingMore", say(kReady), "", "gave no answer"},
    {"IsReadyAndEnds", say(kReady), "exit 3", "died (exit code 3)"},
};

class ImpostorAttack : public ::testing::TestWithParam<Impostor> {};

TEST_P(ImpostorAttack, IsAnErrorAndLeavesNothing) {
  const Impostor& impostor = GetParam();
  const Leftovers leftovers;
  {
    const HostileProgram program(impostor.says + impostor.then + "\nexec /bin/sleep 600\n");
    const ir::PartitionedGraph model = convolutions(8, 1);
    tee::TeeOptions options;
    options.worker_path = program.path();
    options.call_timeout_ms = kShortTimeoutMs;
    const auto start = std::chrono::steady_clock::now();
    const auto executable = tee::open_tee(options).value()->compile(model);
    EXPECT_LT(std::chrono::steady_clock::now() - start, kLong);
    ASSERT_EQ(executable.code(), Code::unavailable);
    EXPECT_THAT(executable.status().message(), HasSubstr(impostor.message));
  }
  EXPECT_EQ(leftovers.text(), "");
}

INSTANTIATE_TEST_SUITE_P(Programs, ImpostorAttack, ::testing::ValuesIn(kImpostors),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace taoism::attack
