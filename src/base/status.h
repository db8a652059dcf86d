// Status and Result<T>: how everything that input, environment or an adversary can make fail says
// so. The list of codes is closed. `integrity` and `policy` end the session that met them.
// Trusted: may be linked into a TEE. Inside a TEE, `message` is a static text (only the code and
// that text cross the boundary). Thread-safety: values, no shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace taoism {

enum class Code : uint8_t {
  ok = 0,
  invalid_argument,    // bad input: file, flag, shape
  unsupported,         // a valid model that uses something we do not implement
  not_found,           // a file, node or name that is not there
  resource_exhausted,  // memory budget, disk
  unavailable,         // the TEE or a device died or cannot be had here
  integrity,           // authentication failed: ends the session
  policy,              // the verified plan forbids it: ends the session
  internal,            // a defect of ours
};

// "invalid_argument" and so on; never null.
const char* code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  // One line: what, where, the mend. Empty when ok.
  const std::string& message() const { return message_; }

  // The same error with "context: " put before its message.
  Status annotate(std::string_view context) const {
    return ok() ? *this : Status(code_, std::string(context) + ": " + message_);
  }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

inline Status invalid_argument(std::string m) { return {Code::invalid_argument, std::move(m)}; }
inline Status unsupported(std::string m) { return {Code::unsupported, std::move(m)}; }
inline Status not_found(std::string m) { return {Code::not_found, std::move(m)}; }
inline Status resource_exhausted(std::string m) { return {Code::resource_exhausted, std::move(m)}; }
inline Status unavailable(std::string m) { return {Code::unavailable, std::move(m)}; }
inline Status integrity_error(std::string m) { return {Code::integrity, std::move(m)}; }
inline Status policy_error(std::string m) { return {Code::policy, std::move(m)}; }
inline Status internal_error(std::string m) { return {Code::internal, std::move(m)}; }

// Prints the text to stderr where there is one and aborts. For programmer errors alone.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

#define TAOISM_CHECK(condition) \
  ((condition) ? (void)0 : ::taoism::check_failed(#condition, __FILE__, __LINE__))

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit by design
    TAOISM_CHECK(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  Code code() const { return status_.code(); }

  T& value() & {
    TAOISM_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    TAOISM_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    TAOISM_CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

#define TAOISM_CONCAT_INNER(a, b) a##b
#define TAOISM_CONCAT(a, b) TAOISM_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expression` (a Status) is an error.
#define TAOISM_RETURN_IF_ERROR(expression)                                      \
  do {                                                                          \
    if (::taoism::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

// Assigns the value of a Result to `target`, or returns its status.
#define TAOISM_ASSIGN_OR_RETURN(target, expression) \
  TAOISM_ASSIGN_OR_RETURN_IMPL(TAOISM_CONCAT(result_, __LINE__), target, expression)
#define TAOISM_ASSIGN_OR_RETURN_IMPL(result, target, expression) \
  auto result = (expression);                                    \
  if (!result.ok()) return result.status();                      \
  target = std::move(result).value()

}  // namespace taoism
