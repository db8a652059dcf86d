// The leak scan: under every strategy, in a tight budget, only what the plan declares exposed is
// found outside the TEE; and the scan finds what a leak puts there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "model.h"

namespace taoism::leak {
namespace {

namespace fs = std::filesystem;

// Every strategy but `none`, and, where it matters, at the points that put most kinds of layers on
// both sides.
constexpr const char* kStrategies[] = {
    "full",        "deep:k=1",  "deep:k=3",        "shallow:k=1",
    "shallow:k=4", "nonlinear", "magnitude:p=0.1", "intermediate:theta=0.5"};

struct Output {
  int status = -1;
  std::string text;
};

Output run(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += "'" + word + "' ";
  Output output;
  FILE* pipe = popen((line + "2>&1").c_str(), "re");
  if (pipe == nullptr) return output;
  char buffer[4096];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) output.text += buffer;
  output.status = pclose(pipe);
  return output;
}

struct Found {
  Expected expected = Expected::may;
  std::string name;
  uint64_t memory = 0, ring = 0, file = 0;

  uint64_t all() const { return memory + ring + file; }
  std::string text() const {
    std::ostringstream text;
    text << name << ": " << memory << " times in the address space, " << ring
         << " in the shared memory during runs, " << file << " in the file";
    return text.str();
  }
};

struct Scan {
  std::vector<Found> found;
  std::map<std::string, std::string> facts;

  uint64_t number(const std::string& fact) const {
    const auto at = facts.find(fact);
    return at == facts.end() ? 0 : std::strtoull(at->second.c_str(), nullptr, 10);
  }
  // Names of what the plan keeps inside and was found all the same.
  std::vector<std::string> leaks() const {
    std::vector<std::string> leaks;
    for (const Found& f : found) {
      if (f.expected == Expected::never && f.all() > 0) leaks.push_back(f.text());
    }
    return leaks;
  }
  size_t leaks_with(const std::string& word) const {
    size_t count = 0;
    for (const std::string& leak : leaks()) count += leak.find(word) != std::string::npos ? 1 : 0;
    return count;
  }
};

class Leak : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = testing::TempDir() + "leak_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = new std::string(pattern);
    const Output made = run({LEAK_OWNER, "model", *folder});
    ASSERT_EQ(made.status, 0) << made.text;
  }
  static void TearDownTestSuite() {
    fs::remove_all(*folder);
    delete folder;
    folder = nullptr;
  }

  // As the owner: the package, its key and the patterns of its secrets.
  static void seal(const std::string& strategy) {
    for (const char* name : {"/m.tao", "/m.key"}) fs::remove(*folder + name);
    const Output planned = run({LEAK_TAOISM, "plan", *folder + "/model.onnx", "--strategy",
                                strategy, "-o", *folder + "/plan.json"});
    ASSERT_EQ(planned.status, 0) << planned.text;
    const Output sealed =
        run({LEAK_TAOISM, "seal", *folder + "/model.onnx", "--plan", *folder + "/plan.json",
             "--allow-exposed", "--batch", std::to_string(kBatch), "--owner",
             *folder + "/owner.key", "-o", *folder + "/m.tao"});
    ASSERT_EQ(sealed.status, 0) << sealed.text;
    const Output secrets = run({LEAK_OWNER, "secrets", *folder, LEAK_INLINE});
    ASSERT_EQ(secrets.status, 0) << secrets.text;
  }

  // As the host.
  static void scan(std::vector<std::string> arguments, Scan& scan) {
    arguments.insert(arguments.begin(), {LEAK_HOST, *folder});
    const Output output = run(arguments);
    ASSERT_EQ(output.status, 0) << output.text;
    scan = {};
    std::ifstream expected(*folder + "/expected.txt");
    for (std::string line; std::getline(expected, line);) {
      scan.found.push_back({static_cast<Expected>(line[0]), line.substr(1)});
    }
    std::istringstream lines(output.text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string fact;
      words >> fact;
      if (fact != "found") {
        scan.facts[fact] = line.size() > fact.size() ? line.substr(fact.size() + 1) : "";
        continue;
      }
      size_t pattern = 0;
      words >> pattern;
      ASSERT_LT(pattern, scan.found.size());
      Found& found = scan.found[pattern];
      words >> found.memory >> found.ring >> found.file;
    }
    ASSERT_GT(scan.number("memory_bytes"), uint64_t{1} << 20) << output.text;
  }

  static std::string* folder;
};
std::string* Leak::folder = nullptr;

class EveryStrategy : public Leak, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Leak, EveryStrategy, testing::ValuesIn(kStrategies), [](const auto& info) {
  std::string name = info.param;
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name;
});

TEST_P(EveryStrategy, OnlyWhatThePlanExposesIsFound) {
  const std::string strategy = GetParam();
  ASSERT_NO_FATAL_FAILURE(seal(strategy));
  Scan got;
  ASSERT_NO_FATAL_FAILURE(scan({LEAK_WORKER}, got));
  size_t secrets = 0;
  size_t exposed = 0;
  size_t computed = 0;  // on the device: some of it may be fused away or overwritten, not all
  size_t computed_found = 0;
  uint64_t ring = 0;
  for (const Found& found : got.found) {
    if (found.expected == Expected::never) {
      EXPECT_EQ(found.all(), 0U) << "LEAK of " << found.text();
      ++secrets;
    } else if (found.expected == Expected::must) {
      EXPECT_GT(found.all(), 0U) << "the scan is blind to " << found.text();
      ring += found.ring;
      ++exposed;
    } else if (found.name.ends_with(" activation")) {
      ++computed;
      computed_found += found.all() > 0 ? 1 : 0;
    }
  }
  EXPECT_GE(secrets, 8U);
  EXPECT_GE(exposed, 2U);  // the input and the answer at least
  if (computed > 0) {
    EXPECT_GT(computed_found, 0U);
  }
  EXPECT_GT(ring, 0U) << "the scan is blind to what crosses";
  EXPECT_EQ(got.number("ring_mappings"), 1U);
  EXPECT_GE(got.number("file_bytes"), fs::file_size(*folder + "/m.tao"));
  std::ifstream memory(*folder + "/memory.txt");
  size_t budget = 0;
  size_t streamed = 0;
  size_t spilled = 0;
  memory >> budget >> streamed >> spilled;
  std::printf(
      "%s in %zu KiB, %zu KiB streamed, %zu KiB spilled: %zu secrets not found, %zu exposed found, "
      "%zu of %zu that the device computes; %zu MiB of memory, %zu runs\n",
      strategy.c_str(), budget >> 10, streamed >> 10, spilled >> 10, secrets, exposed,
      computed_found, computed, static_cast<size_t>(got.number("memory_bytes") >> 20),
      static_cast<size_t>(got.number("runs")));

  // No core dump has them either.
  EXPECT_EQ(got.facts["core_limit"], "0 0");
  EXPECT_NE(got.facts["readable_by_other_user"], "1");
}

// Weights that come and go and activations that lie outside are what the scan is about.
TEST_F(Leak, TheBudgetIsTight) {
  ASSERT_NO_FATAL_FAILURE(seal("full"));
  uint64_t budget = 0;
  uint64_t streamed = 0;
  uint64_t spilled = 0;
  std::ifstream(*folder + "/memory.txt") >> budget >> streamed >> spilled;
  EXPECT_GT(streamed, budget);
  EXPECT_GT(spilled, uint64_t{1} << 16);
}

// The scan can fail: each of these is a leak, and is found.
TEST_F(Leak, ATeeInTheHostsProcessIsFoundOut) {
  ASSERT_NO_FATAL_FAILURE(seal("full"));
  Scan got;
  ASSERT_NO_FATAL_FAILURE(scan({LEAK_INLINE, "inline"}, got));
  EXPECT_GT(got.leaks_with(" values"), 0U);
  EXPECT_GT(got.leaks_with(" activation:"), 0U);
  EXPECT_GT(got.leaks_with("AES key: taoism weights v1"), 0U);
  EXPECT_GT(got.leaks_with("key: "), 0U);
  for (const std::string& leak : got.leaks()) std::printf("  %s\n", leak.c_str());
}

TEST_F(Leak, AHostThatReadsTheKeyIsFoundOut) {
  ASSERT_NO_FATAL_FAILURE(seal("full"));
  Scan got;
  ASSERT_NO_FATAL_FAILURE(scan({LEAK_WORKER, "key"}, got));
  EXPECT_THAT(got.leaks(), testing::ElementsAre(testing::HasSubstr("key in hexadecimal, %02x")));
}

TEST_F(Leak, APlainModelIsFoundOut) {
  ASSERT_NO_FATAL_FAILURE(seal("full"));
  Scan got;
  ASSERT_NO_FATAL_FAILURE(scan({LEAK_WORKER, "plain", "full"}, got));
  // All of its weights: six layers, each with small and large values and a bias.
  EXPECT_EQ(got.leaks_with(" values"), 18U);
  EXPECT_EQ(got.leaks_with(" activation:"), 0U);  // these only ever are in the TEE
}

// The look at the worker's memory can succeed: at a process that has not closed itself.
TEST_F(Leak, AnOpenProcessCouldBeRead) {
  int scope = 0;  // where there is no Yama
  std::ifstream("/proc/sys/kernel/yama/ptrace_scope") >> scope;
  if (scope != 0) {
    GTEST_SKIP()
        << "needs a kernel that lets a process read another of its user: Yama forbids it here";
  }
  ASSERT_NO_FATAL_FAILURE(seal("full"));
  Scan got;
  ASSERT_NO_FATAL_FAILURE(scan({LEAK_WORKER}, got));
  EXPECT_EQ(got.facts["open_process_readable"], "1");
}

// Because it enters its user namespace after exec(): see apps/taoism-enclave/sandbox.cc.
TEST_F(Leak, AProcessOfTheSameUserCannotReadTheWorker) {
  ASSERT_NO_FATAL_FAILURE(seal("full"));
  Scan got;
  ASSERT_NO_FATAL_FAILURE(scan({LEAK_WORKER}, got));
  EXPECT_EQ(got.facts["readable_by_own_user"], "0");
}

}  // namespace
}  // namespace taoism::leak
