// The installed program with a package and its key, watched from before it starts by another
// process of its user, who wants the key that the worker reads. TAOISM_SPY_STARTS: how many starts
// (1,000 in the slow tier); TAOISM_SPY_BIN: a folder with other programs to watch.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "onnx/export.h"
#include "spy.h"

namespace taoism::attack {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kOrdinaryUser = 65534;
constexpr int64_t kWidth = 32;

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen((command + " 2>&1").c_str(), "re");
  char buffer[4096];
  while (pipe != nullptr && std::fgets(buffer, sizeof(buffer), pipe) != nullptr) text += buffer;
  return pipe == nullptr || pclose(pipe) != 0 ? "failed: " + text : text;
}

// The programs as an ordinary user has them, and the test as that user: root reads everything.
class Installation {
 public:
  Installation() {
    std::string pattern = (fs::temp_directory_path() / "taoism-spy.XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    fs::permissions(folder_, fs::perms(0755));
    for (const char* name : {"bin", "victim", "data"}) fs::create_directory(at(name));
    const char* other = std::getenv("TAOISM_SPY_BIN");
    const fs::path programs = other != nullptr ? other : fs::path(TAOISM_WORKER).parent_path();
    for (const char* name : {"taoism", kWorkerName})
      fs::copy_file(programs / name, at("bin") / name);
    for (const char* name : {"host", kWorkerName}) {
      fs::copy_file(TAOISM_VICTIM, at("victim") / name);
    }
    remove_when_this_ends();
    if (geteuid() != 0) return;
    if (chown(at("data").c_str(), kOrdinaryUser, kOrdinaryUser) != 0 ||
        setgroups(0, nullptr) != 0 || setresgid(kOrdinaryUser, kOrdinaryUser, kOrdinaryUser) != 0 ||
        setresuid(kOrdinaryUser, kOrdinaryUser, kOrdinaryUser) != 0) {
      std::perror("an ordinary user");
      std::abort();
    }
  }
  fs::path at(const std::string& name) const { return folder_ / name; }

 private:
  // By a process that stays who it is: an ordinary user could not.
  void remove_when_this_ends() const {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || fork() != 0) {
      close(ends[0]);
      return;
    }
    close(ends[1]);
    char byte;
    while (read(ends[0], &byte, 1) > 0) {
    }
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    _exit(0);
  }

  fs::path folder_;
};

class SpyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    installation = new Installation;
    write_model();
    const std::string sealed = output_of(program() + " seal " + file("m.onnx") +
                                         " --strategy full --allow-exposed --batch 1 -o " +
                                         file("m.tao") + " --owner " + file("owner.key"));
    ASSERT_TRUE(fs::exists(file("m.key"))) << sealed;
    key = new std::vector<std::byte>(read_key());
    ASSERT_EQ(key->size(), 32U);
    libraries = new std::vector<std::string>;
    std::istringstream list(output_of("ldd " + (installation->at("bin") / kWorkerName).string()));
    for (std::string word; list >> word;) {
      if (word.starts_with('/')) libraries->push_back(word);
    }
    ASSERT_GE(libraries->size(), 3U) << list.str();
  }

  static std::string program() { return installation->at("bin") / "taoism"; }
  static std::string file(const char* name) { return installation->at("data") / name; }

  static void write_model() {
    onnx::ModelWriter model("spied");
    model.add_input("x", {ir::Shape::kDynamic, kWidth});
    model.add_output("y", {ir::Shape::kDynamic, kWidth});
    model.add_weight("w", {kWidth, kWidth}, [](std::span<float> values) {
      for (size_t i = 0; i < values.size(); ++i) values[i] = 0.001F * static_cast<float>(i);
    });
    model.add_node("MatMul", "product", {"x", "w"}, {"y"});
    ASSERT_TRUE(model.write(file("m.onnx")).ok());
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 32), }";
    header.resize(117, ' ');
    const std::vector<float> row(kWidth);
    std::ofstream(file("x.npy"), std::ios::binary)
        << std::string("\x93NUMPY\x01\x00\x76\x00", 10) << header << '\n'
        << std::string(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float));
  }

  // The only word of the file that is 64 hexadecimal digits.
  static std::vector<std::byte> read_key() {
    std::ifstream text(file("m.key"));
    std::vector<std::byte> bytes;
    for (std::string word; text >> word && bytes.empty();) {
      if (word.size() != 64) continue;
      for (size_t i = 0; i < word.size(); i += 2) {
        bytes.push_back(
            static_cast<std::byte>(std::strtoul(word.substr(i, 2).c_str(), nullptr, 16)));
      }
    }
    return bytes;
  }

  // One start under a spy; how the host ended.
  static int start_watched(SpyWay way, const std::vector<std::string>& command, Watch& watch) {
    watch.is_over = false;
    watch.is_watching = false;
    watch.host = 0;
    const int spy = start_spy(way, watch, *libraries, *key);
    const int host = fork();
    if (host == 0) {
      const int nowhere = open("/dev/null", O_RDWR);
      for (const int fd : {0, 1, 2}) dup2(nowhere, fd);
      std::vector<char*> arguments;
      for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      watch.host = getpid();
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    int status = -1;
    waitpid(host, &status, 0);
    watch.is_over = true;
    waitpid(spy, nullptr, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static Watch& new_watch() {
    void* shared =
        mmap(nullptr, sizeof(Watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *new (shared) Watch;
  }

  static std::vector<std::string> run_package() {
    return {installation->at("bin") / "taoism",
            "run",
            file("m.tao"),
            "--input",
            file("x.npy"),
            "--tee-threads",
            "1"};
  }

  static std::string text_of(const Watch& watch) {
    std::ostringstream text;
    text << watch.looks << " looks, " << watch.seen << " workers seen, " << watch.opened
         << " looked into, " << watch.read << " keys read, " << watch.written << " written to, "
         << watch.debugged << " with a debugger";
    return text.str();
  }

  static Installation* installation;
  static std::vector<std::byte>* key;
  static std::vector<std::string>* libraries;
};
Installation* SpyTest::installation = nullptr;
std::vector<std::byte>* SpyTest::key = nullptr;
std::vector<std::string>* SpyTest::libraries = nullptr;

// The spy is no fool: what closes itself after exec() is read.
TEST_F(SpyTest, ReadsWhatClosesItselfTooLate) {
  Watch& watch = new_watch();
  const std::vector<std::string> command{installation->at("victim") / "host", file("m.key"),
                                         "start"};
  for (int start = 0; start < 20 && watch.read == 0; ++start) {
    for (const SpyWay way : {SpyWay::libraries, SpyWay::always}) {
      ASSERT_EQ(start_watched(way, command, watch), 0);
    }
  }
  std::printf("a program that closes itself: %s\n", text_of(watch).c_str());
  EXPECT_GT(watch.read, 0);
  EXPECT_GT(watch.written, 0);
}

TEST_F(SpyTest, NeverReadsTheWorker) {
  const int starts = number_from("TAOISM_SPY_STARTS", 24);
  Watch& all = new_watch();
  int refused = 0;
  for (int start = 0; start < starts; ++start) {
    const SpyWay way = kSpyWays[static_cast<size_t>(start) % std::size(kSpyWays)];
    const int debugged = all.debugged;
    const int code = start_watched(way, run_package(), all);
    const bool was_debugged = all.debugged != debugged;
    // Whoever has a debugger gets no key; everybody else runs.
    EXPECT_EQ(code, was_debugged ? 4 : 0) << "start " << start;
    refused += code == 4 ? 1 : 0;
  }
  std::printf("%d starts watched: %s, %d refused\n", starts, text_of(all).c_str(), refused);
  EXPECT_GE(all.seen, starts / 2);
  EXPECT_EQ(all.opened, 0);
  EXPECT_EQ(all.read, 0);
  EXPECT_EQ(all.written, 0);
}

// Executed as it lies there, the image can be read, and with it the worker: it finds out itself.
TEST_F(SpyTest, AWorkerThatCouldBeReadTakesNoKey) {
  const std::string script = file("worker.sh");
  std::ofstream(script) << "#!/bin/sh\nexec " << (installation->at("bin") / kWorkerName).string()
                        << '\n';
  fs::permissions(script, fs::perms::owner_all);
  const std::string command = program() + " run ";
  const std::string worker = " --worker " + script + " --input " + file("x.npy");
  const std::string package = output_of(command + file("m.tao") + worker);
  EXPECT_THAT(package, ::testing::HasSubstr("failed: "));
  EXPECT_THAT(package, ::testing::HasSubstr("the TEE worker takes no key"));
  // A plain model has no key: it runs, and says so.
  const std::string model = output_of(command + file("m.onnx") + worker);
  EXPECT_THAT(model, ::testing::Not(::testing::HasSubstr("failed: ")));
  EXPECT_THAT(model, ::testing::HasSubstr("that has watched its start"));
}

}  // namespace
}  // namespace taoism::attack
