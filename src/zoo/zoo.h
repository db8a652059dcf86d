// Standard architectures with seeded random weights, written as ONNX. The outputs neither vanish
// nor overflow for inputs of mean 0 and variance 1. Host only. Thread-safety: free functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace taoism::zoo {

struct ZooOptions {
  int64_t image = 224;  // 224: torchvision's definition; 32: the one used on CIFAR
  int64_t classes = 1000;
  uint64_t seed = 0;
};

// "alexnet", "vgg16_bn", ...
std::span<const char* const> zoo_names();

// Input "input" of N x 3 x image x image, output "logits" of N x classes. The same arguments give
// the same file on every machine. Errors: invalid_argument (name, option, path),
// resource_exhausted.
Status write_zoo(const std::string& name, const ZooOptions& options, const std::string& path);

}  // namespace taoism::zoo
