// A second thread of the host that changes shared memory while the TEE uses it.
#pragma once

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "tally.h"

namespace taoism::attack {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kRacesAreErrors = true;
#else
inline constexpr bool kRacesAreErrors = false;
#endif

inline constexpr const char* kNoRacesHere =
    "needs races, each of which the thread sanitizer ends as an error: run it in another build";

// One in a hundred of the mutations: each is a run, or more.
inline int rounds() { return static_cast<int>(wanted_mutations() / 100); }

// Calls `act` without end, on a thread of its own.
class Attacker {
 public:
  template <typename Act>
  explicit Attacker(Act act)
      : thread_([this, act]() mutable {
          std::mt19937_64 random(17);
          while (!stop_.load(std::memory_order_relaxed)) {
            act(random);
            acts_.fetch_add(1, std::memory_order_relaxed);
          }
        }) {
    while (acts_.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
  }
  ~Attacker() {
    stop_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> acts_{0};
  std::thread thread_;
};

// Lets the TEE go on: now and then, so that it meets what is wrong as well as what is right.
inline void pause(std::mt19937_64& random) {
  if (random() % 4 == 0) std::this_thread::yield();
  if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

}  // namespace taoism::attack
