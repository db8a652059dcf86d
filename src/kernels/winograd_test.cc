// Winograd's kernels by themselves: when they are chosen, and how much scratch they are given.
// What they compute is compared in conv2d_test.cc and conv2d_part_test.cc.
#include "kernels/winograd.h"

#include "kernels/conv2d_test_support.h"

namespace taoism::kernels {
namespace {

std::vector<Conv2dShape> shapes() {
  return {
      square(1, 64, 56, 64, 3, 1, 1),   // several panels of their own
      square(3, 130, 14, 52, 3, 1, 1),  // chunks of channels, the last of two
      square(1, 512, 28, 40, 3, 1, 1),  // a round for each panel
      square(2, 512, 7, 64, 3, 1, 1),   // tiles of 2x2
      square(17, 40, 6, 30, 3, 1, 0),   // tiles across images
  };
}

TEST(Winograd, IsChosenByTheShapeOfOneImage) {
  for (const Conv2dShape& s : shapes()) {
    SCOPED_TRACE(describe(s));
    for_each_target([&] {
      const int64_t tile = winograd_tile(s);
      for (const int64_t batch : {1, 8, 100}) {
        Conv2dShape other = s;
        other.batch = batch;
        EXPECT_EQ(winograd_tile(other), tile);
      }
      Conv2dShape band = s;
      band.layout_pixels = s.out_h * s.out_w;
      band.out_h = 2;
      band.in_h = 4;
      EXPECT_EQ(winograd_tile(band), tile);
    });
  }
}

TEST(Winograd, IsForPlain3x3Alone) {
  const Conv2dShape plain = square(1, 64, 56, 64, 3, 1, 1);
  ASSERT_NE(winograd_tile(plain), 0);
  EXPECT_EQ(winograd_tile(square(1, 64, 56, 64, 3, 2, 1)), 0);
  EXPECT_EQ(winograd_tile(square(1, 64, 56, 64, 3, 1, 2, 2)), 0);
  EXPECT_EQ(winograd_tile(square(1, 64, 56, 64, 5, 1, 2)), 0);
  EXPECT_EQ(winograd_tile(square(1, 64, 56, 64, 3, 1, 1, 1, 2)), 0);
  Conv2dShape row = plain;
  row.kernel_h = 1;
  EXPECT_EQ(winograd_tile(row), 0);
}

// Packed weights are no larger than the weights, in whole tiles.
TEST(Winograd, WeightsDoNotGrow) {
  for (const Conv2dShape& s : shapes()) {
    for_each_target([&] {
      if (winograd_tile(s) == 0) return;
      EXPECT_EQ(conv2d_packed_bytes(s),
                static_cast<size_t>(s.in_channels * s.out_channels * 9) * sizeof(float));
    });
  }
}

TEST(Winograd, AnyScratchGivesTheSameBits) {
  Random random(41);
  for (const Conv2dShape& s : shapes()) {
    SCOPED_TRACE(describe(s));
    const ConvTensors t(s, random);
    const Epilogue epilogue{.bias = t.bias.data(), .activation = {ActivationKind::relu}};
    for_each_target([&] {
      if (winograd_tile(s) == 0) return;
      const std::vector<float> want = run_conv(s, t, epilogue, 1);
      AlignedBuffer packed(conv2d_packed_bytes(s));
      conv2d_pack(s, t.weights.data(), packed.as<float>());
      for (const size_t threads : {size_t{1}, size_t{3}}) {
        const size_t least = conv2d_least_scratch_bytes(s, threads);
        const size_t least_of_part = conv2d_least_part_scratch_bytes(s, threads);
        const size_t most = conv2d_scratch_bytes(s, threads);
        ASSERT_LE(least, most);
        ASSERT_LE(least_of_part, conv2d_part_scratch_bytes(s, threads));
        TestParallel parallel(threads);
        for (const size_t share : {0, 1, 2}) {
          const size_t bytes = least + (most - least) * share / 2;
          AlignedBuffer scratch = poisoned_scratch(bytes);
          std::vector<float> output(want.size(), NAN);
          conv2d(s, t.input.data(), packed.as<float>(), epilogue, output.data(), scratch.span(),
                 parallel);
          ASSERT_EQ(output, want) << bytes << " bytes, " << threads << " threads";
          scratch = poisoned_scratch(least_of_part + (most - least) * share / 2);
          output.assign(want.size(), NAN);
          for (size_t begin = 0, end = 0; begin < packed.size(); begin = end) {
            end = conv2d_piece_end(s, begin, packed.size() / 3);
            conv2d_part(s, begin, end, t.input.data(), packed.as<float>() + begin / sizeof(float),
                        epilogue, output.data(), scratch.span(), parallel);
          }
          ASSERT_EQ(output, want) << "in parts, " << scratch.size() << " bytes";
        }
      }
    });
  }
}

}  // namespace
}  // namespace taoism::kernels
