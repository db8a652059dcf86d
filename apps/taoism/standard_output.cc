#include "standard_output.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"

namespace taoism::cli {
namespace {

// The write end of a pipe or socket whose other end is closed. (errno is long lost: stdio may have
// met the error in the middle of the printing.)
bool has_no_reader() {
  pollfd output = {STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

void print(std::string_view text) {
  const std::string shown = printable_text(text);
  (void)std::fwrite(shown.data(), 1, shown.size(), stdout);
}

std::string one_line(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
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

Status finish_output() {
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (written || has_no_reader()) return {};
  return resource_exhausted("cannot write to standard output; is the disk full?");
}

}  // namespace taoism::cli
