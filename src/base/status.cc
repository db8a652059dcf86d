#include "base/status.h"

namespace taoism {

const char* code_name(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::invalid_argument: return "invalid_argument";
    case Code::unsupported: return "unsupported";
    case Code::not_found: return "not_found";
    case Code::resource_exhausted: return "resource_exhausted";
    case Code::unavailable: return "unavailable";
    case Code::integrity: return "integrity";
    case Code::policy: return "policy";
    case Code::internal: return "internal";
  }
  return "unknown";
}

}  // namespace taoism
