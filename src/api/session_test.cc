#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/small_model.h"
#include "taoism/session.h"

namespace taoism::api {
namespace {

TEST(Api, OpensRunsAndExplains) {
  std::string path = testing::TempDir() + "api_test.onnx";
  runtime::write_small_model(path);
  std::vector<float> first;
  for (const char* strategy : {"none", "full", "deep:k=1"}) {
    std::unique_ptr<Session> session;
    Error error = Session::open(path,
                                {.strategy = strategy,
                                 .batch = 3,
                                 .tee_threads = 1,
                                 .device_threads = 1,
                                 .worker_path = TAOISM_WORKER},
                                session);
    ASSERT_FALSE(error) << error.message;
    EXPECT_EQ(session->inputs()[0].shape, (std::vector<int64_t>{3, 2, 8, 8}));
    std::vector<float> x(session->inputs()[0].elements, 0.5F);
    std::vector<float> y(session->outputs()[0].elements);
    std::span<const float> in = x;
    std::span<float> out = y;
    error = session->run({&in, 1}, {&out, 1});
    ASSERT_FALSE(error) << error.message;
    EXPECT_GT(session->last_times().end_to_end_ns, 0U);
    EXPECT_NE(session->plan_text().find("conv1"), std::string::npos);
    EXPECT_EQ(session->warnings().empty(), std::string(strategy) == "none");
    if (first.empty()) first = y;
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], first[i], 1e-4);
    in = in.subspan(1);
    EXPECT_EQ(session->run({&in, 1}, {&out, 1}).code, ErrorCode::invalid_argument);
    EXPECT_EQ(session->run({}, {}).code, ErrorCode::invalid_argument);
  }
  (void)std::remove(path.c_str());
}

// The package that is kept for good, as its owner's user opens it.
TEST(Api, RunsAPackage) {
  const std::string golden = TAOISM_GOLDEN;
  const std::string key = testing::TempDir() + "api_test.key";
  std::filesystem::copy_file(golden + "/small.key", key,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::permissions(key, std::filesystem::perms::owner_read);
  const auto answer = [&](const std::string& path, SessionOptions options) {
    options.batch = 2;
    options.worker_path = TAOISM_WORKER;
    std::unique_ptr<Session> session;
    const Error opened = Session::open(path, options, session);
    EXPECT_FALSE(opened) << opened.message;
    if (opened) return std::vector<float>();
    EXPECT_NE(session->plan_text().find("device sees"), std::string::npos);
    std::vector<float> x(session->inputs()[0].elements, 0.25F);
    std::vector<float> y(session->outputs()[0].elements);
    std::span<const float> in = x;
    std::span<float> out = y;
    const Error ran = session->run({&in, 1}, {&out, 1});
    EXPECT_FALSE(ran) << ran.message;
    return y;
  };
  const std::vector<float> want = answer(golden + "/small.onnx", {.strategy = "none"});
  const std::vector<float> got = answer(golden + "/small.tao", {.key_file = key});
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4);

  std::unique_ptr<Session> session;
  EXPECT_EQ(Session::open(golden + "/small.tao", {.key_file = key, .batch = 5}, session).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(Session::open(golden + "/small.tao",
                          {.key_file = "/no/such.key", .worker_path = TAOISM_WORKER}, session)
                .code,
            ErrorCode::not_found);
  std::filesystem::remove(key);
}

TEST(Api, ErrorsCarryCodeAndMend) {
  std::unique_ptr<Session> session;
  EXPECT_EQ(Session::open("/no/such.onnx", {}, session).code, ErrorCode::not_found);
  EXPECT_EQ(Session::open("/no/such.onnx", {.tee = "sgx"}, session).code, ErrorCode::unsupported);
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace taoism::api
