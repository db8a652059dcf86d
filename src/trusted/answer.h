// What a TEE answers: a code, and the number of a text. Like Status, but never allocates. Trusted.
#pragma once

#include "base/status.h"
#include "wire/text.h"

namespace taoism::trusted {

struct [[nodiscard]] Answer {
  Code code = Code::ok;
  wire::Text text = wire::Text::none;

  bool ok() const { return code == Code::ok; }
  // Whether the session ends with this answer.
  bool is_fatal() const { return code == Code::integrity || code == Code::policy; }
};

inline Answer integrity(wire::Text text) { return {Code::integrity, text}; }
inline Answer policy(wire::Text text) { return {Code::policy, text}; }

#define TAOISM_RETURN_IF_NOT_OK(expression)                                              \
  do {                                                                                   \
    if (::taoism::trusted::Answer answer_ = (expression); !answer_.ok()) return answer_; \
  } while (false)

}  // namespace taoism::trusted
