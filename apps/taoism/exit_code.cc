#include "exit_code.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace taoism::cli {
namespace {

// What names of files and models bring along must not reach a terminal.
std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::string line;
  for (const char c : printable_text(text)) {
    if (c == '\n') {
      line += "; ";
    } else {
      line += c;
    }
  }
  return line;
}

}  // namespace

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
