// The part of the library that is written in Hog. Compiled once, when first asked for.

#include "hog/compile/compiler.h"
#include "hog/stl/context.h"
#include "hog/syntax/parser.h"

namespace penstock::hog {
namespace {

struct Source {
  std::string_view name;
  std::vector<std::string> parameters;
  std::string_view text;
};

const std::vector<Source>& sources() {
  static const std::vector<Source> all = {
      {"arrayCount",
       {"func", "arr"},
       "let count := 0 for (let i in arr) { if (func(i)) { count := count + 1 } } return count"},
      {"arrayExists",
       {"func", "arr"},
       "for (let i in arr) { if (func(i)) { return true } } return false"},
      {"arrayFilter",
       {"func", "arr"},
       "let result := [] for (let i in arr) "
       "{ if (func(i)) { result := arrayPushBack(result, i) } } return result"},
      {"arrayMap",
       {"func", "arr"},
       "let result := [] for (let i in arr) { result := arrayPushBack(result, func(i)) } "
       "return result"},
      {"arrayReduce",
       {"func", "arr", "initial"},
       "let result := initial for (let i in arr) { result := func(result, i) } return result"},
      {"inCohort",
       {"cohort_id", "cohort_ids"},
       "if (cohort_ids == null) { throw Error("
       "'inCohort() requires cohort membership to be loaded for this evaluation') } "
       "for (let id in cohort_ids) { if (id == cohort_id) { return true } } return false"},
      {"notInCohort",
       {"cohort_id", "cohort_ids"},
       "if (cohort_ids == null) { throw Error("
       "'notInCohort() requires cohort membership to be loaded for this evaluation') } "
       "for (let id in cohort_ids) { if (id == cohort_id) { return false } } return true"},
      {"sortableSemver",
       {"version"},
       "if (version == null) { return [] } "
       "let found := extractRegex(version, '(\\\\d+(\\\\.\\\\d+)+)') "
       "if (empty(found)) { return [] } "
       "let parts := splitByString('.', found) "
       "return arrayMap(x -> toInt(x) ?? 0, parts)"}};
  return all;
}

std::shared_ptr<const Program> compile_source(const Source& source) {
  const CompileOptions options;
  Compiler compiler(source.text, options);
  Code code = {Slot::of(std::string("_H")), Slot::of(1.0)};
  append(code, compiler.function_body(*Parser(source.text).program(), source.parameters));
  for (Slot& slot : code) slot.place = {};  // no line of the user's
  return Program::from_slots(code);
}

}  // namespace

const std::shared_ptr<const Program>& library_program(std::string_view name) {
  static const std::vector<std::shared_ptr<const Program>> programs = [] {
    std::vector<std::shared_ptr<const Program>> out;
    for (const Source& source : sources()) out.push_back(compile_source(source));
    return out;
  }();
  for (size_t i = 0; i < programs.size(); i++) {
    if (sources()[i].name == name) return programs[i];
  }
  throw Failure{"Unsupported function call: " + std::string(name)};
}

}  // namespace penstock::hog
