// Runs a model in turns, for bench/peers.py: opened once, it waits for a line with a number on
// stdin, runs that many inferences and prints how many nanoseconds each took. Nothing runs between
// two turns, so that the programs that are compared can have the machine one after the other.
//   model_turns MODEL STRATEGY TEE BATCH THREADS INPUT OUTPUT
// INPUT and OUTPUT are raw float32; the output of one inference is written before "ready".
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "taoism/session.h"

namespace {

using Clock = std::chrono::steady_clock;

void check(const taoism::api::Error& error) {
  if (!error) return;
  std::fprintf(stderr, "model_turns: %s\n", error.message.c_str());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: model_turns MODEL STRATEGY TEE BATCH THREADS INPUT OUTPUT\n");
    return 2;
  }
  taoism::api::SessionOptions options;
  options.strategy = argv[2];
  options.tee = argv[3];
  options.batch = std::atoll(argv[4]);
  options.tee_threads = options.device_threads = static_cast<size_t>(std::atoll(argv[5]));
  std::unique_ptr<taoism::api::Session> session;
  check(taoism::api::Session::open(argv[1], options, session));

  std::vector<float> x(session->inputs().front().elements);
  std::vector<float> y(session->outputs().front().elements);
  const auto bytes = [](const std::vector<float>& values) {
    return static_cast<std::streamsize>(values.size() * sizeof(float));
  };
  std::ifstream input(argv[6], std::ios::binary);
  if (!input.read(reinterpret_cast<char*>(x.data()), bytes(x))) {
    std::fprintf(stderr, "model_turns: %s: shorter than the model's input\n", argv[6]);
    return 2;
  }
  const auto run = [&] { check(session->run({{x}}, {{y}})); };
  run();
  std::ofstream output(argv[7], std::ios::binary);
  if (!output.write(reinterpret_cast<const char*>(y.data()), bytes(y)).flush()) {
    std::fprintf(stderr, "model_turns: %s: cannot be written\n", argv[7]);
    return 1;
  }

  std::cout << "ready" << std::endl;
  for (uint64_t count = 0; std::cin >> count;) {
    for (; count > 0; --count) {
      const Clock::time_point start = Clock::now();
      run();
      std::cout << std::chrono::nanoseconds(Clock::now() - start).count() << ' ';
    }
    std::cout << std::endl;
  }
  return 0;
}
