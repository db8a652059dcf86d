// A process of the worker's own user that watches it start, from before its host does, and takes
// hold of whatever it can: its memory, by every way that Linux has, for reading and writing, kept
// open and used later. Thread-safety: one thread at a time; Watch is shared with the spy's process.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace taoism::attack {

enum class SpyWay : uint8_t {
  libraries,  // stops the worker whenever a library of its is opened
  always,     // looks without a pause
  debugger,   // attaches to the worker before it runs its program, and stays
};
inline constexpr SpyWay kSpyWays[] = {SpyWay::libraries, SpyWay::always, SpyWay::debugger};

// Lies in memory that the test and the spy share.
struct Watch {
  std::atomic<int> host{0};  // whose children are watched; the test writes it
  std::atomic<bool> is_over{false};
  std::atomic<bool> is_watching{false};
  std::atomic<uint64_t> looks{0};
  std::atomic<int> seen{0};      // a worker ran its program
  std::atomic<int> opened{0};    // something of it could be looked into then
  std::atomic<int> read{0};      // the secret was found in its memory
  std::atomic<int> written{0};   // its memory could be written to
  std::atomic<int> debugged{0};  // the spy was its debugger while it ran its program
};

// The name under which a worker runs, and that of its file.
inline constexpr char kWorkerName[] = "taoism-enclave";

// Starts one and waits until it watches. It ends when watch.is_over. Returns its process.
int start_spy(SpyWay way, Watch& watch, const std::vector<std::string>& libraries,
              ConstByteSpan secret);

}  // namespace taoism::attack
