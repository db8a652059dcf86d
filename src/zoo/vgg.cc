#include "zoo/architectures.h"

namespace taoism::zoo {
namespace {

// The three-layer classifier of AlexNet and VGG; the indices are torchvision's.
void classify_in_three(NetBuilder& net, Feature x, const int (&indices)[3], int64_t classes) {
  constexpr int64_t kHidden = 4096;
  const auto path = [](int index) { return "classifier." + std::to_string(index); };
  for (int i = 0; i < 2; ++i) {
    x = net.linear(path(indices[i]), x, kHidden, true);
    x = net.relu(path(indices[i] + 1), x);
  }
  net.classify(path(indices[2]), x, classes);
}

}  // namespace

void build_vgg_bn(NetBuilder& net, int layers, int64_t classes) {
  constexpr int64_t kChannels[] = {64, 128, 256, 512, 512};
  constexpr int kConvs16[] = {2, 2, 3, 3, 3}, kConvs19[] = {2, 2, 4, 4, 4};
  const int* convs = layers == 16 ? kConvs16 : kConvs19;
  Feature x = net.input();
  int index = 0;
  const auto path = [&index] { return "features." + std::to_string(index++); };
  for (int stage = 0; stage < 5; ++stage) {
    for (int i = 0; i < convs[stage]; ++i) {
      x = net.conv(path(), x, {.channels = kChannels[stage], .bias = true});
      x = net.batch_norm(path(), x);
      x = net.relu(path(), x);
    }
    x = net.max_pool(path(), x, 2, 2);
  }
  x = net.flatten("flatten", x);
  if (net.is_small()) return net.classify("classifier", x, classes);
  classify_in_three(net, x, {0, 3, 6}, classes);
}

void build_alexnet(NetBuilder& net, int64_t classes) {
  const bool small = net.is_small();
  const int64_t pool = small ? 2 : 3;
  Feature x =
      net.conv("features.0", net.input(),
               {.channels = 64, .kernel = 11, .stride = 4, .pad = small ? 5 : 2, .bias = true});
  x = net.relu("features.1", x);
  x = net.max_pool("features.2", x, pool, 2);
  x = net.conv("features.3", x, {.channels = 192, .kernel = 5, .pad = 2, .bias = true});
  x = net.relu("features.4", x);
  x = net.max_pool("features.5", x, pool, 2);
  x = net.conv("features.6", x, {.channels = 384, .bias = true});
  x = net.relu("features.7", x);
  x = net.conv("features.8", x, {.channels = 256, .bias = true});
  x = net.relu("features.9", x);
  x = net.conv("features.10", x, {.channels = 256, .bias = true});
  x = net.relu("features.11", x);
  x = net.max_pool("features.12", x, pool, 2);
  x = net.flatten("flatten", x);
  if (small) return net.classify("classifier", x, classes);
  classify_in_three(net, x, {1, 4, 6}, classes);
}

}  // namespace taoism::zoo
