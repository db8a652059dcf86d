// Convolution by pieces of the weights, by images and by bands of rows: the same bits as the whole.
#include <cstring>

#include "kernels/conv2d_test_support.h"

namespace taoism::kernels {
namespace {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Conv2dShape with_groups_1d(int64_t batch, int64_t in, int64_t length, int64_t out, int64_t kernel,
                           int64_t groups) {
  Conv2dShape s = square(batch, in, length, out, kernel, 1, kernel / 2, 1, groups);
  s.in_h = s.out_h = s.kernel_h = s.stride_h = s.dilation_h = 1;
  s.pad_top = 0;
  return s;
}

std::vector<Conv2dShape> shapes() {
  std::vector<Conv2dShape> all(std::begin(kConvShapes), std::end(kConvShapes));
  all.push_back(square(17, 150, 3, 104, 3, 1, 1));       // channels form, many k blocks
  all.push_back(square(2, 150, 3, 104, 3, 1, 1, 1, 2));  // the same with groups
  all.push_back(square(5, 400, 2, 300, 3, 1, 1, 1, 4));  //
  all.push_back(square(2, 300, 9, 40, 3, 1, 1, 1, 2));   // pixels form, k blocks and groups
  all.push_back(square(3, 1250, 8, 70, 1, 1, 0));        //
  all.push_back(square(1, 1250, 1, 70, 1, 1, 0, 1, 2));  //
  all.push_back(with_groups_1d(3, 200, 50, 40, 7, 1));   // 1-D
  all.push_back(with_groups_1d(2, 1400, 7, 100, 1, 2));  //
  all.push_back(with_groups_1d(4, 12, 33, 24, 5, 12));   //
  Random random(31);
  for (int i = 0; i < 25; ++i) {
    all.push_back(random_shape(random));
    Conv2dShape deep = random_shape(random);  // several blocks of k
    deep.batch = random.integer(1, 3);
    deep.groups = random.integer(1, 3);
    deep.in_channels = deep.groups * random.integer(100, 400);
    deep.out_channels = deep.groups * random.integer(1, 90);
    deep.in_h = std::min<int64_t>(deep.in_h, 5);
    deep.in_w = std::min<int64_t>(deep.in_w, 6);
    deep.out_h = std::min<int64_t>(deep.out_h, 3);
    deep.out_w = std::min<int64_t>(deep.out_w, 6);
    deep.kernel_h = deep.kernel_w = random.integer(1, 3);
    all.push_back(deep);
  }
  return all;
}

std::vector<size_t> cuts_of(const Conv2dShape& s, size_t target_bytes) {
  std::vector<size_t> cuts;
  const size_t all = conv2d_packed_bytes(s);
  for (size_t at = 0; at < all && cuts.size() < 100000;) {
    at = conv2d_piece_end(s, at, target_bytes);
    if (!cuts.empty() && at <= cuts.back()) break;
    cuts.push_back(at);
  }
  return cuts;
}

std::vector<size_t> random_cuts(const Conv2dShape& s, Random& random) {
  const std::vector<size_t> all = cuts_of(s, 1);
  const int64_t keep = random.integer(1, 6);
  std::vector<size_t> cuts;
  for (size_t cut : all) {
    if (cut == all.back() || random.integer(0, keep) == 0) cuts.push_back(cut);
  }
  return cuts;
}

// Every piece in memory of its own, so that a step outside is seen.
std::vector<float> run_parts(const Conv2dShape& s, const ConvTensors& t, const Epilogue& epilogue,
                             size_t threads, const std::vector<size_t>& cuts) {
  AlignedBuffer packed(conv2d_packed_bytes(s));
  conv2d_pack(s, t.weights.data(), packed.as<float>());
  AlignedBuffer scratch = poisoned_scratch(conv2d_part_scratch_bytes(s, threads));
  std::vector<float> output(t.residual.size(), NAN);
  Epilogue own = epilogue;
  const bool in_place = s.batch % 2 == 0;
  if (epilogue.residual != nullptr && in_place) {
    output = t.residual;
    own.residual = output.data();
  }
  TestParallel parallel(threads);
  size_t begin = 0;
  for (size_t end : cuts) {
    AlignedBuffer piece(end - begin);
    std::memcpy(piece.data(), packed.data() + begin, piece.size());
    conv2d_part(s, begin, end, t.input.data(), piece.as<float>(), own, output.data(),
                scratch.span(), parallel);
    begin = end;
  }
  return output;
}

Epilogue epilogue_of(const ConvTensors& t, size_t seed) {
  Epilogue epilogue;
  if (seed % 2 == 0) epilogue.bias = t.bias.data();
  if (seed % 3 != 0) epilogue.residual = t.residual.data();
  epilogue.activation = all_activations()[seed % all_activations().size()];
  return epilogue;
}

TEST(Conv2dPart, CutsAreTheLastOnesInReach) {
  for (const Conv2dShape& shape : shapes()) {
    SCOPED_TRACE(describe(shape));
    for_each_target([&] {
      const Conv2dShape s = chosen(shape);
      const size_t bytes = conv2d_packed_bytes(s);
      const std::vector<size_t> all = cuts_of(s, 1);
      ASSERT_FALSE(all.empty());
      ASSERT_EQ(all.back(), bytes);
      Conv2dShape other = s;
      other.batch = s.batch + 3;
      ASSERT_EQ(cuts_of(other, 1), all);
      for (size_t target : {size_t{0}, size_t{1000}, size_t{20000}, bytes - 1, SIZE_MAX}) {
        size_t begin = 0;
        for (size_t cut : cuts_of(s, target)) {
          size_t want = 0;
          for (size_t c : all) {
            if (c > begin && (want == 0 || c - begin <= target)) want = c;
          }
          ASSERT_EQ(cut, want) << "after " << begin << " for " << target;
          begin = cut;
        }
        ASSERT_EQ(begin, bytes);
      }
    });
  }
}

TEST(Conv2dPart, PartsEqualTheWhole) {
  Random random(32);
  size_t seed = 0;
  for (const Conv2dShape& shape : shapes()) {
    SCOPED_TRACE(describe(shape));
    const ConvTensors t(shape, random);
    const Epilogue epilogue = epilogue_of(t, ++seed);
    for_each_target([&] {
      Conv2dShape s = chosen(shape);
      if (seed % 2 == 0) s.packing = random_packing(s, random);
      SCOPED_TRACE(describe(s.packing));
      const std::vector<float> want = run_conv(s, t, epilogue, 1);
      for (size_t threads : {1, 3}) {
        SCOPED_TRACE("threads " + std::to_string(threads));
        ASSERT_TRUE(same_bits(run_conv(s, t, epilogue, threads), want));
        const auto check = [&](const std::vector<size_t>& cuts) {
          ASSERT_TRUE(same_bits(run_parts(s, t, epilogue, threads, cuts), want))
              << cuts.size() << " pieces";
        };
        check(random_cuts(s, random));
        for (size_t target : {size_t{40000}, size_t{150000}, SIZE_MAX}) check(cuts_of(s, target));
      }
      if (seed % 4 == 0) {
        ASSERT_TRUE(same_bits(run_parts(s, t, epilogue, 1, cuts_of(s, 1)), want));
      }
    });
  }
}

TEST(Conv2dPart, EveryEpilogueIsAppliedOnce) {
  for (const int64_t batch : {1, 2}) {  // run_parts: even, the residual is the output
    for (const Conv2dShape& shape :
         {square(batch, 140, 5, 20, 3, 1, 1), square(batch, 140, 3, 60, 3, 1, 1),
          square(batch, 20, 9, 20, 3, 1, 1, 1, 20)}) {
      SCOPED_TRACE(describe(shape));
      Random random(33);
      const ConvTensors t(shape, random);
      for (const Activation& activation : all_activations()) {
        for (int i = 0; i < 4; ++i) {
          const Epilogue epilogue{i % 2 == 0 ? t.bias.data() : nullptr,
                                  i / 2 == 0 ? t.residual.data() : nullptr, activation};
          for_each_target([&] {
            const Conv2dShape s = chosen(shape);
            ASSERT_TRUE(same_bits(run_parts(s, t, epilogue, 3, cuts_of(s, 30000)),
                                  run_conv(s, t, epilogue, 1)));
          });
        }
      }
    }
  }
}

TEST(Conv2d, ABatchEqualsItsImages) {
  size_t seed = 0;
  for (Conv2dShape s : shapes()) {
    const int64_t image_macs =
        s.out_channels * s.out_h * s.out_w * s.in_channels / s.groups * s.kernel_h * s.kernel_w;
    s.batch = image_macs > 1000000 ? 2 : 1 + static_cast<int64_t>(seed % 17);
    SCOPED_TRACE(describe(s));
    Random random(34);
    const ConvTensors t(s, random);
    const Epilogue epilogue = epilogue_of(t, ++seed);
    for_each_target([&] {
      const std::vector<float> want = run_conv(s, t, epilogue, 1);
      Conv2dShape one = s;
      one.batch = 1;
      std::vector<float> got;
      for (int64_t n = 0; n < s.batch; ++n) {
        const auto image = [&](const std::vector<float>& all) {
          const auto elems = static_cast<int64_t>(all.size()) / s.batch;
          return std::vector<float>(all.begin() + n * elems, all.begin() + (n + 1) * elems);
        };
        ConvTensors own = t;
        own.input = image(t.input);
        own.residual = image(t.residual);
        Epilogue epilogue_of_one = epilogue;
        if (epilogue.residual != nullptr) epilogue_of_one.residual = own.residual.data();
        const std::vector<float> out = run_conv(one, own, epilogue_of_one, 1);
        got.insert(got.end(), out.begin(), out.end());
      }
      ASSERT_TRUE(same_bits(got, want));
    });
  }
}

// Rows [begin, end) of every plane.
std::vector<float> rows_of(const std::vector<float>& all, int64_t height, int64_t width,
                           int64_t begin, int64_t end) {
  std::vector<float> rows;
  const auto planes = static_cast<int64_t>(all.size()) / (height * width);
  for (int64_t p = 0; p < planes; ++p) {
    const auto plane = all.begin() + p * height * width;
    rows.insert(rows.end(), plane + begin * width, plane + end * width);
  }
  return rows;
}

TEST(Conv2d, BandsOfRowsEqualTheWholeMap) {
  Random random(35);
  size_t seed = 0;
  for (const Conv2dShape& shape : shapes()) {
    SCOPED_TRACE(describe(shape));
    const ConvTensors t(shape, random);
    const Epilogue epilogue = epilogue_of(t, ++seed);
    const int64_t some = random.integer(1, std::max<int64_t>(1, shape.out_h / 2));
    for_each_target([&] {
      const Conv2dShape s = chosen(shape);
      const int64_t step = conv2d_row_step(s);
      const int64_t height = (some + step - 1) / step * step;
      const std::vector<float> want = run_conv(s, t, epilogue, 1);
      for (int64_t begin = 0; begin < s.out_h; begin += height) {
        const int64_t end = std::min(begin + height, s.out_h);
        const int64_t top = begin * s.stride_h - s.pad_top;
        const int64_t bottom =
            (end - 1) * s.stride_h - s.pad_top + (s.kernel_h - 1) * s.dilation_h + 1;
        const int64_t in_begin = std::clamp<int64_t>(top, 0, s.in_h - 1);
        const int64_t in_end = std::clamp<int64_t>(bottom, in_begin + 1, s.in_h);
        if (in_begin < top) continue;  // nothing but padding below the map
        Conv2dShape band = s;
        band.in_h = in_end - in_begin;
        band.out_h = end - begin;
        band.pad_top = in_begin - top;
        ASSERT_EQ(cuts_of(band, 1), cuts_of(s, 1));
        ConvTensors own = t;
        own.input = rows_of(t.input, s.in_h, s.in_w, in_begin, in_end);
        own.residual = rows_of(t.residual, s.out_h, s.out_w, begin, end);
        Epilogue epilogue_of_band = epilogue;
        if (epilogue.residual != nullptr) epilogue_of_band.residual = own.residual.data();
        const std::vector<float> rows = rows_of(want, s.out_h, s.out_w, begin, end);
        ASSERT_TRUE(same_bits(run_conv(band, own, epilogue_of_band, 3), rows));
        ASSERT_TRUE(
            same_bits(run_parts(band, own, epilogue_of_band, 1, cuts_of(band, 60000)), rows));
      }
    });
  }
}

}  // namespace
}  // namespace taoism::kernels
