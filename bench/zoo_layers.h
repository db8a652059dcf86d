// The distinct convolutions of the zoo's networks, read off their ONNX files, for the benchmarks.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/conv2d.h"

namespace taoism::bench {

struct ConvLayer {
  const char* network;  // at 224, or with its image size behind it
  int64_t in_channels, size, out_channels, kernel, stride, pad, groups;

  // "resnet18/3x3_s2_56x56x64_128": kernel, stride, input, output channels.
  std::string name() const {
    const auto text = [](int64_t v) { return std::to_string(v); };
    const std::string kind = groups > 1 ? "depthwise" : text(kernel) + "x" + text(kernel);
    return std::string(network) + "/" + kind + (stride > 1 ? "_s" + text(stride) : "") + "_" +
           text(size) + "x" + text(size) + "x" + text(in_channels) + "_" + text(out_channels);
  }
  kernels::Conv2dShape shape(int64_t batch) const {
    kernels::Conv2dShape s;
    s.batch = batch;
    s.in_channels = in_channels;
    s.in_h = s.in_w = size;
    s.out_channels = out_channels;
    s.kernel_h = s.kernel_w = kernel;
    s.stride_h = s.stride_w = stride;
    s.pad_top = s.pad_left = pad;
    s.out_h = s.out_w = (size + 2 * pad - kernel) / stride + 1;
    s.groups = groups;
    return s;
  }
};

inline constexpr ConvLayer kZooConvs[] = {
    // in channels, size, out channels, kernel, stride, padding, groups
    {"alexnet", 3, 224, 64, 11, 4, 2, 1},         {"alexnet", 64, 27, 192, 5, 1, 2, 1},
    {"alexnet", 192, 13, 384, 3, 1, 1, 1},        {"alexnet", 384, 13, 256, 3, 1, 1, 1},
    {"alexnet", 256, 13, 256, 3, 1, 1, 1},        {"vgg16_bn", 3, 224, 64, 3, 1, 1, 1},
    {"vgg16_bn", 64, 224, 64, 3, 1, 1, 1},        {"vgg16_bn", 64, 112, 128, 3, 1, 1, 1},
    {"vgg16_bn", 128, 112, 128, 3, 1, 1, 1},      {"vgg16_bn", 128, 56, 256, 3, 1, 1, 1},
    {"vgg16_bn", 256, 56, 256, 3, 1, 1, 1},       {"vgg16_bn", 256, 28, 512, 3, 1, 1, 1},
    {"vgg16_bn", 512, 28, 512, 3, 1, 1, 1},       {"vgg16_bn", 512, 14, 512, 3, 1, 1, 1},
    {"resnet18", 3, 224, 64, 7, 2, 3, 1},         {"resnet18", 64, 56, 64, 3, 1, 1, 1},
    {"resnet18", 64, 56, 128, 3, 2, 1, 1},        {"resnet18", 128, 28, 128, 3, 1, 1, 1},
    {"resnet18", 64, 56, 128, 1, 2, 0, 1},        {"resnet18", 128, 28, 256, 3, 2, 1, 1},
    {"resnet18", 256, 14, 256, 3, 1, 1, 1},       {"resnet18", 128, 28, 256, 1, 2, 0, 1},
    {"resnet18", 256, 14, 512, 3, 2, 1, 1},       {"resnet18", 512, 7, 512, 3, 1, 1, 1},
    {"resnet18", 256, 14, 512, 1, 2, 0, 1},       {"resnet50", 64, 56, 64, 1, 1, 0, 1},
    {"resnet50", 64, 56, 256, 1, 1, 0, 1},        {"resnet50", 256, 56, 64, 1, 1, 0, 1},
    {"resnet50", 256, 56, 128, 1, 1, 0, 1},       {"resnet50", 128, 56, 128, 3, 2, 1, 1},
    {"resnet50", 128, 28, 512, 1, 1, 0, 1},       {"resnet50", 256, 56, 512, 1, 2, 0, 1},
    {"resnet50", 512, 28, 128, 1, 1, 0, 1},       {"resnet50", 512, 28, 256, 1, 1, 0, 1},
    {"resnet50", 256, 28, 256, 3, 2, 1, 1},       {"resnet50", 256, 14, 1024, 1, 1, 0, 1},
    {"resnet50", 512, 28, 1024, 1, 2, 0, 1},      {"resnet50", 1024, 14, 256, 1, 1, 0, 1},
    {"resnet50", 1024, 14, 512, 1, 1, 0, 1},      {"resnet50", 512, 14, 512, 3, 2, 1, 1},
    {"resnet50", 512, 7, 2048, 1, 1, 0, 1},       {"resnet50", 1024, 14, 2048, 1, 2, 0, 1},
    {"resnet50", 2048, 7, 512, 1, 1, 0, 1},       {"mobilenet_v2", 3, 224, 32, 3, 2, 1, 1},
    {"mobilenet_v2", 32, 112, 32, 3, 1, 1, 32},   {"mobilenet_v2", 32, 112, 16, 1, 1, 0, 1},
    {"mobilenet_v2", 16, 112, 96, 1, 1, 0, 1},    {"mobilenet_v2", 96, 112, 96, 3, 2, 1, 96},
    {"mobilenet_v2", 96, 56, 24, 1, 1, 0, 1},     {"mobilenet_v2", 24, 56, 144, 1, 1, 0, 1},
    {"mobilenet_v2", 144, 56, 144, 3, 1, 1, 144}, {"mobilenet_v2", 144, 56, 24, 1, 1, 0, 1},
    {"mobilenet_v2", 144, 56, 144, 3, 2, 1, 144}, {"mobilenet_v2", 144, 28, 32, 1, 1, 0, 1},
    {"mobilenet_v2", 32, 28, 192, 1, 1, 0, 1},    {"mobilenet_v2", 192, 28, 192, 3, 1, 1, 192},
    {"mobilenet_v2", 192, 28, 32, 1, 1, 0, 1},    {"mobilenet_v2", 192, 28, 192, 3, 2, 1, 192},
    {"mobilenet_v2", 192, 14, 64, 1, 1, 0, 1},    {"mobilenet_v2", 64, 14, 384, 1, 1, 0, 1},
    {"mobilenet_v2", 384, 14, 384, 3, 1, 1, 384}, {"mobilenet_v2", 384, 14, 64, 1, 1, 0, 1},
    {"mobilenet_v2", 384, 14, 96, 1, 1, 0, 1},    {"mobilenet_v2", 96, 14, 576, 1, 1, 0, 1},
    {"mobilenet_v2", 576, 14, 576, 3, 1, 1, 576}, {"mobilenet_v2", 576, 14, 96, 1, 1, 0, 1},
    {"mobilenet_v2", 576, 14, 576, 3, 2, 1, 576}, {"mobilenet_v2", 576, 7, 160, 1, 1, 0, 1},
    {"mobilenet_v2", 160, 7, 960, 1, 1, 0, 1},    {"mobilenet_v2", 960, 7, 960, 3, 1, 1, 960},
    {"mobilenet_v2", 960, 7, 160, 1, 1, 0, 1},    {"mobilenet_v2", 960, 7, 320, 1, 1, 0, 1},
    {"mobilenet_v2", 320, 7, 1280, 1, 1, 0, 1},   {"resnet18_32", 3, 32, 64, 3, 1, 1, 1},
    {"resnet18_32", 64, 32, 64, 3, 1, 1, 1},      {"resnet18_32", 64, 32, 128, 3, 2, 1, 1},
    {"resnet18_32", 128, 16, 128, 3, 1, 1, 1},    {"resnet18_32", 64, 32, 128, 1, 2, 0, 1},
    {"resnet18_32", 128, 16, 256, 3, 2, 1, 1},    {"resnet18_32", 256, 8, 256, 3, 1, 1, 1},
    {"resnet18_32", 128, 16, 256, 1, 2, 0, 1},    {"resnet18_32", 256, 8, 512, 3, 2, 1, 1},
    {"resnet18_32", 512, 4, 512, 3, 1, 1, 1},     {"resnet18_32", 256, 8, 512, 1, 2, 0, 1},
};

}  // namespace taoism::bench
