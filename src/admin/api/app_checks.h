// What is looked at before an app, a configuration or filters are kept: that they would run.
//
// Hog is compiled here, so that a mistake is told to who makes it, with its place, and not by the
// first event. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "catalog/app_manifest.h"
#include "hog/compiler.h"
#include "wire/http.h"

namespace penstock::admin {

/// A mistake and where it is: in a file of a package, or in the value of an input.
struct AppProblem {
  std::string file, input;  // one of them, or neither: the configuration as a whole
  hog::Diagnostic at;       // line 0: nowhere in particular
  std::string sentence;     // with the place, for people
};

/// The first mistake in a Hog app's program; JavaScript is its worker's to look at.
std::optional<AppProblem> code_problem(const catalog::AppManifest& manifest,
                                       const catalog::AppFiles& files);
/// The first template in `config` (a whole configuration) that cannot be compiled.
std::optional<AppProblem> config_problem(const catalog::AppManifest& manifest,
                                         std::string_view config);
/// 400 with the error's place as members `file` or `input`, `line`, `column`, `length`.
void reply_problem(wire::Responder& to, const AppProblem& problem);
/// The same members.
void write_place(JsonWriter& w, const AppProblem& problem);

}  // namespace penstock::admin
