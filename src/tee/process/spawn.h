// Starts a process that shares nothing with this one but a few descriptors. Host only; Linux.
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "tee/region.h"

namespace taoism::tee {

// Owns a child: ended and reaped with the object. The child sends no SIGCHLD, and nobody who waits
// for "any child" sees it.
class Child {
 public:
  Child() = default;
  Child(int pid, Descriptor pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  int pid() const { return pid_; }
  // Whether it has ended within the time.
  bool wait(int timeout_ms) const;
  void kill() const;
  // Reaps it, if it has ended: "signal 9 (Killed)", "exit code 1". Empty while it runs.
  const std::string& how_it_ended();

 private:
  int pid_ = 0;
  Descriptor pidfd_;
  bool reaped_ = false;
  std::string end_;
};

// Runs a copy of `path` that nobody may read (private_image.h; `path` itself where there can be
// none) with an empty environment, `region` as descriptor 3, `control` as descriptor 4, `package`
// (-1: none) as descriptor 5, no other open descriptor, a session of its own, no core dump and no
// new privileges. A debugger of this process does not come along. Errors: unavailable.
Result<Child> spawn(const std::string& path, int region, int control, int package = -1);

// 0 when a process can have namespaces of its own here; else errno.
int try_namespaces();

}  // namespace taoism::tee
