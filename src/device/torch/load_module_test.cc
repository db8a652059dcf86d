// What keeps a torch device from being opened, without PyTorch: one clear line, and `unavailable`.
#include "device/torch/load_module.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "device/torch/torch_device.h"

namespace taoism::device {
namespace {

void expect_unavailable(const std::string& path, const std::string& says) {
  const Status status = load_torch_module(path).status();
  EXPECT_EQ(status.code(), Code::unavailable) << path;
  EXPECT_NE(status.message().find(says), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("tools/build torch-device"), std::string::npos)
      << status.message();
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
  EXPECT_EQ(open_torch({.module_path = path}).code(), Code::unavailable);
  const TorchFinding finding = probe_torch(path);
  EXPECT_FALSE(finding.available);
  EXPECT_EQ(finding.text, status.message());
}

TEST(LoadTorchModule, SaysWhatIsWrongWithTheFile) {
  expect_unavailable("/no/such/module.so", "no readable file");
  expect_unavailable(NO_ENTRY, "no torch module of taoism");
  expect_unavailable(OTHER_VERSION, "version " + std::to_string(torch_abi::kAbi + 1));
  const std::string text = testing::TempDir() + "load_module_test.so";
  std::ofstream(text) << "not a library";
  expect_unavailable(text, "cannot load");
  (void)unlink(text.c_str());
}

TEST(LoadTorchModule, TheVariableNamesTheFile) {
  ASSERT_EQ(setenv("TAOISM_TORCH_DEVICE", OTHER_VERSION, 1), 0);
  expect_unavailable("", OTHER_VERSION);
  expect_unavailable(NO_ENTRY, NO_ENTRY);  // what is given wins
  ASSERT_EQ(setenv("TAOISM_TORCH_DEVICE", "/no/such/module.so", 1), 0);
  expect_unavailable("", "/no/such/module.so");
  ASSERT_EQ(unsetenv("TAOISM_TORCH_DEVICE"), 0);
}

TEST(OpenTorch, ThreadsAreChecked) {
  EXPECT_EQ(open_torch({.threads = 0}).code(), Code::invalid_argument);
  EXPECT_EQ(open_torch({.threads = 100000}).code(), Code::invalid_argument);
}

}  // namespace
}  // namespace taoism::device
