// What a test sees of a worker process from outside: whether it is there, what it does, what it
// leaves behind. Thread-safety: free functions; Leftovers: one thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace taoism::attack {

// Longer than anything here takes, so that no timing decides a test.
constexpr std::chrono::seconds kLong{60};

bool exists(int pid);
// The letter of /proc: 'R' runs, 'S' sleeps, 'T' is stopped, 'Z' has ended; 0 where it is gone.
char state_of(int pid);
std::string program_of(int pid);
std::vector<int> threads_of(int pid);
std::vector<int> children();
// Looks until it holds, kLong at most.
bool becomes_true(const std::function<bool()>& holds);

// Compares what there is with what there was when it was made.
class Leftovers {
 public:
  Leftovers();
  // Empty: no process and no descriptor is left behind.
  std::string text() const;

 private:
  std::vector<std::string> descriptors_;
  std::vector<int> children_;
};

}  // namespace taoism::attack
