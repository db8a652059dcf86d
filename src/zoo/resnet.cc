#include "zoo/architectures.h"

namespace taoism::zoo {
namespace {

// The last scale of a branch is small, so that the sum does not grow from block to block.
constexpr double kBranchGain = 0.4;

Feature shortcut(NetBuilder& net, const std::string& path, const Feature& x, int64_t channels,
                 int64_t stride) {
  if (stride == 1 && x.channels == channels) return x;
  const Feature y = net.conv(path + ".downsample.0", x,
                             {.channels = channels, .kernel = 1, .stride = stride, .pad = 0});
  return net.batch_norm(path + ".downsample.1", y);
}

Feature basic_block(NetBuilder& net, const std::string& path, const Feature& x, int64_t channels,
                    int64_t stride) {
  Feature y = net.conv(path + ".conv1", x, {.channels = channels, .stride = stride});
  y = net.batch_norm(path + ".bn1", y);
  y = net.relu(path + ".relu", y);
  y = net.conv(path + ".conv2", y, {.channels = channels});
  y = net.batch_norm(path + ".bn2", y, kBranchGain);
  y = net.add(path + ".add", y, shortcut(net, path, x, channels, stride));
  return net.relu(path + ".relu_1", y);
}

Feature bottleneck(NetBuilder& net, const std::string& path, const Feature& x, int64_t channels,
                   int64_t stride) {
  constexpr int64_t kExpansion = 4;
  Feature y = net.conv(path + ".conv1", x, {.channels = channels, .kernel = 1, .pad = 0});
  y = net.batch_norm(path + ".bn1", y);
  y = net.relu(path + ".relu", y);
  y = net.conv(path + ".conv2", y, {.channels = channels, .stride = stride});
  y = net.batch_norm(path + ".bn2", y);
  y = net.relu(path + ".relu_1", y);
  y = net.conv(path + ".conv3", y, {.channels = kExpansion * channels, .kernel = 1, .pad = 0});
  y = net.batch_norm(path + ".bn3", y, kBranchGain);
  y = net.add(path + ".add", y, shortcut(net, path, x, kExpansion * channels, stride));
  return net.relu(path + ".relu_2", y);
}

}  // namespace

void build_resnet(NetBuilder& net, int layers, int64_t classes) {
  constexpr int64_t kBlocks18[] = {2, 2, 2, 2}, kBlocks34[] = {3, 4, 6, 3};
  const int64_t* blocks = layers == 18 ? kBlocks18 : kBlocks34;  // 50 has 34's
  const bool small = net.is_small();
  Feature x = net.conv("conv1", net.input(),
                       small ? ConvSpec{.channels = 64}
                             : ConvSpec{.channels = 64, .kernel = 7, .stride = 2, .pad = 3});
  x = net.batch_norm("bn1", x);
  x = net.relu("relu", x);
  if (!small) x = net.max_pool("maxpool", x, 3, 2, 1);
  for (int64_t stage = 0; stage < 4; ++stage) {
    for (int64_t block = 0; block < blocks[stage]; ++block) {
      const std::string path = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      x = layers == 50 ? bottleneck(net, path, x, 64 << stage, stride)
                       : basic_block(net, path, x, 64 << stage, stride);
    }
  }
  x = net.flatten("flatten", net.global_average_pool("avgpool", x));
  net.classify("fc", x, classes);
}

}  // namespace taoism::zoo
