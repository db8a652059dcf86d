// A small network for this folder's tests: two convolutions with a shortcut, pool, linear.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "onnx/export.h"
#include "runtime/machine.h"

namespace taoism::runtime {

inline void write_small_model(const std::string& path) {
  onnx::ModelWriter model("small");
  model.add_input("input", {ir::Shape::kDynamic, 2, 8, 8});
  model.add_output("logits", {ir::Shape::kDynamic, 5});
  auto ramp = [](std::span<float> values) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = 0.05F * static_cast<float>(i % 13) - 0.3F;
  };
  model.add_weight("w1", {4, 2, 3, 3}, ramp);
  model.add_weight("w2", {4, 4, 3, 3}, ramp);
  model.add_weight("w3", {5, 4}, ramp);
  model.add_weight("b3", {5}, ramp);
  ir::Attrs pads;
  pads.set("pads", std::vector<int64_t>{1, 1, 1, 1});
  pads.set("kernel_shape", std::vector<int64_t>{3, 3});
  ir::Attrs gemm;
  gemm.set("transB", int64_t{1});
  model.add_node("Conv", "conv1", {"input", "w1"}, {"a"}, pads);
  model.add_node("Relu", "relu1", {"a"}, {"b"});
  model.add_node("Conv", "conv2", {"b", "w2"}, {"c"}, pads);
  model.add_node("Add", "add", {"b", "c"}, {"d"});
  model.add_node("Relu", "relu2", {"d"}, {"e"});
  model.add_node("GlobalAveragePool", "pool", {"e"}, {"f"});
  model.add_node("Flatten", "flatten", {"f"}, {"g"});
  model.add_node("Gemm", "fc", {"g", "w3", "b3"}, {"logits"}, gemm);
  Status status = model.write(path);
  ASSERT_TRUE(status.ok()) << status.message();
}

inline Machine test_machine() {
  Machine machine;
  machine.tee_threads = 1;
  machine.device_threads = 1;
  machine.worker_path = TAOISM_WORKER;
  Result<Machine> resolved = resolve(machine);
  return *resolved;
}

}  // namespace taoism::runtime
