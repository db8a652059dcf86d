// Runs random models over rows through run_rows, as files and as packages, in batches of any size,
// in a TEE and outside, in any budget, and compares with all rows at once, which no proof decides.
//   row_search RUNS [SEED] [FOLDER]
// With a folder it leaves there what each run was of, for another runtime: N.onnx, N.input.npy and
// so on, and its answers.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "files/npy.h"
#include "package/key_file.h"
#include "package/package.h"
#include "package/seal_file.h"
#include "rows/random_model.h"
#include "runtime/batch_run.h"
#include "runtime/session.h"

namespace taoism::rows {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 2e-4;

struct Count {
  size_t runs = 0, cut = 0, whole = 0, refused = 0, packages = 0, processes = 0, no_model = 0;
};

// What is tried of one model.
struct Trial {
  int64_t rows = 1;
  int64_t batch = 1;
  std::string strategy = "none";
  bool as_package = false;
  bool batch_is_given = false;
  runtime::Machine machine;
};

std::string text_of(const Trial& trial, const RandomModel& model) {
  return std::to_string(trial.rows) + " rows, batch " + std::to_string(trial.batch) +
         (trial.batch_is_given ? " (given)" : "") + ", " + trial.strategy + ", tee " +
         trial.machine.tee + " of " + std::to_string(trial.machine.tee_memory_bytes) +
         (trial.as_package ? ", package" : "") + ": " + model.text;
}

Result<partition::Plan> plan_of(const onnx::Model& model, const std::string& strategy,
                                const onnx::ImportOptions& import) {
  TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind(import));
  TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(strategy));
  TAOISM_ASSIGN_OR_RETURN(const std::string hash, model.hash());
  return partition::make_plan(graph, spec, hash);
}

// All rows in one run of the graph that is bound to them.
Result<std::vector<runtime::RowTensor>> run_whole(const onnx::Model& model, const Trial& trial,
                                                  std::span<const files::Tensor> inputs) {
  const onnx::ImportOptions import{.batch = trial.rows};
  TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind(import));
  TAOISM_ASSIGN_OR_RETURN(const partition::Plan plan, plan_of(model, "none", import));
  TAOISM_ASSIGN_OR_RETURN(const runtime::Prepared prepared,
                          runtime::prepare(graph, plan, trial.machine));
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Session> session,
                          runtime::Session::open(prepared, trial.machine));
  std::vector<ir::ConstTensorView> from;
  for (const files::Tensor& input : inputs) from.push_back(input.view());
  std::vector<runtime::RowTensor> outputs;
  std::vector<ir::TensorView> to;
  for (const runtime::TensorSpec& spec : session->outputs()) {
    outputs.push_back({spec.name, spec.desc, AlignedBuffer(spec.desc.bytes())});
    to.push_back({spec.desc, outputs.back().data.data()});
  }
  runtime::RunProfile profile;
  TAOISM_RETURN_IF_ERROR(session->run(from, to, profile));
  return outputs;
}

bool is_close(float a, float b, double scale) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::fabs(static_cast<double>(a) - b) <= kTolerance * scale;
}

// Empty where both are the same.
std::string difference(const runtime::RowTensor& want, const runtime::RowTensor& got) {
  if (!(want.desc == got.desc)) {
    return want.name + " is " + got.desc.shape.text() + ", not " + want.desc.shape.text();
  }
  const int64_t elements = want.desc.shape.elements();
  if (want.desc.dtype != ir::DType::f32) {
    const bool same = std::memcmp(want.data.data(), got.data.data(), want.desc.bytes()) == 0;
    return same ? "" : want.name + " differs";
  }
  double scale = 1;
  for (int64_t i = 0; i < elements; ++i) {
    const double value = std::fabs(want.data.as<float>()[i]);
    if (std::isfinite(value)) scale = std::fmax(scale, value);
  }
  for (int64_t i = 0; i < elements; ++i) {
    const float w = want.data.as<float>()[i], g = got.data.as<float>()[i];
    if (is_close(w, g, scale)) continue;
    return want.name + " " + want.desc.shape.text() + ": element " + std::to_string(i) + " is " +
           std::to_string(g) + ", not " + std::to_string(w);
  }
  return "";
}

class Search {
 public:
  Search(uint64_t seed, std::string scratch, std::string folder)
      : seed_(seed), scratch_(std::move(scratch)), folder_(std::move(folder)) {}

  // Whether all was right; prints the first that was not.
  bool run(size_t runs) {
    for (uint64_t i = 0; count_.runs < runs; ++i) {
      if (!run_one(seed_ + i)) return false;
    }
    std::printf(
        "%zu runs, none differs: %zu cut into batches, %zu at once, %zu refused; %zu packages, %zu "
        "processes; %zu models that do not run were passed over\n",
        count_.runs, count_.cut, count_.whole, count_.refused, count_.packages, count_.processes,
        count_.no_model);
    return true;
  }

 private:
  Trial make_trial(Random& random) {
    static const std::vector<int64_t> kBatches = {1, 2, 3, 4, 7, 16, 64};
    Trial trial;
    trial.batch = random.of(kBatches);
    const int64_t batches = random.between(1, 4);
    trial.rows = std::max<int64_t>(1, trial.batch * batches + random.between(-1, 1));
    if (random.once_in(8)) trial.rows = random.between(1, 200);
    trial.rows = std::min<int64_t>(trial.rows, 200);
    trial.batch_is_given = random.once_in(8);
    trial.machine.tee_threads = trial.machine.device_threads = 1;
    const bool in_process = random.once_in(1000);
    trial.machine.tee = in_process ? "process" : "inline";
    trial.machine.worker_path = in_process ? TAOISM_WORKER : TAOISM_INLINE;
    if (random.once_in(4)) trial.strategy = random.once_in(4) ? "deep:k=1" : "full";
    if (trial.strategy != "none" && random.once_in(3)) {
      trial.machine.tee_memory_bytes = static_cast<uint64_t>(random.between(64, 512)) << 10;
    }
    trial.as_package = random.once_in(16);
    if (trial.as_package) trial.strategy = "full";
    return trial;
  }

  bool fail(uint64_t seed, const Trial& trial, const RandomModel& model, const std::string& why) {
    const std::string path = scratch_ + "/failed.onnx";
    std::ofstream(path, std::ios::binary) << model.onnx;
    std::printf("seed %llu: %s\n  %s\n", static_cast<unsigned long long>(seed), why.c_str(),
                text_of(trial, model).c_str());
    return false;
  }

  bool run_one(uint64_t seed) {
    Random random(seed * 0x9e3779b97f4a7c15);
    Trial trial = make_trial(random);
    Result<runtime::Machine> machine = runtime::resolve(trial.machine);
    if (!machine.ok()) return fail(seed, trial, {}, machine.status().message());
    trial.machine = *machine;
    const RandomModel random_model = make_model(random, trial.rows);
    const std::string path = scratch_ + "/m.onnx";
    fs::remove(path);
    std::ofstream(path, std::ios::binary) << random_model.onnx;
    const Result<onnx::Model> model = onnx::Model::load(path);
    if (!model.ok()) return fail(seed, trial, random_model, model.status().message());
    const auto want = run_whole(*model, trial, random_model.inputs);
    if (!want.ok()) {
      ++count_.no_model;
      return true;
    }
    if (!folder_.empty() && !keep(random_model, *want)) {
      return fail(seed, trial, random_model, folder_ + " cannot be written");
    }
    ++count_.runs;
    count_.processes += trial.machine.tee == "process" ? 1 : 0;
    const auto got = run_rows(*model, trial, random, random_model.inputs);
    if (!got.ok()) {
      if (may_refuse(trial, got.status())) return ++count_.refused, true;
      return fail(seed, trial, random_model, got.status().message());
    }
    ++(static_cast<int64_t>(got->batch) < trial.rows ? count_.cut : count_.whole);
    if (got->outputs.size() != want->size())
      return fail(seed, trial, random_model, "other outputs");
    for (size_t o = 0; o < want->size(); ++o) {
      const std::string differs = difference((*want)[o], got->outputs[o]);
      if (!differs.empty()) return fail(seed, trial, random_model, differs);
    }
    return true;
  }

  // What is right to refuse: rows that belong together, and a budget that cannot do.
  static bool may_refuse(const Trial& trial, const Status& status) {
    const std::string& text = status.message();
    if (status.code() == Code::resource_exhausted) return trial.machine.tee_memory_bytes != 0;
    if (text.find("cannot be run apart") != std::string::npos) {
      return trial.as_package || (trial.batch_is_given && trial.batch < trial.rows);
    }
    // A package of batches that do not make up the rows, or that do not run at such a size.
    return trial.as_package;
  }

  Result<runtime::BatchRunResult> run_rows(const onnx::Model& model, const Trial& trial,
                                           Random& random, std::span<const files::Tensor> inputs) {
    runtime::BatchRunOptions options;
    options.machine = trial.machine;
    options.batch = trial.batch;
    options.batch_is_given = trial.batch_is_given;
    // As the command line binds it to the files, or as the batch has it: a model that mixes rows
    // may be another one for another number of them.
    onnx::ImportOptions import{.batch = trial.rows};
    TAOISM_ASSIGN_OR_RETURN(const onnx::RowProof proof, model.prove_rows(import));
    if (random.once_in(2) && proof.independent.ok()) import.batch = trial.batch;
    Result<partition::Plan> plan = plan_of(model, trial.strategy, import);
    if (!plan.ok() && import.batch != trial.rows) {  // it does not run at any size
      import.batch = trial.rows;
      plan = plan_of(model, trial.strategy, import);
    }
    if (!plan.ok() && trial.strategy == "deep:k=1") plan = plan_of(model, "full", import);
    if (!plan.ok()) return plan.status();
    if (!trial.as_package) {
      TAOISM_ASSIGN_OR_RETURN(const std::unique_ptr<runtime::Source> source,
                              runtime::open_source(model, std::move(*plan), import));
      return runtime::run_rows(*source, inputs, options);
    }
    ++count_.packages;
    const std::string path = scratch_ + "/m.tao";
    std::vector<int64_t> batches = {random.once_in(2) ? trial.batch : trial.rows};
    if (random.once_in(2)) batches.push_back(1);
    TAOISM_RETURN_IF_ERROR(
        package::seal_file(model, *plan,
                           {.path = path, .key_path = "", .seal = {.batches = batches}})
            .status());
    options.machine.key_file = package::default_key_path(path);
    TAOISM_ASSIGN_OR_RETURN(const std::unique_ptr<package::Package> package,
                            package::Package::open(path));
    return runtime::run_rows(*package, inputs, options);
  }

  bool write_npy(const std::string& name, const ir::TensorDesc& desc, const std::byte* data) {
    std::ofstream file(folder_ + "/" + name + ".npy", std::ios::binary);
    const std::string header = files::npy_header(desc);
    file.write(header.data(), static_cast<std::streamsize>(header.size()));
    file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(desc.bytes()));
    return file.good();
  }

  bool keep(const RandomModel& model, const std::vector<runtime::RowTensor>& outputs) {
    const std::string number = std::to_string(count_.runs);
    std::ofstream file(folder_ + "/" + number + ".onnx", std::ios::binary);
    file << model.onnx;
    bool good = file.good();
    for (size_t i = 0; i < model.inputs.size(); ++i) {
      good = good && write_npy(number + "." + model.names[i], model.inputs[i].desc,
                               model.inputs[i].data.data());
    }
    for (const runtime::RowTensor& output : outputs) {
      good = good && write_npy(number + ".out." + output.name, output.desc, output.data.data());
    }
    return good;
  }

  const uint64_t seed_;
  const std::string scratch_, folder_;
  Count count_;
};

}  // namespace
}  // namespace taoism::rows

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "row_search RUNS [SEED] [FOLDER]\n");
    return 2;
  }
  std::string scratch = (std::filesystem::temp_directory_path() / "row_search_XXXXXX").string();
  if (::mkdtemp(scratch.data()) == nullptr) return 2;
  taoism::rows::Search search(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1, scratch,
                              argc > 3 ? argv[3] : "");
  const bool right = search.run(std::strtoull(argv[1], nullptr, 10));
  if (right) std::filesystem::remove_all(scratch);
  if (!right) std::printf("  the model is in %s\n", scratch.c_str());
  return right ? 0 : 1;
}
