#include "tally.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

namespace taoism::attack {
namespace {

constexpr uint64_t kFewestMutations = 10'000;
constexpr uint64_t kUsualMutations = 16'000;

std::map<std::string, uint64_t>& counts() {
  static std::map<std::string, uint64_t> counts;
  return counts;
}

class PrintAtTheEnd final : public ::testing::Environment {
 public:
  void TearDown() override {
    if (counts().empty()) return;
    uint64_t total = 0;
    std::printf("\n%-98s %10s\n", "outcome", "count");
    for (const auto& [outcome, count] : counts()) {
      std::printf("%-98s %10" PRIu64 "\n", outcome.c_str(), count);
      total += count;
    }
    std::printf("%-98s %10" PRIu64 "\n\n", "attacks", total);
  }
};

const auto* const kPrint = ::testing::AddGlobalTestEnvironment(new PrintAtTheEnd);

}  // namespace

std::string outcome_name(const Outcome& outcome) {
  if (outcome.code == Code::ok) return "right answer";
  return std::string(code_name(outcome.code)) + ": " + wire::text(outcome.text);
}

void tally(const std::string& outcome) { ++counts()[outcome]; }

uint64_t wanted_mutations() {
  const char* text = std::getenv("TAOISM_ATTACK_MUTATIONS");
  if (text == nullptr) return kUsualMutations;
  return std::max<uint64_t>(kFewestMutations, std::strtoull(text, nullptr, 10));
}

}  // namespace taoism::attack
