// Many thousand random attacks on every step of a session; see mutations.h. How many is in
// TAOISM_ATTACK_MUTATIONS.
#include <gtest/gtest.h>

#include "mutations.h"
#include "tally.h"

namespace taoism::attack {
namespace {

std::map<std::string, uint64_t> attack_until(Mutations& mutations, uint64_t distinct) {
  std::map<std::string, uint64_t> outcomes;
  for (uint64_t seed = 1; mutations.distinct() < distinct && seed < 3 * distinct; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string outcome = outcome_name(mutations.attack(seed));
    tally(outcome);
    ++outcomes[outcome];
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GE(mutations.distinct(), distinct);
  for (const auto& [outcome, count] : outcomes) {
    ::testing::Test::RecordProperty(outcome, std::to_string(count));
  }
  return outcomes;
}

// Each of these has an attack that leads to it: none may fall off.
void expect_reached(const std::map<std::string, uint64_t>& outcomes,
                    std::initializer_list<Outcome> wanted) {
  for (const Outcome& outcome : wanted) {
    EXPECT_TRUE(outcomes.contains(outcome_name(outcome))) << outcome_name(outcome);
  }
}

constexpr Outcome kIntegrity[] = {{Code::integrity, wire::Text::sealed_too_short},
                                  {Code::integrity, wire::Text::not_authentic}};

TEST(Mutation, OfASessionThatFitsItsMemory) {
  Mutations mutations(small_sample(), 0);
  const auto outcomes = attack_until(mutations, wanted_mutations() * 9 / 10);
  expect_reached(outcomes, {Outcome{},
                            kIntegrity[0],
                            kIntegrity[1],
                            {Code::integrity, wire::Text::out_of_sequence},
                            {Code::integrity, wire::Text::outside_not_authentic},
                            {Code::integrity, wire::Text::program_id_mismatch},
                            {Code::integrity, wire::Text::program_invalid},
                            {Code::policy, wire::Text::package_too_old},
                            {Code::policy, wire::Text::program_exists},
                            {Code::policy, wire::Text::program_unknown},
                            {Code::policy, wire::Text::range_outside_payload},
                            {Code::policy, wire::Text::segment_out_of_order},
                            {Code::policy, wire::Text::segment_unknown},
                            {Code::policy, wire::Text::session_exists},
                            {Code::policy, wire::Text::slot_bytes_wrong},
                            {Code::policy, wire::Text::slot_count_wrong},
                            {Code::policy, wire::Text::slots_overlap},
                            {Code::policy, wire::Text::store_bytes_wrong},
                            {Code::policy, wire::Text::unknown_message},
                            {Code::policy, wire::Text::wrong_version}});
}

TEST(Mutation, OfASessionThatStreamsAndSpills) {
  Mutations mutations(large_sample(), tight_budget());
  const auto outcomes = attack_until(mutations, wanted_mutations() / 10);
  expect_reached(outcomes, {Outcome{},
                            {Code::integrity, wire::Text::not_authentic},
                            {Code::integrity, wire::Text::outside_not_authentic},
                            {Code::policy, wire::Text::range_outside_payload},
                            {Code::policy, wire::Text::store_bytes_wrong}});
}

}  // namespace
}  // namespace taoism::attack
