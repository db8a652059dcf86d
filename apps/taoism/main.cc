// The program `taoism`: picks the verb, parses its flags, maps errors to one line and an exit code.
#include <csignal>
#include <cstdio>
#include <exception>

#include "exit_code.h"
#include "guards.h"
#include "runtime/environment.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

std::vector<std::string>& words() {
  static std::vector<std::string> words;
  return words;
}

// A flag that may be repeated takes one value each time: `--strategies none m.onnx` names a model.
void take_one_value_each(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) option->allow_extra_args(false);
  }
  for (CLI::App* sub : app.get_subcommands({})) take_one_value_each(*sub);
}

int run(int argc, char** argv) {
  words().assign(argv, argv + argc);
  CLI::App app{
      "taoism splits a neural network between a trusted execution environment (TEE) and an\n"
      "untrusted device, and measures what each way of splitting it costs.\n"
      "Start with: taoism demo"};
  app.name("taoism");
  app.set_version_flag("--version", std::string("taoism ") + runtime::version());
  app.require_subcommand(1);
  app.footer(
      "\nExit codes: 0 ok, 2 usage or bad input, 3 unsupported model, 4 integrity or policy "
      "violation,\n"
      "5 TEE died, 1 anything else. `taoism VERB --help` has the flags of a verb.");
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Verb* verb : all_verbs()) {
    CLI::App* sub = app.add_subcommand(verb->name, verb->summary);
    actions.emplace_back(sub, verb->declare(*sub));
  }
  take_one_value_each(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    const int code = app.exit(success);
    const Status output = finish_output();
    return output.ok() ? code : print_error(output);
  } catch (const CLI::ParseError& error) {
    return print_error(invalid_argument(std::string(error.what()) + " (see taoism --help)"));
  }
  for (const auto& [sub, action] : actions) {
    if (!sub->parsed()) continue;
    if (Status flags = check_flags(*sub); !flags.ok()) return print_error(flags);
    Result<int> result = action();
    if (!result.ok()) return print_error(result.status());
    if (Status output = finish_output(); !output.ok()) return print_error(output);
    return *result;
  }
  return print_error(internal_error("no verb ran"));
}

}  // namespace

const std::vector<std::string>& command_line() { return words(); }

}  // namespace taoism::cli

int main(int argc, char** argv) {
  // A reader that goes away, or a file that may not grow, is no reason to vanish.
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  try {
    return taoism::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return taoism::cli::print_error(
        taoism::resource_exhausted("out of memory; use a smaller --batch"));
  } catch (const std::exception& error) {
    return taoism::cli::print_error(taoism::internal_error(std::string("defect: ") + error.what()));
  }
}
