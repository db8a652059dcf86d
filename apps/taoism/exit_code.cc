#include "exit_code.h"

#include <cstdio>

#include "standard_output.h"

namespace taoism::cli {

int exit_code(Code code) {
  switch (code) {
    case Code::ok: return kExitOk;
    case Code::invalid_argument:
    case Code::not_found:
    case Code::resource_exhausted: return kExitUsage;
    case Code::unsupported: return kExitUnsupported;
    case Code::integrity:
    case Code::policy: return kExitIntegrity;
    case Code::unavailable: return kExitTeeDied;
    case Code::internal: return kExitOther;
  }
  return kExitOther;
}

int print_error(const Status& status) {
  (void)std::fprintf(stderr, "taoism: error: %s\n", one_line(status.message()).c_str());
  return exit_code(status.code());
}

void print_warning(const std::string& text) {
  (void)std::fprintf(stderr, "taoism: warning: %s\n", one_line(text).c_str());
}

}  // namespace taoism::cli
