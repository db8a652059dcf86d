#include "runtime/batch_run.h"

#include <algorithm>
#include <cstring>

#include "runtime/session.h"

namespace taoism::runtime {
namespace {

std::string shape_error(const TensorSpec& spec, const ir::TensorDesc& given) {
  std::string text = "N";
  for (size_t i = 1; i < spec.desc.shape.rank(); ++i) {
    text += 'x';
    text += std::to_string(spec.desc.shape[i]);
  }
  return "input '" + spec.name + "' wants " + ir::dtype_name(spec.desc.dtype) + " " + text + "; " +
         ir::dtype_name(given.dtype) + " " + given.shape.text() + " was given";
}

// Whether the rows of `given` are those of `spec`, and how many there are.
Result<size_t> count_rows(const TensorSpec& spec, const files::Tensor& given) {
  const ir::Shape& want = spec.desc.shape;
  const ir::Shape& have = given.desc.shape;
  Status bad = invalid_argument(shape_error(spec, given.desc));
  if (spec.desc.dtype != given.desc.dtype || want.rank() == 0 || have.rank() == 0) return bad;
  if (given.format == files::Format::idx) {
    if (want.product(1, want.rank()) != have.product(1, have.rank())) return bad;
  } else if (!std::equal(want.begin() + 1, want.end(), have.begin() + 1, have.end())) {
    return bad;
  }
  return static_cast<size_t>(have[0]);
}

class RowRun {
 public:
  RowRun(const Source& source, std::span<const files::Tensor> inputs,
         const BatchRunOptions& options)
      : source_(source), inputs_(inputs), options_(options) {}

  Result<BatchRunResult> run() {
    if (!rows_of(source_.inputs()).has_value()) return run_whole();
    TAOISM_RETURN_IF_ERROR(count());
    size_t row = 0;
    while (row < result_.rows) {
      const size_t left = result_.rows - row;
      const size_t batch = batch_for(left);
      if (result_.batch == 0) result_.batch = batch;
      TAOISM_RETURN_IF_ERROR(run_batches(row, batch, left));
    }
    if (result_.rows == 0) return invalid_argument("the input has no rows");
    return std::move(result_);
  }

 private:
  Status check_count() const {
    const size_t wanted = source_.inputs().size();
    if (wanted == inputs_.size()) return {};
    return invalid_argument("the model has " + std::to_string(wanted) + " inputs; " +
                            std::to_string(inputs_.size()) + " were given");
  }

  // Inputs that have no rows in common: one inference of what the source is bound to.
  Result<BatchRunResult> run_whole() {
    TAOISM_RETURN_IF_ERROR(check_count());
    result_.rows = result_.batch = 1;
    TAOISM_ASSIGN_OR_RETURN(const Prepared prepared,
                            source_.prepare(source_.batch_at_most(INT64_MAX), options_.machine));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                            Session::open(prepared, options_.machine));
    describe(prepared, *session);
    std::vector<ir::ConstTensorView> inputs;
    for (const files::Tensor& input : inputs_) inputs.push_back(input.view());
    std::vector<ir::TensorView> outputs;
    for (const TensorSpec& spec : session->outputs()) {
      result_.outputs.push_back(
          {spec.name, spec.desc, AlignedBuffer(std::max<size_t>(spec.desc.bytes(), 1))});
      outputs.push_back({spec.desc, result_.outputs.back().data.data()});
    }
    TAOISM_RETURN_IF_ERROR(session->run(inputs, outputs, result_.total));
    return std::move(result_);
  }

  void describe(const Prepared& prepared, const Session& session) {
    result_.warnings = prepared.report.warnings;
    for (std::string& warning : session.warnings()) result_.warnings.push_back(std::move(warning));
    result_.uses_tee = prepared.uses_tee;
    result_.tee_memory_budget = session.tee_memory_budget();
  }

  Status count() {
    TAOISM_RETURN_IF_ERROR(check_count());
    const std::vector<TensorSpec>& specs = source_.inputs();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      TAOISM_ASSIGN_OR_RETURN(size_t rows, count_rows(specs[i], inputs_[i]));
      if (i > 0 && rows != result_.rows) {
        return invalid_argument("input '" + specs[i].name + "' has " + std::to_string(rows) +
                                " rows, '" + specs[0].name + "' has " +
                                std::to_string(result_.rows));
      }
      result_.rows = rows;
    }
    // Known before anything starts: whether the rows can be made up of batches at all.
    for (size_t left = result_.rows; left > 0; left %= batch_for(left)) {
      if (batch_for(left) == 0) return source_.no_batch_for(result_.rows);
    }
    return {};
  }

  size_t batch_for(size_t rows) const {
    const auto most = static_cast<int64_t>(rows);
    const int64_t batch = source_.batch_at_most(std::min(options_.batch, most));
    // What has only larger ones runs as it can.
    return static_cast<size_t>(batch != 0 ? batch : source_.batch_at_most(most));
  }

  // Full batches from `row` on, as many as fit into `left` rows; advances `row`.
  Status run_batches(size_t& row, size_t batch, size_t left) {
    TAOISM_ASSIGN_OR_RETURN(Prepared prepared,
                            source_.prepare(static_cast<int64_t>(batch), options_.machine));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                            Session::open(prepared, options_.machine, device_));
    if (result_.outputs.empty()) {
      TAOISM_RETURN_IF_ERROR(make_outputs(*session, batch));
      describe(prepared, *session);
    }
    for (size_t i = 0; i < left / batch; ++i, row += batch) {
      TAOISM_RETURN_IF_ERROR(run_one(*session, row));
      if (options_.progress) {
        options_.progress(static_cast<double>(row + batch) / static_cast<double>(result_.rows));
      }
    }
    return {};
  }

  Status make_outputs(const Session& session, size_t batch) {
    for (const TensorSpec& spec : session.outputs()) {
      ir::TensorDesc desc = spec.desc;
      bool by_row = desc.shape.rank() > 0 && desc.shape[0] == static_cast<int64_t>(batch);
      if (!by_row && result_.rows != batch) {
        return unsupported("output '" + spec.name + "' (" + desc.shape.text() +
                           ") has not one row for each row of the input; run one batch: --batch " +
                           std::to_string(result_.rows));
      }
      if (by_row) desc.shape[0] = static_cast<int64_t>(result_.rows);
      result_.outputs.push_back(
          {spec.name, desc, AlignedBuffer(std::max<size_t>(desc.bytes(), 1))});
    }
    return {};
  }

  Status run_one(Session& session, size_t row) {
    std::vector<ir::ConstTensorView> inputs;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      size_t row_bytes = inputs_[i].desc.bytes() / result_.rows;
      inputs.push_back({session.inputs()[i].desc, inputs_[i].data.data() + row * row_bytes});
    }
    std::vector<ir::TensorView> outputs;
    for (size_t o = 0; o < result_.outputs.size(); ++o) {
      RowTensor& output = result_.outputs[o];
      outputs.push_back({session.outputs()[o].desc,
                         output.data.data() + row * (output.desc.bytes() / result_.rows)});
    }
    RunProfile profile;
    TAOISM_RETURN_IF_ERROR(session.run(inputs, outputs, profile));
    result_.total.add(profile);
    return {};
  }

  const Source& source_;
  std::span<const files::Tensor> inputs_;
  const BatchRunOptions& options_;
  std::shared_ptr<device::Device> device_;
  BatchRunResult result_;
};

}  // namespace

Result<BatchRunResult> run_rows(const Source& source, std::span<const files::Tensor> inputs,
                                const BatchRunOptions& options) {
  return RowRun(source, inputs, options).run();
}

std::vector<int64_t> arg_max(const RowTensor& output) {
  TAOISM_CHECK(output.desc.dtype == ir::DType::f32 && output.desc.shape.rank() == 2);
  const int64_t classes = output.desc.shape[1];
  std::vector<int64_t> best;
  for (int64_t row = 0; row < output.desc.shape[0]; ++row) {
    const float* values = output.data.as<float>() + row * classes;
    int64_t winner = 0;
    for (int64_t c = 1; c < classes; ++c) {
      if (values[c] > values[winner] ||
          (values[winner] != values[winner] && values[c] == values[c]))
        winner = c;
    }
    best.push_back(winner);
  }
  return best;
}

Result<Accuracy> accuracy(const RowTensor& output, std::span<const int64_t> labels) {
  const bool is_label = output.desc.dtype == ir::DType::i64 && output.desc.shape.rank() == 1;
  if (!is_label && (output.desc.dtype != ir::DType::f32 || output.desc.shape.rank() != 2 ||
                    output.desc.shape[1] == 0)) {
    return invalid_argument("accuracy wants an output of [rows, classes]; '" + output.name +
                            "' is " + output.desc.shape.text());
  }
  const auto* given = output.data.as<int64_t>();
  const std::vector<int64_t> best =
      is_label ? std::vector<int64_t>(given, given + output.desc.shape[0]) : arg_max(output);
  if (best.size() != labels.size()) {
    return invalid_argument(std::to_string(labels.size()) + " labels for " +
                            std::to_string(best.size()) + " rows; give a label for each row");
  }
  Accuracy accuracy;
  accuracy.rows = best.size();
  for (size_t i = 0; i < best.size(); ++i) accuracy.right += best[i] == labels[i];
  return accuracy;
}

}  // namespace taoism::runtime
