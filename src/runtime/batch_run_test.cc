#include "runtime/batch_run.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/small_model.h"
#include "runtime/tensors.h"

namespace taoism::runtime {
namespace {

class BatchRunTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "batch_run_test.onnx";
    write_small_model(path_);
    options_.machine = test_machine();
  }
  void TearDown() override { (void)std::remove(path_.c_str()); }

  static files::Tensor rows(const ir::Shape& shape, files::Format format = files::Format::npy) {
    files::Tensor tensor;
    tensor.format = format;
    tensor.desc = {ir::DType::f32, shape};
    tensor.data = AlignedBuffer(std::max<size_t>(tensor.desc.bytes(), 1));
    ir::TensorView view{tensor.desc, tensor.data.data()};
    fill_normal({&view, 1}, 3);
    return tensor;
  }

  Result<BatchRunResult> run(files::Tensor input, const std::string& strategy, int64_t batch) {
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path_));
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind());
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(strategy));
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, spec, ""));
    options_.batch = batch;
    std::vector<files::Tensor> inputs;
    inputs.push_back(std::move(input));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Source> source,
                            open_source(std::move(model), std::move(plan), {.batch = batch}));
    return run_rows(*source, inputs, options_);
  }

  std::string path_;
  BatchRunOptions options_;
};

TEST_F(BatchRunTest, RowsDoNotDependOnTheBatch) {
  Result<BatchRunResult> whole = run(rows({7, 2, 8, 8}), "none", 7);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_EQ(whole->outputs[0].desc.shape, (ir::Shape{7, 5}));
  for (int64_t batch : {1, 3, 4, 64}) {
    for (const char* strategy : {"none", "deep"}) {
      Result<BatchRunResult> parts = run(rows({7, 2, 8, 8}), strategy, batch);
      ASSERT_TRUE(parts.ok()) << parts.status().message();
      EXPECT_EQ(parts->rows, 7U);
      ir::ConstTensorView want{whole->outputs[0].desc, whole->outputs[0].data.data()};
      ir::ConstTensorView got{parts->outputs[0].desc, parts->outputs[0].data.data()};
      EXPECT_LE(difference({&want, 1}, {&got, 1}).relative, 1e-5) << strategy << " " << batch;
    }
  }
}

TEST_F(BatchRunTest, WrongShapesSayWhatIsWanted) {
  for (const ir::Shape& shape :
       {ir::Shape{7, 2, 8, 9}, ir::Shape{7, 128}, ir::Shape{2, 8, 8}, ir::Shape{}}) {
    Result<BatchRunResult> result = run(rows(shape), "none", 4);
    ASSERT_FALSE(result.ok()) << shape.text();
    EXPECT_NE(result.status().message().find("Nx2x8x8"), std::string::npos)
        << result.status().message();
  }
  EXPECT_EQ(run(rows({0, 2, 8, 8}), "none", 4).code(), Code::invalid_argument);
  EXPECT_TRUE(run(rows({3, 16, 8}, files::Format::idx), "none", 4).ok());
}

TEST_F(BatchRunTest, AccuracyCountsTheLargest) {
  RowTensor output{"y", {ir::DType::f32, {3, 2}}, AlignedBuffer(24)};
  const float values[] = {1, 2, 3, 3, __builtin_nanf(""), 0};
  std::memcpy(output.data.data(), values, sizeof(values));
  EXPECT_EQ(arg_max(output), (std::vector<int64_t>{1, 0, 1}));
  std::vector<int64_t> labels = {1, 1, 1};
  Result<Accuracy> result = accuracy(output, labels);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->right, 2U);
  labels.pop_back();
  EXPECT_EQ(accuracy(output, labels).code(), Code::invalid_argument);
}

TEST_F(BatchRunTest, AccuracyOfAnyType) {
  RowTensor halves{"y", {ir::DType::f16, {2, 2}}, AlignedBuffer(8)};
  const uint16_t bits[] = {0x3C00, 0xC000, 0xC000, 0xBC00};  // 1, -2; -2, -1
  std::memcpy(halves.data.data(), bits, sizeof(bits));
  EXPECT_EQ(arg_max(halves), (std::vector<int64_t>{0, 1}));
  RowTensor classes{"y", {ir::DType::i32, {2}}, AlignedBuffer(8)};
  const int32_t numbers[] = {7, 3};
  std::memcpy(classes.data.data(), numbers, sizeof(numbers));
  const std::vector<int64_t> labels = {7, 4};
  EXPECT_EQ(accuracy(classes, labels)->right, 1U);
}

}  // namespace
}  // namespace taoism::runtime
