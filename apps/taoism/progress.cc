#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace taoism::cli {

ProgressBar::ProgressBar() {
  const char* term = std::getenv("TERM");
  terminal_ = isatty(STDERR_FILENO) == 1 && term != nullptr && std::string(term) != "dumb";
}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(double done, const std::string& what) {
  if (!terminal_) return;
  auto now = std::chrono::steady_clock::now();
  if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  constexpr int kWidth = 30;
  int filled = static_cast<int>(std::clamp(done, 0.0, 1.0) * kWidth);
  std::string line =
      fmt::format("\r[{}{}] {:3.0f} %  {:<40.40}", std::string(static_cast<size_t>(filled), '#'),
                  std::string(static_cast<size_t>(kWidth - filled), '.'),
                  100 * std::clamp(done, 0.0, 1.0), printable(what));
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
  (void)std::fflush(stderr);
}

void ProgressBar::clear() {
  if (!drawn_) return;
  (void)std::fputs("\r\033[K", stderr);
  (void)std::fflush(stderr);
  drawn_ = false;
}

}  // namespace taoism::cli
