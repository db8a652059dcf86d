// Winograd's kernels by themselves: when they are chosen, and how much scratch they are given.
// What they compute is compared in conv2d_test.cc and conv2d_part_test.cc.
#include "kernels/winograd.h"

#include "kernels/conv2d_test_support.h"
#include "kernels/tile.h"

namespace taoism::kernels {
namespace {

std::vector<Conv2dShape> shapes() {
  return {
      square(1, 64, 56, 64, 3, 1, 1),   // several panels of their own
      square(3, 130, 16, 52, 3, 1, 1),  // chunks of channels, the last of two
      square(1, 512, 28, 40, 3, 1, 1),  // a round for each panel
      square(1, 256, 13, 64, 3, 1, 1),  // along channels
      square(2, 512, 7, 72, 3, 1, 1),   // along channels, of which the last vector is half full
      square(9, 96, 19, 34, 3, 1, 1),   // along channels, panels that end within rows
      square(17, 40, 6, 30, 3, 1, 0),   // tiles across images
      square(1, 64, 27, 56, 5, 1, 2),   // 5x5
      square(2, 256, 7, 72, 5, 1, 2),   // 5x5 along channels
  };
}

TEST(Winograd, IsChosenByTheShapeOfOneImage) {
  for (const Conv2dShape& s : shapes()) {
    SCOPED_TRACE(describe(s));
    for_each_target([&] {
      const ConvPacking choice = choose_conv2d(s);
      for (const int64_t batch : {1, 8, 100}) {
        Conv2dShape other = s;
        other.batch = batch;
        EXPECT_EQ(choose_conv2d(other), choice);
      }
    });
  }
}

TEST(Winograd, IsForPlain3x3And5x5Alone) {
  const auto sizes = [](const Conv2dShape& s) {
    return std::pair(winograd_applies(s, 2), winograd_applies(s, 4));
  };
  const std::pair both(true, true), small(true, false), none(false, false);
  const Conv2dShape plain = square(1, 64, 56, 64, 3, 1, 1);
  EXPECT_EQ(sizes(plain), both);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 3, 2, 1)), none);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 3, 1, 2, 2)), none);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 5, 1, 2)), small);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 5, 2, 2)), none);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 4, 1, 1)), none);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 7, 1, 3)), none);
  EXPECT_EQ(sizes(square(1, 64, 56, 64, 3, 1, 1, 1, 2)), none);
  Conv2dShape row = plain;
  for (const int64_t kernel_h : {1, 5}) {
    row.kernel_h = kernel_h;
    EXPECT_EQ(sizes(row), none);
  }
}

// Packed weights are no larger than the weights, or in whole vectors of channels.
TEST(Winograd, WeightsDoNotGrow) {
  for (const Conv2dShape& shape : shapes()) {
    for_each_target([&] {
      const Conv2dShape s = chosen(shape);
      if (winograd_tile(s.packing.kernel) == 0) return;
      const int64_t outputs = is_along_channels(s.packing.kernel)
                                  ? ceil_to(s.out_channels, tile_set().lanes)
                                  : s.out_channels;
      EXPECT_EQ(
          conv2d_packed_bytes(s),
          static_cast<size_t>(s.in_channels * outputs * s.kernel_h * s.kernel_w) * sizeof(float));
    });
  }
}

TEST(Winograd, AnyScratchGivesTheSameBits) {
  Random random(41);
  for (const Conv2dShape& shape : shapes()) {
    SCOPED_TRACE(describe(shape));
    const ConvTensors t(shape, random);
    const Epilogue epilogue{.bias = t.bias.data(), .activation = {ActivationKind::relu}};
    for_each_target([&] {
      const Conv2dShape s = chosen(shape);
      if (winograd_tile(s.packing.kernel) == 0) return;
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
