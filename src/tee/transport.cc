#include "tee/transport.h"

#include <cerrno>
#include <cstring>

#include "wire/text.h"

namespace taoism::tee {

Result<wire::Config> make_config(const TeeOptions& options) {
  wire::Config config;
  config.threads = static_cast<uint32_t>(options.threads);
  config.budget_bytes = options.memory_bytes;
  config.package_bytes = options.package_bytes;
  if (options.key_file.size() >= wire::kMaxKeyPath) {
    return invalid_argument("--key: the path is longer than " +
                            std::to_string(wire::kMaxKeyPath - 1) + " bytes: use a shorter one");
  }
  std::memcpy(config.key_file, options.key_file.data(), options.key_file.size());
  if (options.kernel_target.has_value()) {
    config.kernel_target = static_cast<uint32_t>(*options.kernel_target) + 1;
  }
  return config;
}

wire::SessionTerms session_terms(const TeeOptions& options) {
  wire::SessionTerms terms;
  terms.threads = static_cast<uint32_t>(options.threads);
  terms.budget_bytes = options.memory_bytes;
  terms.kernel_target =
      static_cast<uint32_t>(options.kernel_target.value_or(kernels::best_target()));
  terms.holds_key = options.key_file.empty() ? 0 : 1;
  return terms;
}

Status bad_key_file(const std::string& path, int error) {
  const char* why = error == EINVAL            ? "not a key file of taoism"
                    : error == EPROTONOSUPPORT ? "of an older taoism, whose packages this one does "
                                                 "not run: seal them again"
                    : error == EBADMSG         ? "changed since taoism wrote it"
                                               : std::strerror(error);
  return invalid_argument("key file " + path + ": " + why +
                          "; give the one that the package was sealed with, --key");
}

Status of_another_build() {
  return unavailable("the TEE's image is of another build: rebuild the target 'programs'");
}

Status status_of(const wire::Reply& reply) {
  if (reply.code == 0) return {};
  const Code code = reply.code <= static_cast<uint32_t>(Code::internal)
                        ? static_cast<Code>(reply.code)
                        : Code::internal;
  return {code, std::string("the TEE refused: ") + wire::text(static_cast<wire::Text>(reply.text))};
}

Status check_reply(crypto::Channel& from_tee, const wire::Message& message,
                   const wire::Reply& reply) {
  wire::AuthenticReply said{message, reply};
  said.reply.tag = {};
  const Status opened = from_tee.open(object_bytes(said), {}, reply.tag);
  // A session has an end, which is nobody's forgery.
  return opened.code() == Code::policy ? opened : opened.annotate("a reply is not the TEE's own");
}

Status Transport::post(const wire::Message& message) {
  if (!session_end_.ok()) return session_end_;
  TAOISM_CHECK(sent_count_ - collected_count_ < wire::kRingEntries);
  TAOISM_RETURN_IF_ERROR(send(sent_count_, message));
  sent_[sent_count_++ % wire::kRingEntries] = message;
  return {};
}

Status Transport::collect(wire::Reply& reply) {
  if (!session_end_.ok()) return session_end_;
  TAOISM_CHECK(sent_count_ != collected_count_);
  TAOISM_RETURN_IF_ERROR(receive(collected_count_, reply));
  const wire::Message& message = sent_[collected_count_++ % wire::kRingEntries];
  if (from_tee_.has_value() && wire::is_tagged(message)) {
    session_end_ = check_reply(*from_tee_, message, reply);
    if (!session_end_.ok()) return session_end_;
  }
  // It answers nothing else; a worker is gone.
  const Status answer = status_of(reply);
  if (answer.code() == Code::integrity || answer.code() == Code::policy) session_end_ = answer;
  return {};
}

Status Transport::call(const wire::Message& message, wire::Reply& reply) {
  TAOISM_RETURN_IF_ERROR(post(message));
  TAOISM_RETURN_IF_ERROR(collect(reply));
  return status_of(reply);
}

}  // namespace taoism::tee
