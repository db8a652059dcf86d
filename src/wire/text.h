// The texts that a TEE can answer with. Only a code and the number of a text leave it, so that no
// secret can leave in a message. Trusted. Thread-safety: constants.
#pragma once

#include <cstdint>

namespace taoism::wire {

enum class Text : uint32_t {
  none = 0,
  unknown_message,
  wrong_version,
  no_session,
  session_exists,
  bad_public_key,
  crypto_failed,
  range_outside_payload,
  sealed_too_short,
  sealed_too_long,
  out_of_sequence,
  not_authentic,
  program_id_mismatch,
  program_invalid,
  program_exists,
  program_unknown,
  too_many_programs,
  arena_too_small,
  store_bytes_wrong,
  outside_not_authentic,
  segment_unknown,
  segment_out_of_order,
  slot_count_wrong,
  slot_bytes_wrong,
  slots_overlap,
  no_package_key,
  package_too_old,
  index_out_of_range,
  division_by_zero,
  package_head_wrong,
  package_other_format,
  package_index_unknown,
  package_signature_wrong,
  package_signer_unknown,
  package_signer_revoked,
  package_part_wrong,
  bad_key_file,
  packages_only,
  evidence_room,
  packed_otherwise,
  bad_config,
};
// `bad_config` stays the last.
inline constexpr uint32_t kTextCount = static_cast<uint32_t>(Text::bad_config) + 1;

// One line, static; "unknown" for a number that is none.
const char* text(Text text);

}  // namespace taoism::wire
