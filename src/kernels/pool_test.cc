#include "kernels/pool.h"

#include "kernels/kernel_test_support.h"

namespace taoism::kernels {
namespace {

Pool2dShape random_shape(Random& random) {
  Pool2dShape s;
  s.batch = random.integer(1, 3);
  s.channels = random.integer(1, 5);
  s.in_h = random.integer(1, 20);
  s.in_w = random.integer(1, 40);
  s.kernel_h = random.integer(1, 4);
  s.kernel_w = random.integer(1, 4);
  s.stride_h = random.integer(1, 3);
  s.stride_w = random.integer(1, 3);
  s.pad_top = random.integer(0, s.kernel_h - 1);
  s.pad_left = random.integer(0, s.kernel_w - 1);
  s.pad_bottom = random.integer(0, s.kernel_h - 1);
  s.pad_right = random.integer(0, s.kernel_w - 1);
  const auto out = [&](int64_t in, int64_t pads, int64_t kernel, int64_t stride) {
    const int64_t free = in + pads - kernel;
    return free < 0 ? 1 : (free + random.integer(0, stride - 1)) / stride + 1;  // floor or ceil
  };
  s.out_h = out(s.in_h, s.pad_top + s.pad_bottom, s.kernel_h, s.stride_h);
  s.out_w = out(s.in_w, s.pad_left + s.pad_right, s.kernel_w, s.stride_w);
  return s;
}

enum class Kind { max, average, average_with_padding };

std::vector<Sum> reference(const Pool2dShape& s, Kind kind, const std::vector<float>& input) {
  std::vector<Sum> out;
  for (int64_t plane = 0; plane < s.batch * s.channels; ++plane) {
    for (int64_t y = 0; y < s.out_h; ++y) {
      for (int64_t x = 0; x < s.out_w; ++x) {
        double largest = -INFINITY;
        double total = 0;
        int64_t inside = 0;
        int64_t padded = 0;
        for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
          for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
            const int64_t iy = y * s.stride_h - s.pad_top + ky * s.dilation_h;
            const int64_t ix = x * s.stride_w - s.pad_left + kx * s.dilation_w;
            if (iy < s.in_h + s.pad_bottom && ix < s.in_w + s.pad_right) ++padded;
            if (iy < 0 || iy >= s.in_h || ix < 0 || ix >= s.in_w) continue;
            ++inside;
            const double v = input[(plane * s.in_h + iy) * s.in_w + ix];
            largest = std::max(largest, v);
            total += v;
          }
        }
        const int64_t divisor = kind == Kind::average ? inside : padded;
        Sum sum;
        sum.value = kind == Kind::max ? largest : (divisor == 0 ? 0 : total / divisor);
        sum.magnitude = 1;
        out.push_back(sum);
      }
    }
  }
  return out;
}

void check(const Pool2dShape& s, Kind kind, Random& random) {
  SCOPED_TRACE(std::to_string(s.in_h) + "x" + std::to_string(s.in_w) + " kernel " +
               std::to_string(s.kernel_h) + "x" + std::to_string(s.kernel_w) + " stride " +
               std::to_string(s.stride_h) + "x" + std::to_string(s.stride_w) + " pad " +
               std::to_string(s.pad_top) + " " + std::to_string(s.pad_left));
  const auto input = random.floats(s.batch * s.channels * s.in_h * s.in_w);
  const std::vector<Sum> want = reference(s, kind, input);
  for_each_target([&] {
    TestParallel parallel(2);
    std::vector<float> got(want.size());
    if (kind == Kind::max) {
      max_pool2d(s, input.data(), got.data(), parallel);
    } else {
      average_pool2d(s, kind == Kind::average_with_padding, input.data(), got.data(), parallel);
    }
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::isinf(want[i].value)) {
        ASSERT_EQ(got[i], want[i].value);
      } else {
        ASSERT_NEAR(got[i], want[i].value, 1e-6) << "element " << i;
      }
    }
  });
}

TEST(Pool, EqualsReferenceOnRandomShapes) {
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    Pool2dShape s = random_shape(random);
    check(s, Kind::average, random);
    check(s, Kind::average_with_padding, random);
    s.dilation_h = random.integer(1, 3);
    s.dilation_w = random.integer(1, 3);
    check(s, Kind::max, random);
  }
}

TEST(Pool, EqualsReferenceOnWideMaps) {
  Random random(2);
  Pool2dShape s;
  s.in_h = 3;
  s.in_w = 5000;
  s.kernel_h = 2;
  s.kernel_w = 3;
  for (int64_t stride : {1, 2, 3}) {
    s.stride_w = stride;
    s.out_h = 2;
    s.out_w = (s.in_w - 3) / stride + 1;
    check(s, Kind::max, random);
    check(s, Kind::average, random);
  }
  s.kernel_w = 3000;
  s.out_w = 10;
  s.stride_w = 200;
  check(s, Kind::max, random);
  check(s, Kind::average, random);
}

TEST(Pool, NanWins) {
  Pool2dShape s;
  s.in_h = s.in_w = 8;
  s.out_h = s.out_w = 4;
  s.kernel_h = s.kernel_w = 2;
  s.stride_h = s.stride_w = 2;
  for (size_t at : {0, 1, 8, 9}) {
    std::vector<float> input(64, 1.0f);
    input[at] = NAN;
    for_each_target([&] {
      SerialParallel parallel;
      std::vector<float> got(16);
      max_pool2d(s, input.data(), got.data(), parallel);
      EXPECT_TRUE(std::isnan(got[0]));
      EXPECT_EQ(got[1], 1.0f);
    });
  }
}

}  // namespace
}  // namespace taoism::kernels
