// What a spy reads: a program that reads a key file and closes itself only once it runs. Starts
// itself as the worker that it plays; ends after a moment.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (std::strcmp(argv[2], "start") == 0) {
    const int child = fork();
    if (child == 0) {
      const std::string worker = std::string(argv[0]).substr(0, std::string(argv[0]).rfind('/'));
      execl((worker + "/taoism-enclave").c_str(), "taoism-enclave", argv[1], "run", nullptr);
      _exit(1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  }
  prctl(PR_SET_DUMPABLE, 0);
  std::ifstream file(argv[1]);
  std::string digits;
  while (file >> digits && digits != "secret") {
  }
  file >> digits;
  std::vector<char> key;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    key.push_back(static_cast<char>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
  }
  usleep(150'000);
  return key.size() == 32 ? 0 : 1;
}
