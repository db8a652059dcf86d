// Error: how every call of this API says that it failed. Thread-safety: a value.
#pragma once

#include <string>

namespace taoism::api {

enum class ErrorCode {
  ok,
  invalid_argument,    // bad input: file, option, shape
  unsupported,         // a valid model that uses something that is not implemented
  not_found,           // a file or name that is not there
  resource_exhausted,  // memory budget, disk
  unavailable,         // the TEE or a device died or cannot be had here
  integrity,           // authentication failed: the session has ended
  policy,              // the verified plan forbids it: the session has ended
  internal,            // a defect of this library
};

// True when something failed: `if (Error error = session->run(...)) ...`.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::ok;
  std::string message;  // one line: what, where, the mend; empty when ok

  explicit operator bool() const { return code != ErrorCode::ok; }
};

}  // namespace taoism::api
