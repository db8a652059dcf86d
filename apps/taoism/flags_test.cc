#include "flags.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "exit_code.h"
#include "verb.h"

namespace taoism::cli {

// The program defines it; this test has no command line.
const std::vector<std::string>& command_line() {
  static const std::vector<std::string> none;
  return none;
}

namespace {

using List = std::vector<std::string>;

TEST(Flags, Sizes) {
  EXPECT_EQ(*parse_size("65536"), 65536U);
  EXPECT_EQ(*parse_size("64MiB"), uint64_t{64} << 20);
  EXPECT_EQ(*parse_size("1.5G"), uint64_t{3} << 29);
  for (const char* bad :
       {"", "0", "-1", "MiB", "64MB", "64 MiB", "nan", "inf", "1e9", "99999999GiB", "0.1"}) {
    EXPECT_EQ(parse_size(bad).code(), Code::invalid_argument) << bad;
  }
}

TEST(Flags, StrategyLists) {
  EXPECT_EQ(*parse_strategy_list({"none,deep:k=2,full"}), (List{"none", "deep:k=2", "full"}));
  EXPECT_EQ(*parse_strategy_list({"intermediate:theta=0.9,seed=7,none"}),
            (List{"intermediate:theta=0.9,seed=7", "none"}));
  EXPECT_EQ(*parse_strategy_list({"intermediate:theta=0.9,seed=7;deep", "full"}),
            (List{"intermediate:theta=0.9,seed=7", "deep", "full"}));
  List all = *parse_strategy_list({"all"});
  EXPECT_EQ(all.front(), "none");
  EXPECT_EQ(all.back(), "full");
  EXPECT_EQ(all.size(), partition::all_strategies().size());
  for (const char* bad : {"", ",", "none,", "none,,full"}) {
    EXPECT_EQ(parse_strategy_list({bad}).code(), Code::invalid_argument) << bad;
  }
}

TEST(Flags, InputShapes) {
  auto shape = parse_input_shape("x=1x3x8x8");
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->first, "x");
  EXPECT_EQ(shape->second, (ir::Shape{1, 3, 8, 8}));
  EXPECT_EQ(parse_input_shape("a=b=Nx4")->second, (ir::Shape{ir::Shape::kDynamic, 4}));
  for (const char* bad : {"", "x", "=1", "x=NN", "x=xN", "x=Nx", "x=", "x=1x", "x=-1", "x=1,2",
                          "x=9999999999999x9999999999999", "x=1x1x1x1x1x1x1x1x1"}) {
    EXPECT_FALSE(parse_input_shape(bad).ok()) << bad;
  }
}

void expect_types_of_files(const CLI::App& app) {
  // Options of text that is no path. What is not among them has to say whether it is read or
  // written, so that guards.cc knows.
  static const std::set<std::string> no_files = {
      "name",     "--input-shape", "--input-type", "--pixels",     "-s,--strategy", "--strategies",
      "--answer", "--tee",         "--device",     "--tee-memory", "--target"};
  static const std::regex extension(R"(\.(npy|npz|bin|gz|json|tao|key|pub|onnx|md|csv)\b)");
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) continue;  // --help, and flags
    const std::string name = option->get_name(false, true);
    const std::string type = option->get_type_name();
    const bool is_file =
        std::regex_match(type, std::regex(R"((\[NAME=\])?(NEW-)?FILE|(NEW-)?MODEL|NEW-PACKAGE)"));
    EXPECT_TRUE(type != "TEXT" || no_files.contains(name)) << app.get_name() << " " << name;
    EXPECT_TRUE(is_file || !std::regex_search(option->get_description(), extension))
        << app.get_name() << " " << name << " " << type;
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    expect_types_of_files(*sub);
  }
}

TEST(Flags, WhatNamesAFileSaysSo) {
  for (const Verb* verb : all_verbs()) {
    CLI::App app(verb->summary, verb->name);
    const Action action = verb->declare(app);
    expect_types_of_files(app);
  }
}

TEST(ExitCode, EveryCodeHasOne) {
  EXPECT_EQ(exit_code(Code::ok), 0);
  EXPECT_EQ(exit_code(Code::invalid_argument), 2);
  EXPECT_EQ(exit_code(Code::not_found), 2);
  EXPECT_EQ(exit_code(Code::resource_exhausted), 2);
  EXPECT_EQ(exit_code(Code::unsupported), 3);
  EXPECT_EQ(exit_code(Code::integrity), 4);
  EXPECT_EQ(exit_code(Code::policy), 4);
  EXPECT_EQ(exit_code(Code::unavailable), 5);
  EXPECT_EQ(exit_code(Code::internal), 1);
}

}  // namespace
}  // namespace taoism::cli
