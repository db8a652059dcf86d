#include "kernels/conv2d.h"

#include <map>

#include "kernels/conv2d_test_support.h"
#include "kernels/winograd.h"

namespace taoism::kernels {
namespace {

std::vector<Sum> reference(const Conv2dShape& s, const ConvTensors& t, const Epilogue& epilogue) {
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

// Winograd's sums go through those of the whole tile, so that what a pixel at the border, which
// sees little but padding, gains in rounding is that of its neighbours: the plane's largest
// magnitude.
std::vector<Sum> with_magnitudes_of_planes(const Conv2dShape& s, std::vector<Sum> sums) {
  const auto plane = static_cast<size_t>(s.out_h * s.out_w);
  for (size_t begin = 0; begin < sums.size(); begin += plane) {
    double most = 0;
    for (size_t i = begin; i < begin + plane; ++i) most = std::max(most, sums[i].magnitude);
    for (size_t i = begin; i < begin + plane; ++i) sums[i].magnitude = most;
  }
  return sums;
}

using KernelCounts = std::map<ConvKernel, int>;

void check(const Conv2dShape& s, size_t threads, uint32_t seed, KernelCounts& count_of) {
  SCOPED_TRACE(describe(s) + "threads " + std::to_string(threads));
  Random random(seed);
  const ConvTensors t(s, random);
  Epilogue epilogue;
  if (seed % 2 == 0) epilogue.bias = t.bias.data();
  if (seed % 3 == 0) epilogue.residual = t.residual.data();
  epilogue.activation = all_activations()[seed % all_activations().size()];
  const std::vector<Sum> want = reference(s, t, epilogue);
  const std::vector<Sum> want_of_tiles = with_magnitudes_of_planes(s, want);
  for_each_target([&] {
    const auto run = [&](const Conv2dShape& packed) {
      ++count_of[packed.packing.kernel];
      expect_close(run_conv(packed, t, epilogue, threads),
                   winograd_tile(packed.packing.kernel) != 0 ? want_of_tiles : want,
                   epilogue.activation);
    };
    const Conv2dShape fastest = chosen(s);
    run(fastest);
    // What another build may have chosen: another kernel, and tiles of other sizes.
    const std::vector<ConvKernel> kernels = all_conv_kernels();
    const int64_t last = static_cast<int64_t>(kernels.size()) - 1;
    Conv2dShape other = chosen(s, kernels[static_cast<size_t>(random.integer(1, last))]);
    if (!conv2d_applies(s, other.packing.kernel)) other = fastest;
    other.packing = random_packing(other, random);
    SCOPED_TRACE(describe(other.packing));
    if (!(other.packing == fastest.packing)) run(other);
  });
}

TEST(Conv2d, EqualsReference) {
  uint32_t seed = 0;
  KernelCounts count_of;
  for (const Conv2dShape& shape : kConvShapes) {
    for (size_t threads : {1, 2}) check(shape, threads, seed, count_of);
    ++seed;
  }
}

TEST(Conv2d, EqualsReferenceOnTwoThousandShapes) {
  Random random(7);
  KernelCounts count_of;
  for (uint32_t i = 0; i < 2000; ++i) {
    const Conv2dShape shape = i % 6 < 2    ? random_shape(random)
                              : i % 6 == 2 ? random_winograd(random)
                              : i % 6 == 3 ? random_1x1(random)
                              : i % 6 == 4 ? random_1d(random)
                                           : random_stem(random);
    check(shape, 1 + i % 3, i / 6, count_of);
  }
  for (const ConvKernel kernel : all_conv_kernels()) {
    if (kernel == ConvKernel::none) continue;
    EXPECT_GT(count_of[kernel], 40) << conv_kernel_name(kernel);
  }
}

TEST(Conv2d, ResidualMayBeTheOutput) {
  Random random(3);
  for (const Conv2dShape& shape : {square(2, 70, 10, 20, 3, 1, 1), square(2, 3, 39, 20, 7, 1, 3)}) {
    const ConvTensors t(shape, random);
    for (const Activation& activation : all_activations()) {
      for_each_target([&] {
        const Conv2dShape s = chosen(shape);
        const Epilogue epilogue{.residual = t.residual.data(), .activation = activation};
        const std::vector<float> want = run_conv(s, t, epilogue, 1);
        AlignedBuffer packed(conv2d_packed_bytes(s));
        conv2d_pack(s, t.weights.data(), packed.as<float>());
        AlignedBuffer scratch(conv2d_scratch_bytes(s, 1));
        std::vector<float> output = t.residual;
        SerialParallel parallel;
        conv2d(s, t.input.data(), packed.as<float>(),
               {.residual = output.data(), .activation = activation}, output.data(), scratch.span(),
               parallel);
        EXPECT_EQ(output, want);
      });
    }
  }
}

TEST(Conv2d, ResultsDoNotDependOnThreadsOrBatch) {
  const Conv2dShape s = square(4, 80, 9, 30, 3, 1, 1);
  Random random(4);
  const ConvTensors t(s, random);
  for_each_target([&] {
    const std::vector<float> want = run_conv(s, t, {}, 1);
    EXPECT_EQ(run_conv(s, t, {}, 3), want);
    Conv2dShape one = s;
    one.batch = 1;
    const std::vector<float> first = run_conv(one, t, {}, 1);
    // `first` is as long as the whole batch; only its first image is written.
    const size_t image = want.size() / 4;
    EXPECT_TRUE(
        std::equal(want.begin(), want.begin() + static_cast<int64_t>(image), first.begin()));
  });
}

TEST(Conv2d, NanGoesThrough) {
  const Conv2dShape s = square(1, 4, 8, 20, 3, 1, 1);
  Random random(6);
  ConvTensors t(s, random);
  t.weights.assign(t.weights.size(), NAN);
  for (const Activation& activation : all_activations()) {
    for_each_target([&] {
      for (float v : run_conv(s, t, {.activation = activation}, 1)) ASSERT_TRUE(std::isnan(v));
    });
  }
}

TEST(Conv2d, ChoosesAKernel) {
  const auto name = [](const Conv2dShape& s) {
    return std::string(conv_kernel_name(choose_conv2d(s).kernel));
  };
  EXPECT_EQ(name(square(1, 64, 56, 64, 3, 2, 1)), "gemm_pixels");
  EXPECT_EQ(name(square(1, 64, 56, 64, 3, 1, 1)), "winograd_4x4_pixels");
  EXPECT_EQ(name(square(1, 64, 27, 64, 5, 1, 2)), "winograd_2x2_pixels");
  EXPECT_EQ(name(square(1, 3, 224, 64, 7, 2, 3)), "direct");
  EXPECT_EQ(name(square(1, 64, 56, 64, 1, 1, 0)), "gemm_pixels");
  EXPECT_EQ(name(square(1, 8, 56, 8, 3, 1, 1, 1, 8)), "depthwise");
}

TEST(Conv2d, NamesAreThoseOfKernels) {
  for (const ConvKernel kernel : all_conv_kernels()) {
    const std::optional<ConvKernel> found = find_conv_kernel(conv_kernel_name(kernel));
    EXPECT_EQ(found.value_or(ConvKernel::none), kernel);
  }
  EXPECT_FALSE(find_conv_kernel("none").has_value());
  EXPECT_FALSE(find_conv_kernel("").has_value());
}

TEST(Conv2d, AppliesToWhatIsChosenAlone) {
  Random random(9);
  for (int i = 0; i < 300; ++i) {
    const Conv2dShape shape = i % 2 == 0 ? random_shape(random) : random_winograd(random);
    for_each_target([&] {
      EXPECT_FALSE(conv2d_applies(shape));
      const Conv2dShape s = chosen(shape);
      EXPECT_TRUE(conv2d_applies(s)) << describe(s);
      for (const ConvKernel kernel : all_conv_kernels()) {
        EXPECT_EQ(conv2d_applies(chosen(shape, kernel)), conv2d_applies(shape, kernel));
      }
      Conv2dShape wrong = s;
      wrong.packing.tile_width += 1000;
      EXPECT_FALSE(conv2d_applies(wrong));
      wrong = s;
      wrong.packing.block_depth += 1;
      EXPECT_FALSE(conv2d_applies(wrong)) << describe(s);
    });
  }
}

}  // namespace
}  // namespace taoism::kernels
