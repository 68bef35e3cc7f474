// Hog source: the parser, the compiler and the layout, then the run of what compiled.
#include "fuzz/fuzz.h"
#include "fuzz/hog_world.h"
#include "hog/compiler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  const std::string_view source = fuzz::text_of(data, size);
  const auto compiled = hog::compile(source);
  static_cast<void>(hog::compile_template(source));
  const auto tidy = hog::format_source(source);
  if (!compiled) {
    fuzz::hold(!hog::explained(source, compiled.error()).empty(), "a mistake is explained");
    return 0;
  }
  fuzz::hold(tidy.has_value(), "what compiles can be laid out");
  const auto again = hog::compile(*tidy);
  fuzz::hold(again && again->program->to_json() == compiled->program->to_json(),
             "the layout changes nothing");
  fuzz::run_hog(compiled->program);
  return 0;
}
