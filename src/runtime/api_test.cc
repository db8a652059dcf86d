#include <gtest/gtest.h>

#include "runtime/small_model.h"
#include "taoism/session.h"

namespace taoism::runtime {
namespace {

TEST(Api, OpensRunsAndExplains) {
  std::string path = testing::TempDir() + "api_test.onnx";
  write_small_model(path);
  std::vector<float> first;
  for (const char* strategy : {"none", "full", "deep:k=1"}) {
    std::unique_ptr<api::Session> session;
    api::Error error = api::Session::open(path,
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
    EXPECT_EQ(session->run({&in, 1}, {&out, 1}).code, api::ErrorCode::invalid_argument);
    EXPECT_EQ(session->run({}, {}).code, api::ErrorCode::invalid_argument);
  }
  (void)std::remove(path.c_str());
}

TEST(Api, ErrorsCarryCodeAndMend) {
  std::unique_ptr<api::Session> session;
  EXPECT_EQ(api::Session::open("/no/such.onnx", {}, session).code, api::ErrorCode::not_found);
  EXPECT_EQ(api::Session::open("/no/such.onnx", {.tee = "sgx"}, session).code,
            api::ErrorCode::unsupported);
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace taoism::runtime
