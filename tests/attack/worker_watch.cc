#include "worker_watch.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <unistd.h>

namespace taoism::attack {
namespace {

namespace fs = std::filesystem;

// The names in a folder of /proc; what is gone meanwhile is left out.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code gone;
  for (fs::directory_iterator at(folder, gone), end; !gone && at != end; at.increment(gone)) {
    names.push_back(at->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<int> numbers_in(const fs::path& folder) {
  std::vector<int> numbers;
  for (const std::string& name : names_in(folder)) {
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  return numbers;
}

struct Stat {
  std::string program;
  char state = 0;
  int parent = 0;
};

Stat stat_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  Stat stat;
  // The program's name is in brackets and may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return stat;
  const size_t name_begin = text.find('(') + 1;
  stat.program = text.substr(name_begin, name_end - name_begin);
  std::istringstream(text.substr(name_end + 1)) >> stat.state >> stat.parent;
  return stat;
}

}  // namespace

bool exists(int pid) { return kill(pid, 0) == 0; }

char state_of(int pid) { return stat_of(pid).state; }

std::string program_of(int pid) { return stat_of(pid).program; }

std::vector<int> threads_of(int pid) {
  return numbers_in("/proc/" + std::to_string(pid) + "/task");
}

std::vector<int> children() {
  std::vector<int> found;
  for (const int pid : numbers_in("/proc")) {
    if (stat_of(pid).parent == getpid()) found.push_back(pid);
  }
  return found;
}

bool becomes_true(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

Leftovers::Leftovers() : descriptors_(names_in("/proc/self/fd")), children_(children()) {}

std::string Leftovers::text() const {
  std::string text;
  if (names_in("/proc/self/fd") != descriptors_) text += "other descriptors are open; ";
  for (const int pid : children()) {
    if (std::ranges::find(children_, pid) != children_.end()) continue;
    text += "process " + std::to_string(pid) + " is left, in state " + state_of(pid) + "; ";
  }
  return text;
}

}  // namespace taoism::attack
