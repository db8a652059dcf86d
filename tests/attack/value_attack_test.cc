// A hostile device's results, as the TEE's code meets them: any values in slots of the right size
// give an answer, the same whatever the budget, and leave nothing behind; slots of another size end
// the session. Over the sandboxed worker: device_attack_test.cc.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "hostile_values.h"
#include "judge.h"
#include "tally.h"

namespace taoism::attack {
namespace {

struct Place {
  const char* name;
  const Sample& (*sample)();
  uint64_t (*budget)();
};

const Place kPlaces[] = {
    {"InAllTheMemoryItWants", small_sample,
     [] { return small_sample().schedule(0)->arena_bytes(); }},
    {"LargeInAllTheMemoryItWants", large_sample,
     [] { return large_sample().schedule(0)->arena_bytes(); }},
    {"LargeInTheLeastMemory", large_sample, [] { return tight_budget(); }},
};

class ValueAttack : public ::testing::TestWithParam<Place> {};

TEST_P(ValueAttack, AnyValuesGiveAnAnswerAndLeaveNothingBehind) {
  const Sample& sample = GetParam().sample();
  const uint64_t budget = GetParam().budget();
  Judge judge(sample, budget);
  Host host(sample, budget);
  host.load_everything();
  const Floats x = sample.input(0, 1), y = sample.input(1, 1);
  const Floats right = host.run_all(x, y);
  for (const HostileValues& values : kHostileValues) {
    // The caller's input, the device's result, both.
    for (const int which : {1, 2, 3}) {
      Floats hostile_x = x, hostile_y = y;
      if ((which & 1) != 0) values.write(hostile_x);
      if ((which & 2) != 0) values.write(hostile_y);
      Outcome outcome = judge.send(host, host.run_message(0, hostile_x));
      EXPECT_EQ(outcome, Outcome()) << values.name;
      outcome = judge.send(host, host.run_message(1, hostile_y));
      EXPECT_EQ(outcome, Outcome()) << values.name;
      tally(outcome);
    }
    const Floats after = host.run_all(x, y);
    EXPECT_EQ(std::memcmp(after.data(), right.data(), right.size() * sizeof(float)), 0)
        << "something is left of " << values.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Places, ValueAttack, ::testing::ValuesIn(kPlaces),
                         [](const auto& info) { return std::string(info.param.name); });

// NaN is NaN, whatever its bits: which of two operands an addition takes them from is open.
TEST(ValueAttackCases, TheBudgetDoesNotShow) {
  Host roomy(large_sample()), tight(large_sample(), tight_budget());
  roomy.load_everything();
  tight.load_everything();
  for (const HostileValues& values : kHostileValues) {
    const Floats x = large_sample().input(0, 1);
    Floats y = large_sample().input(1, 1);
    values.write(y);
    const Floats a = roomy.run_all(x, y), b = tight.run_all(x, y);
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_TRUE(std::bit_cast<uint32_t>(a[i]) == std::bit_cast<uint32_t>(b[i]) ||
                  (std::isnan(a[i]) && std::isnan(b[i])))
          << values.name << ", element " << i << ": " << a[i] << " and " << b[i];
    }
  }
}

TEST(ValueAttackCases, AResultOfAnotherSizeEndsTheSession) {
  const uint64_t right = small_sample().input(1, 1).size() * sizeof(float);
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{4}, right / 2, right - 4,
                               right - 1, right + 1, right + 4}) {
    for (const HostileValues& values : {kHostileValues[0], kHostileValues[12]}) {
      Judge judge(small_sample(), small_sample().schedule(0)->arena_bytes());
      Host host;
      host.load_everything();
      ASSERT_EQ(judge.send(host, host.run_message(0, host.sample().input(0, 1))), Outcome());
      Floats result = host.sample().input(1, 1);
      values.write(result);
      const wire::Message message = host.run_message(1, result);
      reinterpret_cast<wire::Range*>(host.part(host.regions().list).data())->bytes = bytes;
      const Outcome outcome = judge.send(host, message);
      EXPECT_EQ(outcome, (Outcome{Code::policy, wire::Text::slot_bytes_wrong})) << bytes;
      const ByteSpan output = host.part(host.output_range(0));
      EXPECT_TRUE(std::ranges::all_of(output, [](std::byte b) { return b == Host::kUnwritten; }));
      tally(outcome);
    }
  }
}

}  // namespace
}  // namespace taoism::attack
