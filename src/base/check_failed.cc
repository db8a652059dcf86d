#include <cstdio>
#include <cstdlib>

#include "base/status.h"

namespace taoism {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace taoism
