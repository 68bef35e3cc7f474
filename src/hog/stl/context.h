// What library functions get to work with, and the table of them. Private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "hog/machine.h"
#include "hog/stl/regex.h"
#include "hog/stl/zones.h"
#include "hog/value.h"

namespace penstock::hog {

/// One per machine.
struct Context {
  Heap heap;
  RegexCache regexes;
  Zones zones;
  Host* host = nullptr;
  Outcome* outcome = nullptr;
  const Limits* limits = nullptr;
};

using Arguments = std::span<const Value>;

/// A function of the library; `name` is the one it was called by. Throws Failure.
using LibraryCall = Value (*)(Context& context, Arguments arguments, std::string_view name);

struct LibraryFunction {
  std::string_view name;
  int32_t arguments_min, arguments_max;  // -1: any number
  LibraryCall call;                      // nullptr: written in Hog (stl/source.cc), or sleep
  enum class How : uint8_t { kNative, kHog, kAsync } how = How::kNative;
};

std::span<const LibraryFunction> library();
/// -1: there is none.
int32_t library_index(std::string_view name);
/// The compiled program of a function that is written in Hog.
const std::shared_ptr<const Program>& library_program(std::string_view name);

inline Value argument(Arguments arguments, size_t at) {
  return at < arguments.size() ? arguments[at] : Value::undefined();
}
/// The text, or a Failure that names the function.
std::string_view text_argument(Arguments arguments, size_t at, std::string_view name);

}  // namespace penstock::hog
