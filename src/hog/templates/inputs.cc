#include "hog/inputs.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "event/json_fields.h"

namespace penstock::hog {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

using Keys = std::set<std::string, std::less<>>;

struct Plain {
  Keys fields;  // that are taken as they are
  Keys texts;   // whose texts are: JSON in a text is no template
};

Plain plain_of(std::string_view schema) {
  Plain out;
  const auto items = event::split_array(schema);
  if (!items) return out;
  for (const std::string_view one : *items) {
    const auto field = JsonFields::parse(one);
    const auto key = field ? field->find("key") : std::nullopt;
    if (!key || json_type(*key) != JsonType::kString) continue;
    const std::string name = event::decode_string(*key);
    if (field->find("templating").value_or("") == "false" ||
        field->find("secret").value_or("") == "true") {
      out.fields.insert(name);
    }
    if (field->find("type").value_or("") == R"("json")") out.texts.insert(name);
  }
  return out;
}

std::unexpected<InputProblem> unreadable(const std::string& input, const Error& error) {
  return std::unexpected(InputProblem{input, "", {error.message, {}, 1}});
}

}  // namespace

std::string InputProblem::sentence() const {
  if (input.empty()) return at.message;
  if (at.place.line == 0) return fmt::format("the input '{}': {}", input, at.message);
  return fmt::format("the input '{}', line {}, column {}: {}", input, at.place.line,
                     at.place.column, at.message);
}

std::expected<HogInputs, InputProblem> HogInputs::compile(std::string_view schema,
                                                          std::string_view config,
                                                          const CompileOptions* functions) {
  HogInputs out;
  const Plain plain = plain_of(schema);
  const auto fields = JsonFields::parse(config);
  if (!fields) return unreadable("", fields.error());
  out.rest_ = "{";
  for (const JsonFields::Field& field : fields->fields()) {
    if (out.rest_.size() > 1 || !out.pieces_.empty()) out.rest_ += ',';
    event::append_json_string(out.rest_, field.key);
    out.rest_ += ':';
    const bool text = json_type(field.value) == JsonType::kString;
    if (plain.fields.contains(field.key) || (text && plain.texts.contains(field.key))) {
      out.rest_ += field.value;
      continue;
    }
    if (auto added = out.add(field.value, std::string(field.key), functions); !added) {
      return std::unexpected(std::move(added.error()));
    }
  }
  out.rest_ += '}';
  return out;
}

/// One value, whatever is in it.
HogInputs::Added HogInputs::add(std::string_view raw, const std::string& input,
                                const CompileOptions* functions) {
  const JsonType type = json_type(raw);
  if (raw.find('{') == std::string_view::npos) {
    rest_ += raw;
    return {};
  }
  if (type == JsonType::kObject) {
    const auto fields = JsonFields::parse(raw);
    if (!fields) return unreadable(input, fields.error());
    bool first = true;
    rest_ += '{';
    for (const JsonFields::Field& field : fields->fields()) {
      if (!std::exchange(first, false)) rest_ += ',';
      event::append_json_string(rest_, field.key);
      rest_ += ':';
      if (auto added = add(field.value, input, functions); !added) return added;
    }
    rest_ += '}';
    return {};
  }
  if (type == JsonType::kArray) {
    const auto items = event::split_array(raw);
    if (!items) return unreadable(input, items.error());
    bool first = true;
    rest_ += '[';
    for (const std::string_view item : *items) {
      if (!std::exchange(first, false)) rest_ += ',';
      if (auto added = add(item, input, functions); !added) return added;
    }
    rest_ += ']';
    return {};
  }
  return add_template(event::decode_string(raw), input, functions);
}

HogInputs::Added HogInputs::add_template(std::string text, const std::string& input,
                                         const CompileOptions* functions) {
  const auto compiled =
      functions == nullptr ? compile_template(text) : compile_template(text, *functions);
  if (!compiled) return std::unexpected(InputProblem{input, std::move(text), compiled.error()});
  if (functions != nullptr && !compiled->unknown_functions.empty()) {
    return std::unexpected(
        InputProblem{input, std::move(text), compiled->unknown_functions.front()});
  }
  pieces_.push_back({std::exchange(rest_, {}), input, compiled->program});
  return {};
}

Result<std::string> HogInputs::values(Machine& machine, Globals& globals, Host& host,
                                      const Limits& limits) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    out += piece.text;
    const Outcome& outcome = machine.run(piece.program, globals, host, limits);
    if (!outcome.finished()) {
      return fail(Code::kInvalid, "the input '" + piece.input + "': " +
                                      (outcome.state == Outcome::State::kSuspended
                                           ? outcome.async_function + " cannot be called here"
                                           : outcome.error));
    }
    try {
      const std::string made = to_json(machine.heap(), outcome.result);
      out += made.empty() ? "null" : made;
    } catch (const Failure& failure) {
      return fail(Code::kInvalid, "the input '" + piece.input + "': " + failure.message);
    }
  }
  return out + rest_;
}

}  // namespace penstock::hog
