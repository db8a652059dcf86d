// What a call of the TEE worker costs: an empty call and a tiny segment while both ends spin, an
// empty call that has to wake the worker, and the start of a worker. Medians, because two ends on
// two processors are disturbed by everything else that runs.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include <benchmark/benchmark.h>

#include "tee/tee.h"

namespace taoism {
namespace {

using Clock = std::chrono::steady_clock;
// Longer than the worker spins.
constexpr auto kUntilItSleeps = std::chrono::milliseconds(1);

struct Tee {
  Tee() {
    ir::Graph& g = partition.graph;
    ir::TensorDesc desc;
    desc.shape = {1, 64};
    const auto x = g.add_input("x", desc);
    const auto y = g.add_value("y", desc);
    g.add_node({"Relu", "relu", {x}, {y}, {}, ir::Placement::tee, "", ""});
    g.set_outputs({y});
    partition.segments = {{ir::Placement::tee, {0}, {x}, {y}}};
  }
  Result<std::unique_ptr<device::Executable>> start(const std::string& kind = "process") {
    tee::TeeOptions options;
    options.kind = kind;
    TAOISM_ASSIGN_OR_RETURN(const auto device, tee::open_tee(options));
    return device->compile(partition);
  }
  ir::PartitionedGraph partition;
};

// Times each call by itself; `before` runs ahead of each and is not timed.
template <typename Call, typename Before>
void time_each(benchmark::State& state, Call&& call, Before&& before) {
  std::vector<double> seconds;
  for (auto _ : state) {
    before();
    const auto start = Clock::now();
    if (!call()) {
      state.SkipWithError("the TEE failed");
      return;
    }
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    state.SetIterationTime(seconds.back());
  }
  const auto at = [&](double share) {
    const auto place =
        seconds.begin() + static_cast<long>(share * static_cast<double>(seconds.size() - 1));
    std::nth_element(seconds.begin(), place, seconds.end());
    return *place * 1e9;
  };
  state.counters["median_ns"] = at(0.5);
  state.counters["p95_ns"] = at(0.95);
}

template <typename Call>
void time_each(benchmark::State& state, Call&& call) {
  time_each(state, call, [] {});
}

void empty_call(benchmark::State& state) {
  auto executable = Tee().start();
  if (!executable.ok()) return state.SkipWithError(executable.status().message().c_str());
  tee::TeeExecutable* tee = tee::as_tee(**executable);
  time_each(state, [&] { return tee->ping().ok(); });
}
BENCHMARK(empty_call)->UseManualTime()->Iterations(200000);

void empty_call_to_a_sleeper(benchmark::State& state) {
  auto executable = Tee().start();
  if (!executable.ok()) return state.SkipWithError(executable.status().message().c_str());
  tee::TeeExecutable* tee = tee::as_tee(**executable);
  time_each(
      state, [&] { return tee->ping().ok(); }, [] { std::this_thread::sleep_for(kUntilItSleeps); });
}
BENCHMARK(empty_call_to_a_sleeper)->UseManualTime()->Iterations(500);

void tiny_segment(benchmark::State& state) {
  auto executable = Tee().start();
  if (!executable.ok()) return state.SkipWithError(executable.status().message().c_str());
  ir::TensorDesc desc;
  desc.shape = {1, 64};
  std::byte* memory = (*executable)->allocate_crossing(2 * desc.bytes());
  const ir::ConstTensorView input{desc, memory};
  const ir::TensorView output{desc, memory + desc.bytes()};
  std::memset(memory, 0, desc.bytes());
  device::RunTimes times;
  time_each(state, [&] { return (*executable)->run(0, {&input, 1}, {&output, 1}, times).ok(); });
}
BENCHMARK(tiny_segment)->UseManualTime()->Iterations(100000);

void start_and_end(benchmark::State& state) {
  Tee tee;
  time_each(state, [&] { return tee.start().ok(); });
}
BENCHMARK(start_and_end)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(20);

}  // namespace
}  // namespace taoism

BENCHMARK_MAIN();
