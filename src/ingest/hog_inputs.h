// HogInputs: the inputs of a Hog app, with what is a template in them filled in for each event.
//
// Texts of a configuration that hold a brace are templates, as PostHog has them: "{event.event}" is
// that value, "from {event.properties.city}" a text; "\{" is a brace. Secrets, fields of type json
// whose value is a text, and fields with "templating": false are taken as they are. Immutable once
// compiled; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/app_manifest.h"
#include "hog/machine.h"

namespace penstock::ingest {

class HogInputs {
 public:
  /// kInvalid names the input whose template is none. `config` is a JSON object.
  static Result<HogInputs> compile(const catalog::AppManifest& manifest, std::string_view config);

  /// The inputs as JSON, for the event that `globals` has. kInvalid: a template failed.
  Result<std::string> values(hog::Machine& machine, hog::Globals& globals, hog::Host& host,
                             const hog::Limits& limits) const;

 private:
  /// Text that stays, then what a program makes behind it.
  struct Piece {
    std::string text, input;
    std::shared_ptr<const hog::Program> program;
  };
  Status add(std::string_view raw, const std::string& input);

  std::vector<Piece> pieces_;
  std::string rest_;  // behind the last piece
};

}  // namespace penstock::ingest
