// Somebody who exchanges two names in a folder, as fast as he can, for as long as the object lives.
// Not part of the library.
#pragma once

#include <fcntl.h>
#include <stdio.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

namespace taoism {

class TestExchange {
 public:
  TestExchange(const std::string& a, const std::string& b)
      : thread_([this, a, b] {
          do {
            if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) != 0) {
              std::abort();
            }
            has_begun_ = true;
          } while (!stop_);
        }) {
    while (!has_begun_) std::this_thread::yield();
  }
  ~TestExchange() {
    stop_ = true;
    thread_.join();
  }
  TestExchange(const TestExchange&) = delete;
  TestExchange& operator=(const TestExchange&) = delete;

 private:
  std::atomic<bool> stop_ = false, has_begun_ = false;
  std::thread thread_;
};

}  // namespace taoism
