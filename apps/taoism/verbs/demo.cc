// `taoism demo`: a trained model under every way of splitting it, on one screen.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "exit_code.h"
#include "files/tensor_file.h"
#include "flags.h"
#include "progress.h"
#include "report/bench_report.h"
#include "report/table.h"
#include "report/units.h"
#include "runtime/batch_run.h"
#include "runtime/measure.h"
#include "runtime/tensors.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDataFolder = "/usr/share/datasets/fashion-mnist";
constexpr const char* kModelFile = "models/fashion_resnet.onnx";

struct Options {
  std::string model;
  std::string data = kDataFolder;
  MachineFlags machine;
  int64_t batch = 100;
  double seconds = 0.5;
};

struct Row {
  runtime::RunRecord record;
  report::Summary latency_ms;
  runtime::Accuracy accuracy;
  size_t same = 0;
  bool valid = true;
  double images_per_second = 0;
};

// The model beside the sources or the installation of this program (a wheel has it in the program's
// own folder), or below the working folder.
std::string find_model() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path beside = program / "../share/taoism";
  for (const fs::path& base : {program / "../../..", beside, program, fs::path(".")}) {
    fs::path path = (base / kModelFile).lexically_normal();
    if (fs::exists(path, error)) return path.string();
  }
  return {};
}

class Demo {
 public:
  explicit Demo(const Options& options) : options_(options) {}

  Result<int> run() {
    TAOISM_RETURN_IF_ERROR(load());
    TAOISM_RETURN_IF_ERROR(measure_latency());
    for (size_t i = 0; i < rows_.size(); ++i) TAOISM_RETURN_IF_ERROR(measure_accuracy(i));
    bar_.clear();
    show();
    bool valid = std::all_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.valid; });
    return valid ? kExitOk : kExitOther;
  }

 private:
  Status load() {
    path_ = options_.model.empty() ? find_model() : options_.model;
    if (path_.empty()) {
      return not_found(std::string(kModelFile) +
                       " is not beside this program; give its path: taoism demo MODEL");
    }
    if (!fs::exists(options_.data)) {
      return not_found(
          options_.data +
          ": no such folder; install Debian's dataset-fashion-mnist (make setup), or give --data");
    }
    TAOISM_ASSIGN_OR_RETURN(machine_, options_.machine.resolve());
    TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(path_));
    model_ = std::make_unique<onnx::Model>(std::move(model));
    const std::string images_path = options_.data + "/t10k-images-idx3-ubyte.gz";
    TAOISM_ASSIGN_OR_RETURN(const files::Tensor images, files::read_tensor(images_path));
    if (images.desc.dtype != ir::DType::u8) {
      return invalid_argument(images_path + ": no images of bytes; give another folder, --data");
    }
    TAOISM_ASSIGN_OR_RETURN(files::Tensor scaled, files::scale_bytes(images));
    images_.push_back(std::move(scaled));
    TAOISM_ASSIGN_OR_RETURN(labels_,
                            files::read_labels(options_.data + "/t10k-labels-idx1-ubyte.gz"));
    return {};
  }

  Status measure_latency() {
    runtime::MeasureOptions measure;
    measure.model_path = path_;
    measure.machine = machine_;
    measure.min_iterations = 20;
    measure.min_seconds = options_.seconds;
    TAOISM_ASSIGN_OR_RETURN(std::vector<std::string> strategies, parse_strategy_list({"all"}));
    for (std::string& strategy : strategies) measure.subjects.push_back({std::move(strategy), ""});
    auto progress = [&](double done, const std::string& what) {
      bar_.update(0.3 * done, "latency: " + what);
    };
    TAOISM_ASSIGN_OR_RETURN(std::vector<runtime::RunRecord> records,
                            runtime::measure(measure, progress));
    for (runtime::RunRecord& record : records) {
      Row row;
      row.latency_ms = report::summarize(record.samples_ms);
      row.record = std::move(record);
      rows_.push_back(std::move(row));
    }
    return {};
  }

  // All images through one strategy; the first one is `none`, whose answers are the yardstick.
  Status measure_accuracy(size_t index) {
    Row& row = rows_[index];
    const std::string name = report::strategy_text(row.record);
    runtime::BatchRunOptions run;
    run.machine = machine_;
    run.batch = options_.batch;
    const onnx::ImportOptions import{.batch = options_.batch};
    run.progress = [&](double done) {
      double all = (static_cast<double>(index) + done) / static_cast<double>(rows_.size());
      bar_.update(0.3 + 0.7 * all,
                  fmt::format("{} images: {}", images_.front().desc.shape[0], name));
    };
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model_->bind(import));
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(name));
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan,
                            partition::make_plan(graph, spec, row.record.model_hash));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Source> source,
                            runtime::open_source(*model_, std::move(plan), import));
    TAOISM_ASSIGN_OR_RETURN(runtime::BatchRunResult result,
                            runtime::run_rows(*source, images_, run));
    TAOISM_ASSIGN_OR_RETURN(row.accuracy, runtime::accuracy(result.outputs.front(), labels_));
    row.images_per_second =
        static_cast<double>(result.rows) * 1e9 / static_cast<double>(result.total.end_to_end_ns);
    if (index == 0) reference_ = std::move(result.outputs.front());
    const runtime::RowTensor& got = index == 0 ? reference_ : result.outputs.front();
    std::vector<int64_t> want_class = runtime::arg_max(reference_);
    std::vector<int64_t> got_class = runtime::arg_max(got);
    for (size_t i = 0; i < got_class.size(); ++i) row.same += want_class[i] == got_class[i];
    ir::ConstTensorView want{reference_.desc, reference_.data.data()};
    ir::ConstTensorView have{got.desc, got.data.data()};
    runtime::Difference d = runtime::difference({&want, 1}, {&have, 1});
    row.valid = row.record.valid && d.relative <= runtime::kMaxRelativeError &&
                row.same == got_class.size();
    return {};
  }

  void show() const {
    const bool simulated = runtime::is_simulated(machine_.tee);
    print(fmt::format(
        "{} on the {} test images of Fashion-MNIST, split between a TEE and an untrusted device\n",
        fs::path(path_).filename().string(), labels_.size()));
    print(fmt::format("TEE: {}{}, {} threads.  Device: {}, {} threads.\n\n", machine_.tee,
                      simulated ? " (a sandboxed worker: simulated TEE)" : "", machine_.tee_threads,
                      machine_.device, machine_.device_threads));
    using report::Table;
    Table table({{"strategy", Table::left},
                 {"accuracy"},
                 {"same answers"},
                 {"ms (batch 1)"},
                 {fmt::format("img/s ({})", options_.batch)},
                 {"MACs in TEE"},
                 {"weights exposed"},
                 {"crossings"}});
    for (const Row& row : rows_) {
      const report::Summary& l = row.latency_ms;
      double half = std::max(l.ci95.high - l.median, l.median - l.ci95.low);
      table.add_row(
          {row.record.strategy, fmt::format("{:.2f} %", 100 * row.accuracy.share()),
           row.valid ? fmt::format("{}", row.same) : fmt::format("INVALID ({})", row.same),
           fmt::format("{} ±{:.0f}%", report::significant(l.median), 100 * half / l.median),
           report::significant(row.images_per_second), report::percent(row.record.tee_macs_share),
           report::percent(row.record.private_params_exposed_share),
           std::to_string(row.record.crossings)});
    }
    print(table.text());
    const std::string program = command_line().front();
    std::error_code error;
    fs::path relative = fs::proximate(path_, error);
    const std::string model =
        error || relative.string().size() > path_.size() ? path_ : relative.string();
    print(fmt::format(
        "\n'none' shields nothing, 'full' everything: the bounds. Between them a strategy trades "
        "speed for what\n"
        "it exposes: weights that the device holds in clear, and what it sees of each crossing of "
        "the TEE's\n"
        "boundary. magnitude, intermediate and nonlinear offload weights bare or behind masks that "
        "published\n"
        "attacks remove: they are here to be measured, not to be relied on.\n\n"
        "Next  {0} plan {1} -s deep:k=2   what runs where, and who sees what\n"
        "      {0} bench {1} --batch 1,8 --json out.json\n"
        "      {0} doctor   what this machine offers\n",
        program, model));
  }

  const Options& options_;
  ProgressBar bar_;
  std::string path_;
  runtime::Machine machine_;
  std::unique_ptr<onnx::Model> model_;
  std::vector<files::Tensor> images_;
  std::vector<int64_t> labels_;
  std::vector<Row> rows_;
  runtime::RowTensor reference_;
};

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  reads_model(app.add_option("model", options->model,
                             "default: models/fashion_resnet.onnx beside this program"));
  app.add_option("--data", options->data, "folder of the Fashion-MNIST test files")
      ->type_name("FOLDER")
      ->capture_default_str();
  app.add_option("--batch", options->batch, "of the accuracy and throughput run")
      ->check(CLI::Range(int64_t{1}, int64_t{10000}))
      ->capture_default_str();
  app.add_option("--min-seconds", options->seconds, "of latency samples for each strategy")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  options->machine.declare(app);
  return [options] { return Demo(*options).run(); };
}

}  // namespace

extern const Verb kDemoVerb;
const Verb kDemoVerb = {"demo", "a trained model under every strategy, on one screen", declare};

}  // namespace taoism::cli
