#include "zoo/net_builder.h"

#include <algorithm>
#include <cmath>

#include "zoo/random.h"

namespace taoism::zoo {
namespace {

constexpr float kEpsilon = 1e-5F;

std::string node_name(const std::string& path) {
  std::string name = "/" + path;
  std::replace(name.begin(), name.end(), '.', '/');
  return name;
}

}  // namespace

NetBuilder::NetBuilder(const std::string& name, int64_t image, uint64_t seed)
    : writer_(name), image_(image), seed_(seed) {
  writer_.set_metadata("taoism.zoo", name);
  writer_.set_metadata("taoism.image", std::to_string(image));
  writer_.set_metadata("taoism.seed", std::to_string(seed));
  writer_.set_metadata("taoism.weights", "random");
}

Feature NetBuilder::input() {
  writer_.add_input("input", {ir::Shape::kDynamic, 3, image_, image_});
  return {.name = "input", .channels = 3, .size = image_};
}

Feature NetBuilder::emit(const std::string& op, const std::string& path,
                         const std::vector<std::string>& inputs, Feature y,
                         const ir::Attrs& attrs) {
  const std::string name = node_name(path);
  y.name = name + "_output";
  writer_.add_node(op, name, inputs, {y.name}, attrs);
  return y;
}

void NetBuilder::add_normal(const std::string& name, const ir::Shape& shape, double deviation) {
  writer_.add_weight(name, shape, [&](std::span<float> values) {
    Random(seed_, name).fill_normal(values, deviation);
  });
}

void NetBuilder::add_uniform(const std::string& name, int64_t elems, int64_t low_milli,
                             int64_t high_milli, double factor) {
  writer_.add_weight(name, {elems}, [&](std::span<float> values) {
    Random(seed_, name).fill_uniform(values, low_milli, high_milli, factor);
  });
}

Feature NetBuilder::conv(const std::string& path, const Feature& x, const ConvSpec& spec) {
  // He: variance 2 / fan-in, so that the power doubles here and halves in the ReLU that follows.
  const int64_t fan_in = x.channels / spec.groups * spec.kernel * spec.kernel;
  const ir::Shape shape{spec.channels, x.channels / spec.groups, spec.kernel, spec.kernel};
  std::vector<std::string> inputs = {x.name, path + ".weight"};
  add_normal(inputs[1], shape, std::sqrt(2.0 / static_cast<double>(fan_in)));
  if (spec.bias) {
    inputs.push_back(path + ".bias");
    add_normal(inputs[2], {spec.channels}, 0.05);
  }
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>(2, spec.kernel));
  attrs.set("strides", std::vector<int64_t>(2, spec.stride));
  attrs.set("pads", std::vector<int64_t>(4, spec.pad));
  attrs.set("dilations", std::vector<int64_t>(2, 1));
  attrs.set("group", spec.groups);
  Feature y;
  y.channels = spec.channels;
  y.size = (x.size + 2 * spec.pad - spec.kernel) / spec.stride + 1;
  y.power = 2 * x.power;
  return emit("Conv", path, inputs, y, attrs);
}

Feature NetBuilder::batch_norm(const std::string& path, const Feature& x, double gain) {
  const double deviation = std::sqrt(x.power);
  add_uniform(path + ".weight", x.channels, 500, 1500, gain);
  add_normal(path + ".bias", {x.channels}, 0.1 * gain);
  add_normal(path + ".running_mean", {x.channels}, 0.1 * deviation);
  add_uniform(path + ".running_var", x.channels, 800, 1250, x.power);
  Feature y = x;
  y.is_positive = false;
  y.power = gain * gain * (1 + 1.0 / 12 + 0.02);  // of a scale in 0.5..1.5, mean and bias
  ir::Attrs attrs;
  attrs.set("epsilon", kEpsilon);
  return emit(
      "BatchNormalization", path,
      {x.name, path + ".weight", path + ".bias", path + ".running_mean", path + ".running_var"}, y,
      attrs);
}

Feature NetBuilder::relu(const std::string& path, const Feature& x) {
  Feature y = x;
  if (!x.is_positive) y.power = x.power / 2;
  y.is_positive = true;
  return emit("Relu", path, {x.name}, y);
}

Feature NetBuilder::relu6(const std::string& path, const Feature& x) {
  const std::string bounds[] = {"relu6.min", "relu6.max"};
  if (!has_relu6_bounds_) {
    writer_.add_weight(bounds[0], {}, [](std::span<float> values) { values[0] = 0; });
    writer_.add_weight(bounds[1], {}, [](std::span<float> values) { values[0] = 6; });
    has_relu6_bounds_ = true;
  }
  Feature y = x;
  y.power = x.power / 2;
  y.is_positive = true;
  return emit("Clip", path, {x.name, bounds[0], bounds[1]}, y);
}

Feature NetBuilder::add(const std::string& path, const Feature& a, const Feature& b) {
  Feature y = a;
  y.power = a.power + b.power;
  y.is_positive = a.is_positive || b.is_positive;
  return emit("Add", path, {a.name, b.name}, y);
}

Feature NetBuilder::max_pool(const std::string& path, const Feature& x, int64_t kernel,
                             int64_t stride, int64_t pad) {
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>(2, kernel));
  attrs.set("strides", std::vector<int64_t>(2, stride));
  attrs.set("pads", std::vector<int64_t>(4, pad));
  Feature y = x;
  y.size = (x.size + 2 * pad - kernel) / stride + 1;
  y.power = 1.8 * x.power;  // measured: neighbours after a ReLU are far from independent
  return emit("MaxPool", path, {x.name}, y, attrs);
}

Feature NetBuilder::global_average_pool(const std::string& path, const Feature& x) {
  Feature y = x;
  y.size = 1;
  y.power = x.power / 2;  // what the mean of a positive tensor keeps, roughly
  return emit("GlobalAveragePool", path, {x.name}, y);
}

Feature NetBuilder::flatten(const std::string& path, const Feature& x) {
  Feature y = x;
  y.channels = x.channels * x.size * x.size;
  y.size = 0;
  ir::Attrs attrs;
  attrs.set("axis", int64_t{1});
  return emit("Flatten", path, {x.name}, y, attrs);
}

void NetBuilder::add_linear(const std::string& path, const Feature& x, int64_t features,
                            double gain, const std::string& output) {
  add_normal(path + ".weight", {features, x.channels},
             std::sqrt(gain / static_cast<double>(x.channels)));
  add_normal(path + ".bias", {features}, 0.05);
  ir::Attrs attrs;
  attrs.set("transB", int64_t{1});
  writer_.add_node("Gemm", node_name(path), {x.name, path + ".weight", path + ".bias"}, {output},
                   attrs);
}

Feature NetBuilder::linear(const std::string& path, const Feature& x, int64_t features,
                           bool before_relu) {
  Feature y = x;
  y.name = node_name(path) + "_output";
  y.channels = features;
  const double gain = before_relu ? 2 : 1;
  y.power = gain * x.power;
  y.is_positive = false;
  add_linear(path, x, features, gain, y.name);
  return y;
}

void NetBuilder::classify(const std::string& path, const Feature& x, int64_t classes) {
  // Logits of a deviation near 2: a distribution over the classes that is neither flat nor certain.
  constexpr double kLogitPower = 4;
  add_linear(path, x, classes, kLogitPower / std::max(x.power, 1e-3), "logits");
  writer_.add_output("logits", {ir::Shape::kDynamic, classes});
}

}  // namespace taoism::zoo
