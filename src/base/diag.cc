#include "base/diag.h"

#include <cstdio>

namespace penstock::diag {
namespace {

void to_stderr(Level level, std::string_view sentence, Fields fields) {
  if (level == Level::kDebug) return;
  std::string line = "penstock: ";
  line += sentence;
  for (const Field& f : fields) line += fmt::format(" {}={}", f.key, f.value);
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

Sink& sink() {
  static Sink instance = to_stderr;
  return instance;
}

}  // namespace

void set_sink(Sink fresh) { sink() = std::move(fresh); }

void write(Level level, std::string_view sentence, Fields fields) {
  sink()(level, sentence, fields);
}

}  // namespace penstock::diag
