#include "kernels/conv2d.h"

#include <cstring>

#include "kernels/kernel_test_support.h"

namespace taoism::kernels {
namespace {

std::string describe(const Conv2dShape& s) {
  std::string text;
  for (int64_t v : {s.batch, s.in_channels, s.in_h, s.in_w, s.out_channels, s.out_h, s.out_w,
                    s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.pad_top, s.pad_left,
                    s.dilation_h, s.dilation_w, s.groups}) {
    text += std::to_string(v) + " ";
  }
  return text;
}

// A shape with equal padding on both sides.
Conv2dShape square(int64_t batch, int64_t in, int64_t size, int64_t out, int64_t kernel,
                   int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1) {
  Conv2dShape s;
  s.batch = batch;
  s.in_channels = in;
  s.in_h = s.in_w = size;
  s.out_channels = out;
  s.kernel_h = s.kernel_w = kernel;
  s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = pad;
  s.dilation_h = s.dilation_w = dilation;
  s.out_h = s.out_w = (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  s.groups = groups;
  return s;
}

// Odd everything, but affordable; out_h and out_w may ask for more padding at the far ends.
Conv2dShape random_shape(Random& random) {
  Conv2dShape s;
  s.groups = random.integer(0, 3) == 0 ? random.integer(2, 5) : 1;
  const bool depthwise = random.integer(0, 3) == 0;
  s.batch = random.integer(1, 9);
  s.in_channels = s.groups * (depthwise ? 1 : random.integer(1, 9));
  s.out_channels = s.groups * random.integer(1, s.groups == 1 ? 70 : 20);
  s.in_h = random.integer(1, 20);
  s.in_w = random.integer(1, 37);
  s.kernel_h = random.integer(1, 5);
  s.kernel_w = random.integer(1, 5);
  s.stride_h = random.integer(1, 3);
  s.stride_w = random.integer(1, 3);
  s.dilation_h = random.integer(1, 3);
  s.dilation_w = random.integer(1, 3);
  s.pad_top = random.integer(0, 4);
  s.pad_left = random.integer(0, 4);
  const auto out = [&](int64_t in, int64_t pad, int64_t kernel, int64_t stride, int64_t dilation) {
    const int64_t free = in + pad + random.integer(0, 4) - dilation * (kernel - 1) - 1;
    return free < 0 ? 1 : free / stride + 1;
  };
  s.out_h = out(s.in_h, s.pad_top, s.kernel_h, s.stride_h, s.dilation_h);
  s.out_w = out(s.in_w, s.pad_left, s.kernel_w, s.stride_w, s.dilation_w);
  return s;
}

struct Tensors {
  Tensors(const Conv2dShape& s, Random& random) {
    input = random.floats(s.batch * s.in_channels * s.in_h * s.in_w);
    weights = random.floats(s.out_channels * s.in_channels / s.groups * s.kernel_h * s.kernel_w);
    bias = random.floats(s.out_channels);
    residual = random.floats(s.batch * s.out_channels * s.out_h * s.out_w);
  }
  std::vector<float> input, weights, bias, residual;
};

std::vector<Sum> reference(const Conv2dShape& s, const Tensors& t, const Epilogue& epilogue) {
  std::vector<Sum> out(t.residual.size());
  const int64_t group_in = s.in_channels / s.groups;
  const int64_t group_out = s.out_channels / s.groups;
  size_t at = 0;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t o = 0; o < s.out_channels; ++o) {
      for (int64_t y = 0; y < s.out_h; ++y) {
        for (int64_t x = 0; x < s.out_w; ++x, ++at) {
          Sum& sum = out[at];
          if (epilogue.bias != nullptr) sum.add(epilogue.bias[o]);
          if (epilogue.residual != nullptr) sum.add(epilogue.residual[at]);
          for (int64_t i = 0; i < group_in; ++i) {
            const int64_t c = o / group_out * group_in + i;
            for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
              const int64_t iy = y * s.stride_h - s.pad_top + ky * s.dilation_h;
              if (iy < 0 || iy >= s.in_h) continue;
              for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const int64_t ix = x * s.stride_w - s.pad_left + kx * s.dilation_w;
                if (ix < 0 || ix >= s.in_w) continue;
                sum.add(static_cast<double>(
                            t.input[((n * s.in_channels + c) * s.in_h + iy) * s.in_w + ix]) *
                        t.weights[((o * group_in + i) * s.kernel_h + ky) * s.kernel_w + kx]);
              }
            }
          }
        }
      }
    }
  }
  return out;
}

std::vector<float> run(const Conv2dShape& s, const Tensors& t, const Epilogue& epilogue,
                       size_t threads) {
  AlignedBuffer packed(conv2d_packed_bytes(s));
  conv2d_pack(s, t.weights.data(), packed.as<float>());
  AlignedBuffer scratch = poisoned_scratch(conv2d_scratch_bytes(s, threads));
  std::vector<float> output(t.residual.size(), NAN);
  TestParallel parallel(threads);
  conv2d(s, t.input.data(), packed.as<float>(), epilogue, output.data(), scratch.span(), parallel);
  return output;
}

void check(const Conv2dShape& s, size_t threads, uint32_t seed) {
  SCOPED_TRACE(describe(s) + "threads " + std::to_string(threads));
  Random random(seed);
  const Tensors t(s, random);
  Epilogue epilogue;
  if (seed % 2 == 0) epilogue.bias = t.bias.data();
  if (seed % 3 == 0) epilogue.residual = t.residual.data();
  epilogue.activation = all_activations()[seed % all_activations().size()];
  const std::vector<Sum> want = reference(s, t, epilogue);
  for_each_target([&] { expect_close(run(s, t, epilogue, threads), want, epilogue.activation); });
}

const Conv2dShape kShapes[] = {
    square(1, 3, 33, 48, 7, 2, 3),          // a stem with three channels
    square(2, 3, 32, 64, 3, 1, 1),          //
    square(1, 1, 28, 16, 3, 1, 1),          // one channel
    square(1, 64, 14, 64, 3, 1, 1),         //
    square(3, 64, 7, 96, 3, 1, 1),          // small maps that span images
    square(9, 16, 4, 40, 3, 1, 1),          //
    square(8, 48, 1, 100, 1, 1, 0),         //
    square(1, 700, 3, 50, 1, 1, 0),         // several blocks of k
    square(1, 160, 9, 33, 3, 1, 1),         //
    square(2, 160, 7, 50, 3, 1, 1),         // the same for the transposed form
    square(1, 40, 26, 30, 5, 2, 2),         // 5x5 stride 2
    square(1, 8, 23, 9, 3, 3, 1),           // stride 3
    square(1, 8, 30, 12, 3, 1, 2, 2),       // dilation
    square(2, 24, 15, 36, 3, 2, 1, 1, 3),   // groups
    square(1, 64, 8, 64, 3, 1, 1, 1, 32),   //
    square(2, 33, 14, 33, 3, 1, 1, 1, 33),  // depthwise
    square(1, 20, 15, 40, 5, 2, 2, 1, 20),  // depthwise with a multiplier
    square(1, 6, 60, 6, 3, 3, 0, 2, 6),     //
    square(1, 32, 20, 64, 1, 2, 0),         // 1x1 with a stride
    square(1, 2, 1, 3, 5, 1, 2),            // mostly padding
};

TEST(Conv2d, EqualsReference) {
  uint32_t seed = 0;
  for (const Conv2dShape& shape : kShapes) {
    for (size_t threads : {1, 2}) check(shape, threads, seed);
    ++seed;
  }
}

TEST(Conv2d, EqualsReferenceOnRandomShapes) {
  Random random(7);
  for (uint32_t i = 0; i < 300; ++i) check(random_shape(random), 1 + i % 3, i);
}

TEST(Conv2d, ResidualMayBeTheOutput) {
  const Conv2dShape s = square(2, 70, 10, 20, 3, 1, 1);
  Random random(3);
  const Tensors t(s, random);
  const Epilogue epilogue{.residual = t.residual.data(), .activation = {}};
  for_each_target([&] {
    const std::vector<float> want = run(s, t, epilogue, 1);
    AlignedBuffer packed(conv2d_packed_bytes(s));
    conv2d_pack(s, t.weights.data(), packed.as<float>());
    AlignedBuffer scratch(conv2d_scratch_bytes(s, 1));
    std::vector<float> output = t.residual;
    SerialParallel parallel;
    conv2d(s, t.input.data(), packed.as<float>(), {.residual = output.data(), .activation = {}},
           output.data(), scratch.span(), parallel);
    EXPECT_EQ(output, want);
  });
}

TEST(Conv2d, ResultsDoNotDependOnThreadsOrBatch) {
  const Conv2dShape s = square(4, 80, 9, 30, 3, 1, 1);
  Random random(4);
  const Tensors t(s, random);
  for_each_target([&] {
    const std::vector<float> want = run(s, t, {}, 1);
    EXPECT_EQ(run(s, t, {}, 3), want);
    Conv2dShape one = s;
    one.batch = 1;
    const std::vector<float> first = run(one, t, {}, 1);
    // `first` is as long as the whole batch; only its first image is written.
    const size_t image = want.size() / 4;
    EXPECT_TRUE(
        std::equal(want.begin(), want.begin() + static_cast<int64_t>(image), first.begin()));
  });
}

TEST(Conv2d, RunsOverChannelsAFewAtATime) {
  for (const Conv2dShape& s : {square(2, 20, 20, 100, 3, 1, 1), square(3, 20, 5, 100, 3, 1, 1)}) {
    Random random(5);
    const Tensors t(s, random);
    const Epilogue epilogue{t.bias.data(), t.residual.data(), {}};
    for_each_target([&] {
      const std::vector<float> want = run(s, t, epilogue, 2);
      AlignedBuffer packed(conv2d_packed_bytes(s));
      conv2d_pack(s, t.weights.data(), packed.as<float>());
      ASSERT_EQ(conv2d_packed_offset(s, s.out_channels), packed.size());
      AlignedBuffer scratch(conv2d_scratch_bytes(s, 2));
      TestParallel parallel(2);
      std::vector<float> got(want.size(), NAN);
      const int64_t block = conv2d_channel_block(s);
      ASSERT_GT(block, 0);
      for (int64_t first = 0; first < s.out_channels; first += block) {
        const int64_t last = std::min(first + block, s.out_channels);
        const size_t offset = conv2d_packed_offset(s, first);
        AlignedBuffer part(conv2d_packed_offset(s, last) - offset);
        std::memcpy(part.data(), packed.data() + offset, part.size());
        conv2d_channels(s, first, last, t.input.data(), part.as<float>(), epilogue, got.data(),
                        scratch.span(), parallel);
      }
      EXPECT_EQ(got, want);
    });
  }
}

TEST(Conv2d, NanGoesThrough) {
  const Conv2dShape s = square(1, 4, 8, 20, 3, 1, 1);
  Random random(6);
  Tensors t(s, random);
  t.weights.assign(t.weights.size(), NAN);
  for (const Activation& activation : all_activations()) {
    for_each_target([&] {
      for (float v : run(s, t, {.activation = activation}, 1)) ASSERT_TRUE(std::isnan(v));
    });
  }
}

TEST(Conv2d, NamesItsKernel) {
  EXPECT_STREQ(conv2d_kernel_name(square(1, 64, 56, 64, 3, 1, 1)), "gemm_pixels");
  EXPECT_STREQ(conv2d_kernel_name(square(1, 64, 56, 64, 1, 1, 0)), "gemm_1x1_pixels");
  EXPECT_STREQ(conv2d_kernel_name(square(1, 8, 56, 8, 3, 1, 1, 1, 8)), "depthwise");
}

}  // namespace
}  // namespace taoism::kernels
