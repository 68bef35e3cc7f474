#include "ingest/hog_inputs.h"

#include <algorithm>
#include <set>

#include "event/json_fields.h"
#include "hog/compiler.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

/// Fields that are taken as they are.
std::set<std::string, std::less<>> plain_fields(const catalog::AppManifest& manifest) {
  std::set<std::string, std::less<>> out;
  for (const catalog::AppField& field : manifest.fields) {
    if (field.secret) out.insert(field.key);
  }
  const auto schema = event::split_array(manifest.config_schema);
  if (!schema) return out;
  for (const std::string_view one : *schema) {
    const auto field = JsonFields::parse(one);
    const auto key = field ? field->find("key") : std::nullopt;
    if (key && field->find("templating").value_or("") == "false") {
      out.insert(event::decode_string(*key));
    }
  }
  return out;
}

bool is_json_text(const catalog::AppManifest& manifest, std::string_view key) {
  const auto field = std::ranges::find(manifest.fields, key, &catalog::AppField::key);
  return field != manifest.fields.end() && field->type == "json";
}

}  // namespace

Result<HogInputs> HogInputs::compile(const catalog::AppManifest& manifest,
                                     std::string_view config) {
  HogInputs out;
  const auto plain = plain_fields(manifest);
  PENSTOCK_TRY(const auto fields, JsonFields::parse(config));
  out.rest_ = "{";
  for (const JsonFields::Field& field : fields.fields()) {
    if (out.rest_.size() > 1 || !out.pieces_.empty()) out.rest_ += ',';
    event::append_json_string(out.rest_, field.key);
    out.rest_ += ':';
    const bool text = json_type(field.value) == JsonType::kString;
    if (plain.contains(field.key) || (text && is_json_text(manifest, field.key))) {
      out.rest_ += field.value;
    } else {
      PENSTOCK_CHECK(out.add(field.value, std::string(field.key)));
    }
  }
  out.rest_ += '}';
  return out;
}

/// One value, whatever is in it.
Status HogInputs::add(std::string_view raw, const std::string& input) {
  const JsonType type = json_type(raw);
  if (raw.find('{') == std::string_view::npos) {
    rest_ += raw;
    return {};
  }
  if (type == JsonType::kObject) {
    PENSTOCK_TRY(const auto fields, JsonFields::parse(raw));
    bool first = true;
    rest_ += '{';
    for (const JsonFields::Field& field : fields.fields()) {
      if (!std::exchange(first, false)) rest_ += ',';
      event::append_json_string(rest_, field.key);
      rest_ += ':';
      PENSTOCK_CHECK(add(field.value, input));
    }
    rest_ += '}';
    return {};
  }
  if (type == JsonType::kArray) {
    PENSTOCK_TRY(const auto items, event::split_array(raw));
    bool first = true;
    rest_ += '[';
    for (const std::string_view item : items) {
      if (!std::exchange(first, false)) rest_ += ',';
      PENSTOCK_CHECK(add(item, input));
    }
    rest_ += ']';
    return {};
  }
  const auto compiled = hog::compile_template(event::decode_string(raw));
  if (!compiled) {
    return fail(Code::kInvalid, "the input '" + input + "': " + compiled.error().message);
  }
  pieces_.push_back({std::exchange(rest_, {}), input, compiled->program});
  return {};
}

Result<std::string> HogInputs::values(hog::Machine& machine, hog::Globals& globals, hog::Host& host,
                                      const hog::Limits& limits) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    out += piece.text;
    const hog::Outcome& outcome = machine.run(piece.program, globals, host, limits);
    if (!outcome.finished()) {
      return fail(Code::kInvalid, "the input '" + piece.input + "': " +
                                      (outcome.state == hog::Outcome::State::kSuspended
                                           ? outcome.async_function + " cannot be called here"
                                           : outcome.error));
    }
    try {
      const std::string made = hog::to_json(machine.heap(), outcome.result);
      out += made.empty() ? "null" : made;
    } catch (const hog::Failure& failure) {
      return fail(Code::kInvalid, "the input '" + piece.input + "': " + failure.message);
    }
  }
  return out + rest_;
}

}  // namespace penstock::ingest
