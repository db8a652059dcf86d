#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "onnx/test_model.h"
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

// An index that is out of range ends its request alone.
TEST(Api, ReportsAFaultAndGoesOn) {
  const std::string path = testing::TempDir() + "api_fault_test.onnx";
  onnx::ModelWriter model("faults");
  model.add_input("x", {ir::Shape::kDynamic});
  model.add_output("y", {ir::Shape::kDynamic});
  model.add_weight("table", {4}, [](std::span<float> values) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  });
  ir::Attrs to_int64;
  to_int64.set("to", int64_t{7});
  model.add_node("Cast", "cast", {"x"}, {"i"}, to_int64);
  model.add_node("Gather", "gather", {"table", "i"}, {"y"});
  ASSERT_TRUE(model.write(path).ok());
  for (const char* strategy : {"none", "full"}) {
    std::unique_ptr<Session> session;
    const Error error = Session::open(
        path, {.strategy = strategy, .batch = 2, .worker_path = TAOISM_WORKER}, session);
    ASSERT_FALSE(error) << error.message;
    std::vector<float> x, y(2);
    const auto run = [&](std::vector<float> given) {
      x = std::move(given);
      std::span<const float> in = x;
      std::span<float> out = y;
      return session->run({&in, 1}, {&out, 1});
    };
    const Error fault = run({1, 4});
    EXPECT_EQ(fault.code, ErrorCode::invalid_argument);
    EXPECT_NE(fault.message.find("Gather 'gather'"), std::string::npos) << fault.message;
    EXPECT_FALSE(run({3, -4}));
    EXPECT_EQ(y, (std::vector<float>{3, 0}));
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
  EXPECT_EQ(answer(golden + "/small.tao", {.key_file = key, .owner_file = golden + "/small.pub"}),
            got);

  std::unique_ptr<Session> session;
  const std::string stranger = testing::TempDir() + "api_test.pub";
  std::ofstream(stranger) << "-----BEGIN PUBLIC KEY-----\n"
                             "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzRlYXXZOcwBa7rHtRKCwH5LzQT61\n"
                             "nAL3f1mXfeN4kBgpoIX33+pyumxS2qg8ZHKS2AqBIcKo4ZLI9gvjvcUajA==\n"
                             "-----END PUBLIC KEY-----\n";
  EXPECT_EQ(
      Session::open(golden + "/small.tao", {.key_file = key, .owner_file = stranger}, session).code,
      ErrorCode::integrity);
  std::filesystem::remove(stranger);
  EXPECT_EQ(Session::open(golden + "/small.tao", {.key_file = key, .batch = 5}, session).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(Session::open(golden + "/small.tao",
                          {.key_file = "/no/such.key", .worker_path = TAOISM_WORKER}, session)
                .code,
            ErrorCode::not_found);
  // What is not there is not called anything else.
  EXPECT_EQ(Session::open("/no/such.tao", {.key_file = key}, session).code, ErrorCode::not_found);
  EXPECT_EQ(Session::open(golden + "/small.onnx", {.key_file = key}, session).code,
            ErrorCode::integrity);
  std::filesystem::remove(key);
}

// Integers and a mask beside a state of another first dimension, at lengths that the file leaves
// open.
TEST(Api, TakesEveryTypeAndShape) {
  onnx::TestModel model;
  model.input("ids", {-1, -1}, ::onnx::TensorProto::INT64).input("state", {2, 1, 3});
  model.graph()
      .mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_param("length");
  model.weight("table", {4, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  model.node("Gather", {"table", "ids"}, {"rows"});
  model.node("Add", {"rows", "state"}, {"y"});
  model.node("Identity", {"ids"}, {"last"});
  model.output("y").output("last");
  const TestFolder folder;
  const std::string path = folder.write("types.onnx", model.bytes());
  std::unique_ptr<Session> session;
  SessionOptions options{.strategy = "full", .worker_path = TAOISM_WORKER};
  const Error open = Session::open(path, options, session);
  EXPECT_EQ(open.code, ErrorCode::invalid_argument);
  EXPECT_NE(open.message.find("dimension 1 is open"), std::string::npos) << open.message;
  EXPECT_NE(open.message.find("input_shapes"), std::string::npos) << open.message;
  options.input_shapes = {{"ids", {2, 2}}};
  const Error error = Session::open(path, options, session);
  ASSERT_FALSE(error) << error.message;
  EXPECT_EQ(session->inputs()[0].type, ElementType::int64);
  EXPECT_EQ(session->inputs()[0].bytes, 32U);
  EXPECT_EQ(session->outputs()[0].shape, (std::vector<int64_t>{2, 2, 3}));
  const int64_t ids[] = {3, 0, 1, 1};
  const float state[] = {1, 1, 1, 2, 2, 2};
  float y[12];
  int64_t last[4];
  const std::span<const std::byte> in[] = {std::as_bytes(std::span(ids)),
                                           std::as_bytes(std::span(state))};
  const std::span<std::byte> out[] = {std::as_writable_bytes(std::span(y)),
                                      std::as_writable_bytes(std::span(last))};
  const Error ran = session->run_bytes(in, out);
  ASSERT_FALSE(ran) << ran.message;
  EXPECT_EQ(std::vector<float>(std::begin(y), std::end(y)),
            (std::vector<float>{10, 11, 12, 1, 2, 3, 5, 6, 7, 5, 6, 7}));
  EXPECT_EQ(std::vector<int64_t>(std::begin(last), std::end(last)),
            (std::vector<int64_t>{3, 0, 1, 1}));
  const std::span<const float> floats = state;
  std::span<float> to = y;
  EXPECT_EQ(session->run({&floats, 1}, {&to, 1}).code, ErrorCode::invalid_argument);
}

TEST(Api, ErrorsCarryCodeAndMend) {
  std::unique_ptr<Session> session;
  EXPECT_EQ(Session::open("/no/such.onnx", {}, session).code, ErrorCode::not_found);
  EXPECT_EQ(Session::open("/no/such.onnx", {.tee = "sgx"}, session).code, ErrorCode::unsupported);
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace taoism::api
