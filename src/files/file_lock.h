// FileLock: one process at a time changes a file that is read, changed and replaced (by
// OutputFile). The lock is on the file itself: who waits for one that was replaced meanwhile takes
// the new one. Readers need none. Thread-safety: one thread per object.
#pragma once

#include <string>
#include <utility>

#include "base/status.h"

namespace taoism::files {

class FileLock {
 public:
  // Waits for whoever has it. Errors: not_found; invalid_argument (cannot be opened or locked).
  static Result<FileLock> take(const std::string& path);

  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace taoism::files
