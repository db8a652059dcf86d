#include "tee/transport.h"

#include "wire/text.h"

namespace taoism::tee {

Status status_of(const wire::Reply& reply) {
  if (reply.code == 0) return {};
  const Code code = reply.code <= static_cast<uint32_t>(Code::internal)
                        ? static_cast<Code>(reply.code)
                        : Code::internal;
  return {code, std::string("the TEE refused: ") + wire::text(static_cast<wire::Text>(reply.text))};
}

Status Transport::call(const wire::Message& message, wire::Reply& reply) {
  TAOISM_RETURN_IF_ERROR(post(message));
  TAOISM_RETURN_IF_ERROR(collect(reply));
  return status_of(reply);
}

}  // namespace taoism::tee
