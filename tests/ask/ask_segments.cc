// Plays the untrusted runtime of a package: asks every segment of its TEE and tells what it gave
// away.
//
//   ask_segments m.tao --key m.key [--batch N] [--seed S] [--save FOLDER]
//
// The key file is named to the worker, which reads it; this program does not. One line a segment
// and output, as JSON with --json. --save writes what was found as
// FOLDER/segment-S.output-O.input-I.weight.npy and .bias.npy. docs/break-it.md walks through it.
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "files/npy.h"
#include "files/output_file.h"
#include "package/package.h"
#include "recover.h"

namespace taoism::ask {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string package, save;
  runtime::Machine machine;
  int64_t batch = 0;
  uint64_t seed = 1;
  bool json = false;
};

Status write_npy(const std::string& path, const ir::Shape& shape,
                 const std::vector<float>& values) {
  std::string bytes = files::npy_header({ir::DType::f32, shape});
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return files::write_file(path, bytes);
}

// A convolution's kernel without the border of zeros around it.
std::pair<ir::Shape, std::vector<float>> cropped(const Dependence& on, int64_t out, int64_t in) {
  const size_t side = 2 * on.reach + 1;
  float largest = 0;
  for (const float weight : on.weights) largest = std::max(largest, std::abs(weight));
  size_t top = side, left = side, bottom = 0, right = 0;
  for (size_t i = 0; i < on.weights.size(); ++i) {
    if (std::abs(on.weights[i]) <= 1e-4F * largest) continue;
    const size_t y = i / side % side;
    const size_t x = i % side;
    top = std::min(top, y);
    bottom = std::max(bottom, y + 1);
    left = std::min(left, x);
    right = std::max(right, x + 1);
  }
  std::vector<float> kernel;
  for (size_t i = 0; i < on.weights.size(); ++i) {
    const size_t y = i / side % side;
    const size_t x = i % side;
    if (y >= top && y < bottom && x >= left && x < right) kernel.push_back(on.weights[i]);
  }
  if (kernel.empty()) return {{out, in, 0, 0}, {}};
  return {{out, in, static_cast<int64_t>(bottom - top), static_cast<int64_t>(right - left)},
          kernel};
}

Status save(const Options& options, size_t s, size_t o, const Recovered& found,
            const std::vector<Crossing>& inputs, const Crossing& output) {
  const std::string stem =
      options.save + "/segment-" + std::to_string(s) + ".output-" + std::to_string(o);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Dependence& on = found.inputs[i];
    const auto [shape, weights] =
        on.kind == Dependence::Kind::convolution
            ? cropped(on, output.row[0], inputs[i].row[0])
            : std::pair<ir::Shape, std::vector<float>>(
                  {static_cast<int64_t>(output.elements),
                   static_cast<int64_t>(on.weights.size() / output.elements)},
                  on.weights);
    TAOISM_RETURN_IF_ERROR(
        write_npy(stem + ".input-" + std::to_string(i) + ".weight.npy", shape, weights));
  }
  return write_npy(stem + ".bias.npy", output.row, found.bias);
}

// "64x7x7 and 10".
std::string rows_text(const std::vector<Crossing>& crossings) {
  std::string text;
  for (const Crossing& crossing : crossings) {
    text += (text.empty() ? "" : " and ") + crossing.row.text();
  }
  return text;
}

void print(const Options& options, const ordered_json& line, const std::string& text) {
  if (options.json) {
    std::puts(line.dump().c_str());
  } else {
    std::puts(text.c_str());
  }
}

Status ask_segment(const Options& options, SegmentOracle& oracle, size_t s) {
  ordered_json line = {{"segment", s}};
  if (const std::string why = oracle.obstacle(s); !why.empty()) {
    line["not_asked"] = why;
    print(options, line, fmt::format("segment {}: not asked: {}", s, why));
    return {};
  }
  Result<Findings> findings = recover(oracle, s, options.seed);
  if (!findings.ok() && findings.status().code() == Code::resource_exhausted) {
    line["not_asked"] = findings.status().message();
    print(options, line, fmt::format("segment {}: not asked: {}", s, findings.status().message()));
    return {};
  }
  TAOISM_RETURN_IF_ERROR(findings.status());
  const std::vector<Crossing> inputs = oracle.inputs(s);
  const std::vector<Crossing> outputs = oracle.outputs(s);
  for (size_t o = 0; o < outputs.size(); ++o) {
    const Recovered& found = findings->outputs[o];
    const bool is_found = found.error <= kFound;
    line["output"] = {{"name", outputs[o].name}, {"row", outputs[o].row.text()}};
    line["found"] = is_found;
    if (is_found) line["form"] = form_name(found.form);
    line["rows"] = findings->rows;
    line["calls"] = findings->calls;
    line["error"] = found.error;
    print(
        options, line,
        fmt::format(
            "segment {}, {} -> {}: {}; {} rows in {} calls; on {} other rows it differs by {:.1e} "
            "of the largest answer",
            s, rows_text(inputs), outputs[o].row.text(),
            is_found ? fmt::format("FOUND ({})", form_name(found.form)) : "not found",
            findings->rows, findings->calls, kChecked, found.error));
    if (is_found && !options.save.empty()) {
      TAOISM_RETURN_IF_ERROR(save(options, s, o, found, inputs, outputs[o]));
    }
  }
  return {};
}

Status ask(Options options) {
  TAOISM_ASSIGN_OR_RETURN(const auto package, package::Package::open(options.package));
  if (options.batch == 0) options.batch = package->batch_at_most(int64_t{1} << 30);
  TAOISM_ASSIGN_OR_RETURN(const runtime::Machine machine, runtime::resolve(options.machine));
  TAOISM_ASSIGN_OR_RETURN(const runtime::Prepared prepared,
                          package->prepare(options.batch, machine));
  if (!prepared.uses_tee) return invalid_argument("nothing of this package runs in a TEE");
  TAOISM_ASSIGN_OR_RETURN(const auto oracle, SegmentOracle::open(prepared, options.batch, machine));
  for (size_t s = 0; s < oracle->segments(); ++s) {
    TAOISM_RETURN_IF_ERROR(ask_segment(options, *oracle, s));
  }
  return {};
}

}  // namespace
}  // namespace taoism::ask

int main(int argc, char** argv) {
  using namespace taoism::ask;
  Options options;
  options.machine.worker_path = TAOISM_WORKER;
  CLI::App app("plays the untrusted runtime of a package: asks the segments of its TEE");
  app.add_option("package", options.package, "m.tao")->required();
  app.add_option("--key", options.machine.key_file, "named to the worker, and not read here")
      ->required();
  app.add_option("--worker", options.machine.worker_path, "the installed taoism-enclave");
  app.add_option("--batch", options.batch, "rows of one call; default: the largest of the package");
  app.add_option("--seed", options.seed, "of the points around which is asked");
  app.add_option("--save", options.save, "a folder for what was found, as .npy");
  app.add_flag("--json", options.json, "a JSON object a line");
  CLI11_PARSE(app, argc, argv);
  if (const taoism::Status status = ask(options); !status.ok()) {
    std::fprintf(stderr, "ask_segments: error: %s\n", status.message().c_str());
    return 1;
  }
  return 0;
}
