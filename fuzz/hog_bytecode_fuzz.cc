// Stored Hog bytecode: reading it, running it, and saving what is suspended.
#include "fuzz/fuzz.h"
#include "fuzz/hog_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  const auto program = hog::Program::from_json(fuzz::text_of(data, size));
  if (!program) return 0;
  const auto again = hog::Program::from_json((*program)->to_json());
  fuzz::hold(again && (*again)->to_json() == (*program)->to_json(), "bytecode is written as read");
  fuzz::hold(!(*program)->disassembled().empty() || (*program)->code().size() <= 2,
             "operations are shown");
  fuzz::run_hog(*program);
  return 0;
}
