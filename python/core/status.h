// What the C++ libraries return, as Python exceptions. Nothing else of this project throws.
// Thread-safety: pure functions; may be called without the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <exception>
#include <utility>

#include "base/status.h"

namespace taoism::python {

// Carries a Status to the edge of the binding, where it becomes the exception that
// taoism._errors.from_status() gives for its code.
class StatusError : public std::exception {
 public:
  explicit StatusError(Status status) : status_(std::move(status)) {}
  const Status& status() const { return status_; }
  const char* what() const noexcept override { return status_.message().c_str(); }

 private:
  Status status_;
};

inline void check(Status status) {
  if (!status.ok()) throw StatusError(std::move(status));
}

template <typename T>
T take(Result<T> result) {
  if (!result.ok()) throw StatusError(result.status());
  return std::move(result).value();
}

void bind_status(nanobind::module_& module);
void bind_model(nanobind::module_& module);
void bind_session(nanobind::module_& module);
void bind_tools(nanobind::module_& module);

}  // namespace taoism::python
