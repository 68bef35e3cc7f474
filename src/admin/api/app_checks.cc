#include "admin/api/app_checks.h"

#include "admin/api/reply.h"
#include "base/json_writer.h"
#include "hog/inputs.h"
#include "hog/templates.h"

namespace penstock::admin {
namespace {

const hog::CompileOptions& transformation() {
  static const hog::CompileOptions options = [] {
    hog::CompileOptions out;
    for (const std::string_view name : hog::transformation_functions()) {
      out.functions.emplace(name);
    }
    return out;
  }();
  return options;
}

}  // namespace

std::optional<AppProblem> code_problem(const catalog::AppManifest& manifest,
                                       const catalog::AppFiles& files) {
  if (manifest.language != catalog::AppLanguage::kHog) return std::nullopt;
  const auto source = files.find(manifest.main);
  if (source == files.end()) return std::nullopt;
  const auto compiled = hog::compile(source->second, transformation());
  if (compiled && compiled->unknown_functions.empty()) return std::nullopt;
  const hog::Diagnostic& at = compiled ? compiled->unknown_functions.front() : compiled.error();
  return AppProblem{source->first, "", at, hog::explained(source->second, at, source->first)};
}

std::optional<AppProblem> config_problem(const catalog::AppManifest& manifest,
                                         std::string_view config) {
  if (manifest.language != catalog::AppLanguage::kHog) return std::nullopt;
  const auto inputs = hog::HogInputs::compile(manifest.config_schema, config, &transformation());
  if (inputs) return std::nullopt;
  const hog::InputProblem& problem = inputs.error();
  return AppProblem{"", problem.input, problem.at, problem.sentence()};
}

void write_place(JsonWriter& w, const AppProblem& problem) {
  if (!problem.file.empty()) w.field("file", problem.file);
  if (!problem.input.empty()) w.field("input", problem.input);
  if (problem.at.place.line == 0) return;
  w.field("line", uint64_t{problem.at.place.line});
  w.field("column", uint64_t{problem.at.place.column}).field("length", uint64_t{problem.at.length});
}

void reply_problem(wire::Responder& to, const AppProblem& problem) {
  JsonWriter w;
  w.begin_object().key("error").begin_object();
  w.field("code", code_name(Code::kInvalid)).field("message", problem.sentence);
  write_place(w, problem);
  reply_json(to, w.end_object().end_object().take(), status_of(Code::kInvalid));
}

}  // namespace penstock::admin
