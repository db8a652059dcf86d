#include <cstring>

#include "kernels/kernel_test_support.h"
#include "kernels/linear.h"
#include "kernels/matmul.h"
#include "kernels/tile.h"

namespace taoism::kernels {
namespace {

std::string text_of(const LinearShape& s) {
  return std::to_string(s.rows) + " x " + std::to_string(s.in_features) + " -> " +
         std::to_string(s.out_features);
}

struct LinearCase {
  LinearShape shape;
  size_t threads;
};

// With what is chosen for the current target.
LinearShape chosen(LinearShape s) {
  s.packing = choose_linear(s);
  return s;
}

// Any packing that applies.
LinearShape packed_anyhow(LinearShape s, Random& random) {
  s = chosen(s);
  const int64_t lanes = tile_set().lanes;
  s.packing.block_depth = random.integer(1, s.packing.block_depth);
  s.packing.tile_width = lanes * random.integer(1, s.packing.tile_width / lanes);
  return s;
}

const LinearCase kLinearCases[] = {
    {{1, 512, 1000}, 1}, {{1, 600, 10}, 2}, {{8, 768, 47}, 2},  {{3, 25088, 5}, 1},
    {{64, 512, 100}, 2}, {{1, 1, 1}, 1},    {{500, 33, 65}, 2}, {{7, 1030, 96}, 1},
    {{13, 5, 16}, 2},    {{2, 513, 49}, 2}, {{193, 9, 200}, 1}, {{1, 1300, 48}, 2},
};

TEST(Linear, EqualsReference) {
  uint32_t seed = 0;
  for (const LinearCase& linear_case : kLinearCases) {
    const LinearShape& shape = linear_case.shape;
    const size_t threads = linear_case.threads;
    SCOPED_TRACE(text_of(shape));
    const LinearShape& s = shape;
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
      EXPECT_FALSE(linear_applies(shape));
      for (const LinearShape& s : {chosen(shape), packed_anyhow(shape, random)}) {
        EXPECT_TRUE(linear_applies(s));
        AlignedBuffer packed(linear_packed_bytes(s));
        linear_pack(s, weights.data(), in_by_out, packed.as<float>());
        AlignedBuffer scratch = poisoned_scratch(linear_scratch_bytes(s, threads));
        std::vector<float> y(residual.size(), NAN);
        TestParallel parallel(threads);
        linear(s, x.data(), packed.as<float>(), epilogue, y.data(), scratch.span(), parallel);
        expect_close(y, want, epilogue.activation);
      }
    });
    ++seed;
  }
}

const LinearShape kPartShapes[] = {
    {1, 512, 1000}, {1, 513, 49},  {17, 1030, 96}, {3, 2500, 5},    {70, 1100, 130},
    {2, 1, 1},      {9, 600, 200}, {1, 2000, 300}, {13, 1025, 200}, {40, 30, 107},
};

std::vector<size_t> cuts_of(const LinearShape& s, size_t target_bytes) {
  std::vector<size_t> cuts;
  for (size_t at = 0; at < linear_packed_bytes(s);) {
    at = linear_piece_end(s, at, target_bytes);
    if (!cuts.empty() && at <= cuts.back()) break;
    cuts.push_back(at);
  }
  return cuts;
}

std::vector<size_t> random_cuts(const LinearShape& s, Random& random) {
  const std::vector<size_t> all = cuts_of(s, 1);
  std::vector<size_t> cuts;
  for (size_t cut : all) {
    if (cut == all.back() || random.integer(0, 2) == 0) cuts.push_back(cut);
  }
  return cuts;
}

TEST(LinearPart, CutsAreTheLastOnesInReach) {
  for (const LinearShape& shape : kPartShapes) {
    for_each_target([&] {
      const LinearShape s = chosen(shape);
      const std::vector<size_t> all = cuts_of(s, 1);
      ASSERT_EQ(all.back(), linear_packed_bytes(s));
      EXPECT_EQ(cuts_of(chosen({s.rows + 1, s.in_features, s.out_features}), 1), all);
      for (size_t target : {size_t{0}, size_t{100000}, size_t{300000}, SIZE_MAX}) {
        size_t begin = 0;
        for (size_t cut : cuts_of(s, target)) {
          size_t want = 0;
          for (size_t c : all) {
            if (c > begin && (want == 0 || c - begin <= target)) want = c;
          }
          ASSERT_EQ(cut, want) << "after " << begin << " for " << target;
          begin = cut;
        }
        ASSERT_EQ(begin, linear_packed_bytes(s));
      }
    });
  }
}

TEST(LinearPart, PartsAndRowsEqualTheWhole) {
  Random random(21);
  size_t seed = 0;
  for (const LinearShape& unpacked : kPartShapes) {
    SCOPED_TRACE(text_of(unpacked));
    LinearShape s = unpacked;
    const auto x = random.floats(s.rows * s.in_features);
    const auto weights = random.floats(s.out_features * s.in_features);
    const auto bias = random.floats(s.out_features);
    const auto residual = random.floats(s.rows * s.out_features);
    const auto epilogue_of = [&](size_t index, const float* own_residual) {
      return Epilogue{index % 3 == 0 ? nullptr : bias.data(),
                      index % 2 == 0 ? nullptr : own_residual,
                      all_activations()[index % all_activations().size()]};
    };
    for_each_target([&] {
      s = seed % 2 == 0 ? packed_anyhow(unpacked, random) : chosen(unpacked);
      AlignedBuffer packed(linear_packed_bytes(s));
      linear_pack(s, weights.data(), seed % 2 == 0, packed.as<float>());
      const auto run = [&](const LinearShape& shape, const float* from, const float* add,
                           size_t index, size_t threads) {
        AlignedBuffer scratch = poisoned_scratch(linear_scratch_bytes(shape, threads));
        std::vector<float> y(static_cast<size_t>(shape.rows * shape.out_features), NAN);
        TestParallel parallel(threads);
        linear(shape, from, packed.as<float>(), epilogue_of(index, add), y.data(), scratch.span(),
               parallel);
        return y;
      };
      for (size_t index = seed; index < seed + 4; ++index) {
        const std::vector<float> want = run(s, x.data(), residual.data(), index, 1);
        ASSERT_EQ(run(s, x.data(), residual.data(), index, 3), want);
        for (int64_t r = 0; index == seed && r < s.rows; ++r) {
          const std::vector<float> row =
              run({1, s.in_features, s.out_features, s.packing}, x.data() + r * s.in_features,
                  residual.data() + r * s.out_features, index, 1);
          ASSERT_EQ(
              std::memcmp(row.data(), want.data() + r * s.out_features, row.size() * sizeof(float)),
              0)
              << "row " << r;
        }
        const auto check = [&](const std::vector<size_t>& cuts, size_t threads, bool in_place) {
          AlignedBuffer scratch = poisoned_scratch(linear_part_scratch_bytes(s, threads));
          std::vector<float> y(want.size(), NAN);
          if (in_place) y = residual;
          const Epilogue epilogue = epilogue_of(index, in_place ? y.data() : residual.data());
          TestParallel parallel(threads);
          size_t begin = 0;
          for (size_t end : cuts) {
            AlignedBuffer piece(end - begin);
            std::memcpy(piece.data(), packed.data() + begin, piece.size());
            linear_part(s, begin, end, x.data(), piece.as<float>(), epilogue, y.data(),
                        scratch.span(), parallel);
            begin = end;
          }
          ASSERT_EQ(std::memcmp(y.data(), want.data(), y.size() * sizeof(float)), 0)
              << cuts.size() << " pieces, " << threads << " threads";
        };
        for (size_t threads : {1, 3}) {
          check(random_cuts(s, random), threads, false);
          check(random_cuts(s, random), threads, true);
          for (size_t target : {size_t{1}, size_t{250000}, SIZE_MAX}) {
            check(cuts_of(s, target), threads, false);
          }
        }
      }
    });
    seed += 3;
  }
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
