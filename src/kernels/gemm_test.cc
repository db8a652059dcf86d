#include <cstring>

#include "kernels/kernel_test_support.h"
#include "kernels/linear.h"
#include "kernels/matmul.h"

namespace taoism::kernels {
namespace {

struct LinearCase {
  LinearShape shape;
  size_t threads;
};

const LinearCase kLinearCases[] = {
    {{1, 512, 1000}, 1}, {{1, 600, 10}, 2}, {{8, 768, 47}, 2},  {{3, 25088, 5}, 1},
    {{64, 512, 100}, 2}, {{1, 1, 1}, 1},    {{500, 33, 65}, 2}, {{7, 1030, 96}, 1},
    {{13, 5, 16}, 2},    {{2, 513, 49}, 2}, {{193, 9, 200}, 1}, {{1, 1300, 48}, 2},
};

TEST(Linear, EqualsReference) {
  uint32_t seed = 0;
  for (const LinearCase& linear_case : kLinearCases) {
    const LinearShape& s = linear_case.shape;
    const size_t threads = linear_case.threads;
    SCOPED_TRACE(std::to_string(s.rows) + " x " + std::to_string(s.in_features) + " -> " +
                 std::to_string(s.out_features));
    Random random(seed);
    const auto x = random.floats(s.rows * s.in_features);
    const auto weights = random.floats(s.out_features * s.in_features);
    const auto bias = random.floats(s.out_features);
    const auto residual = random.floats(s.rows * s.out_features);
    const bool in_by_out = seed % 2 == 1;
    Epilogue epilogue;
    if (seed % 3 != 0) epilogue.bias = bias.data();
    if (seed % 4 == 0) epilogue.residual = residual.data();
    epilogue.activation = all_activations()[seed % all_activations().size()];
    std::vector<Sum> want(residual.size());
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t o = 0; o < s.out_features; ++o) {
        Sum& sum = want[r * s.out_features + o];
        if (epilogue.bias != nullptr) sum.add(bias[o]);
        if (epilogue.residual != nullptr) sum.add(residual[r * s.out_features + o]);
        for (int64_t i = 0; i < s.in_features; ++i) {
          const float w = weights[in_by_out ? i * s.out_features + o : o * s.in_features + i];
          sum.add(static_cast<double>(x[r * s.in_features + i]) * w);
        }
      }
    }
    for_each_target([&] {
      AlignedBuffer packed(linear_packed_bytes(s));
      linear_pack(s, weights.data(), in_by_out, packed.as<float>());
      AlignedBuffer scratch = poisoned_scratch(linear_scratch_bytes(s, threads));
      std::vector<float> y(residual.size(), NAN);
      TestParallel parallel(threads);
      linear(s, x.data(), packed.as<float>(), epilogue, y.data(), scratch.span(), parallel);
      expect_close(y, want, epilogue.activation);
    });
    ++seed;
  }
}

TEST(Linear, FeatureBlocksAreContiguous) {
  const LinearShape s{1, 30, 107};
  Random random(2);
  const auto weights = random.floats(s.out_features * s.in_features);
  for_each_target([&] {
    AlignedBuffer packed(linear_packed_bytes(s));
    linear_pack(s, weights.data(), false, packed.as<float>());
    const int64_t block = linear_feature_block(s);
    const std::byte* at = packed.data();
    for (int64_t first = 0; first < s.out_features; first += block) {
      LinearShape part = s;
      part.out_features = std::min(block, s.out_features - first);
      AlignedBuffer own(linear_packed_bytes(part));
      linear_pack(part, weights.data() + first * s.in_features, false, own.as<float>());
      EXPECT_EQ(std::memcmp(at, own.data(), own.size()), 0);
      at += own.size();
    }
  });
}

const MatmulShape kMatmulCases[] = {
    {1, 1, 1, 1, 0, 0},     {2, 17, 33, 9, 17 * 9, 9 * 33}, {3, 64, 48, 600, 0, 600 * 48},
    {4, 5, 50, 70, 350, 0}, {1, 400, 100, 30, 0, 0},        {2, 1, 100, 20, 20, 2000},
    {1, 10, 1, 1100, 0, 0},
};

TEST(Matmul, EqualsReference) {
  for (const MatmulShape& s : kMatmulCases) {
    SCOPED_TRACE(std::to_string(s.m) + " x " + std::to_string(s.k) + " x " + std::to_string(s.n));
    Random random(9);
    const auto a = random.floats((s.batch - 1) * s.a_batch_stride + s.m * s.k);
    const auto b = random.floats((s.batch - 1) * s.b_batch_stride + s.k * s.n);
    std::vector<Sum> want(static_cast<size_t>(s.batch * s.m * s.n));
    for (int64_t batch = 0; batch < s.batch; ++batch) {
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          for (int64_t k = 0; k < s.k; ++k) {
            want[(batch * s.m + i) * s.n + j].add(
                static_cast<double>(a[batch * s.a_batch_stride + i * s.k + k]) *
                b[batch * s.b_batch_stride + k * s.n + j]);
          }
        }
      }
    }
    for_each_target([&] {
      for (size_t threads : {1, 2}) {
        AlignedBuffer scratch = poisoned_scratch(matmul_scratch_bytes(s, threads));
        std::vector<float> c(want.size(), NAN);
        TestParallel parallel(threads);
        matmul(s, a.data(), b.data(), c.data(), scratch.span(), parallel);
        expect_close(c, want, {});
      }
    });
  }
}

}  // namespace
}  // namespace taoism::kernels
