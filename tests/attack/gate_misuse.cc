// Compiled several times by ctest: as it is, it must compile; with TAOISM_MISUSE set to the number
// of a way around the gate it must not.
#include "trusted/gate.h"
#include "trusted/loaded_program.h"

namespace taoism::trusted {

void let_out_properly(const LoadedProgram& program, ConstByteSpan value, ByteSpan destination) {
  gate(program.token(0, 0, 0, value), destination);
}

void misuse(ByteSpan secret, ByteSpan destination, const LoadedProgram& program) {
#if TAOISM_MISUSE == 1
  gate(OutputToken(secret), destination);  // a token of one's own
#elif TAOISM_MISUSE == 2
  gate(secret, destination);  // no token
#elif TAOISM_MISUSE == 3
  const OutputToken token = program.token(0, 0, 0, secret);
  gate(token, destination);  // a token used twice would be a copy
#endif
}

}  // namespace taoism::trusted
