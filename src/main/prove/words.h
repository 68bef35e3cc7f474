// What a proof's report says of deaths, events and checks, for somebody who knows neither the code
// nor its names. Names are for machines and stay as they are; words may get better.
#pragma once

#include <string>
#include <string_view>

#include "main/prove/crash_loop.h"
#include "main/prove/workload.h"

namespace penstock::cli::prove {

struct Words {
  std::string_view name, words;
};

Words words_of(Blow blow);
std::string_view words_of(Kind kind);

/// A check as a question that "yes" answers well.
struct Question {
  std::string_view name, words;
  std::string_view looked_at;  // what its number counts
};
Question words_of(Check check);

/// 1234567: 1,234,567.
std::string grouped(uint64_t n);

}  // namespace penstock::cli::prove
