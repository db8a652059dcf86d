#include "zoo/architectures.h"

namespace taoism::zoo {
namespace {

// The branch of a block with a shortcut is small, so that the sum does not grow.
constexpr double kBranchGain = 0.4;

// Convolution, normalisation, ReLU6 as path.0, path.1, path.2.
Feature conv_bn_relu6(NetBuilder& net, const std::string& path, const Feature& x,
                      const ConvSpec& spec) {
  Feature y = net.conv(path + ".0", x, spec);
  y = net.batch_norm(path + ".1", y);
  return net.relu6(path + ".2", y);
}

Feature inverted_residual(NetBuilder& net, const std::string& path, const Feature& x,
                          int64_t channels, int64_t stride, int64_t expansion) {
  const bool has_shortcut = stride == 1 && x.channels == channels;
  int index = 0;
  const auto next = [&] { return path + ".conv." + std::to_string(index++); };
  const int64_t hidden = x.channels * expansion;
  Feature y = x;
  if (expansion != 1) {
    y = conv_bn_relu6(net, next(), y, {.channels = hidden, .kernel = 1, .pad = 0});
  }
  y = conv_bn_relu6(net, next(), y, {.channels = hidden, .stride = stride, .groups = hidden});
  y = net.conv(next(), y, {.channels = channels, .kernel = 1, .pad = 0});
  y = net.batch_norm(next(), y, has_shortcut ? kBranchGain : 1);
  return has_shortcut ? net.add(path + ".add", x, y) : y;
}

}  // namespace

void build_mobilenet_v2(NetBuilder& net, int64_t classes) {
  struct Stage {
    int64_t expansion, channels, blocks, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  constexpr int64_t kFirstStridedChannels = 24;
  const bool small = net.is_small();
  int index = 0;
  const auto path = [&index] { return "features." + std::to_string(index++); };
  Feature x = conv_bn_relu6(net, path(), net.input(), {.channels = 32, .stride = small ? 1 : 2});
  for (const Stage& stage : kStages) {
    for (int64_t block = 0; block < stage.blocks; ++block) {
      const bool keeps = block > 0 || (small && stage.channels == kFirstStridedChannels);
      x = inverted_residual(net, path(), x, stage.channels, keeps ? 1 : stage.stride,
                            stage.expansion);
    }
  }
  x = conv_bn_relu6(net, path(), x, {.channels = 1280, .kernel = 1, .pad = 0});
  x = net.flatten("flatten", net.global_average_pool("avgpool", x));
  net.classify("classifier.1", x, classes);
}

}  // namespace taoism::zoo
