// HogInputs: the inputs of a Hog app, with what is a template in them filled in for each event.
//
// Texts of a configuration that hold a brace are templates, as PostHog has them: "{event.event}" is
// that value, "from {event.properties.city}" a text; "\{" is a brace. Secrets, fields of type json
// whose value is a text, and fields with "templating": false are taken as they are. Immutable once
// compiled; any thread.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hog/compiler.h"
#include "hog/machine.h"

namespace penstock::hog {

/// A template that is none, or a configuration that cannot be read (then `input` is empty).
struct InputProblem {
  std::string input;   // the field's key
  std::string source;  // the template's text
  Diagnostic at;
  /// "the input 'x', line 1, column 5: what is wrong".
  std::string sentence() const;
};

class HogInputs {
 public:
  /// `schema`: the JSON list of fields ({key, type, secret, templating, …}); `config`: a JSON
  /// object. With `functions`, templates that call others than those and the library's are refused.
  static std::expected<HogInputs, InputProblem> compile(std::string_view schema,
                                                        std::string_view config,
                                                        const CompileOptions* functions = nullptr);

  /// The inputs as JSON, for the event that `globals` has. kInvalid: a template failed.
  Result<std::string> values(Machine& machine, Globals& globals, Host& host,
                             const Limits& limits) const;

 private:
  /// Text that stays, then what a program makes behind it.
  struct Piece {
    std::string text, input;
    std::shared_ptr<const Program> program;
  };
  using Added = std::expected<void, InputProblem>;
  Added add(std::string_view raw, const std::string& input, const CompileOptions* functions);
  Added add_template(std::string text, const std::string& input, const CompileOptions* functions);

  std::vector<Piece> pieces_;
  std::string rest_;  // behind the last piece
};

}  // namespace penstock::hog
