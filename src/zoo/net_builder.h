// Layers by torchvision's names ("layer1.0.conv1" gives node "/layer1/0/conv1" and weight
// "layer1.0.conv1.weight"), with weights whose size follows the activations'. Internal to this
// folder.
#pragma once

#include <string>

#include "onnx/export.h"

namespace taoism::zoo {

// A tensor of the network, and the mean of its squared elements as the builder expects it for an
// input of mean 0 and variance 1.
struct Feature {
  std::string name;
  int64_t channels = 0;
  int64_t size = 0;  // height and width; 0 once flattened
  double power = 1;
  bool is_positive = false;  // mostly, as after a ReLU
};

struct ConvSpec {
  int64_t channels;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t pad = 1;
  int64_t groups = 1;
  bool bias = false;
};

class NetBuilder {
 public:
  NetBuilder(const std::string& name, int64_t image, uint64_t seed);

  bool is_small() const { return image_ < 224; }
  Feature input();
  Feature conv(const std::string& path, const Feature& x, const ConvSpec& spec);
  // `gain`: how large the scale is on average.
  Feature batch_norm(const std::string& path, const Feature& x, double gain = 1);
  Feature relu(const std::string& path, const Feature& x);
  Feature relu6(const std::string& path, const Feature& x);
  Feature add(const std::string& path, const Feature& a, const Feature& b);
  Feature max_pool(const std::string& path, const Feature& x, int64_t kernel, int64_t stride,
                   int64_t pad = 0);
  Feature global_average_pool(const std::string& path, const Feature& x);
  Feature flatten(const std::string& path, const Feature& x);
  // `before_relu`: keeps the power through the ReLU that follows.
  Feature linear(const std::string& path, const Feature& x, int64_t features, bool before_relu);
  // The network's output: a linear layer that gives "logits".
  void classify(const std::string& path, const Feature& x, int64_t classes);

  Status write(const std::string& path) const { return writer_.write(path); }

 private:
  Feature emit(const std::string& op, const std::string& path,
               const std::vector<std::string>& inputs, Feature y, const ir::Attrs& attrs = {});
  void add_linear(const std::string& path, const Feature& x, int64_t features, double gain,
                  const std::string& output);
  void add_normal(const std::string& name, const ir::Shape& shape, double deviation);
  void add_uniform(const std::string& name, int64_t elems, int64_t low_milli, int64_t high_milli,
                   double factor);

  onnx::ModelWriter writer_;
  int64_t image_;
  uint64_t seed_;
  bool has_relu6_bounds_ = false;
};

}  // namespace taoism::zoo
