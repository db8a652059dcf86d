// The architectures that zoo.cc lists. Each builds for the image size of its builder: 224 as
// torchvision defines it, 32 as it is used on CIFAR.
#pragma once

#include "zoo/net_builder.h"

namespace taoism::zoo {

// At 32: a stem of 11x11 stride 4 with padding 5, pools of 2x2, one linear layer.
void build_alexnet(NetBuilder& net, int64_t classes);
// 16 or 19 layers. At 32: one linear layer.
void build_vgg_bn(NetBuilder& net, int layers, int64_t classes);
// 18, 34 or 50 layers. At 32: a 3x3 stride-1 stem and no max-pool.
void build_resnet(NetBuilder& net, int layers, int64_t classes);
// At 32: strides of 1 in the stem and in the first strided stage.
void build_mobilenet_v2(NetBuilder& net, int64_t classes);

}  // namespace taoism::zoo
