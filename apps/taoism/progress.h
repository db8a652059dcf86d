// A progress bar on standard error when that is a terminal, and nothing at all when it is not.
// Thread-safety: one thread per object.
#pragma once

#include <chrono>
#include <string>

namespace taoism::cli {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();  // wipes the bar
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `done` in 0..1. Redraws a few times a second at most.
  void update(double done, const std::string& what);
  // Wipes the bar before other output.
  void clear();

 private:
  bool terminal_ = false;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace taoism::cli
