#include "capture/browser/flags_request.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using catalog::FlagRuntime;
using event::JsonFields;
using event::JsonType;

constexpr size_t kDistinctIdCharsMax = 200;

bool query_flag(std::string_view query, std::string_view name, bool& given) {
  std::string value;
  given = wire::query_param(query, name, value) && !value.empty();
  return value == "true" || value == "1" || value == "True";
}

std::optional<int> query_version(std::string_view query) {
  std::string text;
  if (!wire::query_param(query, "v", text)) wire::query_param(query, "version", text);
  if (text.empty()) return std::nullopt;
  int version = 1;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

FlagsShape shape_of(int version, bool decide) {
  if (decide) {
    if (version >= 4) return FlagsShape::kDetails;
    if (version == 3) return FlagsShape::kLegacy;
    return version == 2 ? FlagsShape::kEnabledValues : FlagsShape::kEnabledKeys;
  }
  if (version >= 3) return FlagsShape::kValues;
  return version == 2 ? FlagsShape::kDetails : FlagsShape::kLegacy;
}

/// The first of the names that is there and not null.
std::optional<std::string_view> first(const JsonFields& fields,
                                      std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto raw = fields.find(name);
    if (raw && event::json_type(*raw) != JsonType::kNull) return raw;
  }
  return std::nullopt;
}

ApiError parsing(std::string_view what) {
  return {400, "request_parsing_error", std::string(what)};
}

/// The first characters of an id, whole characters each.
std::string cut(std::string text) {
  size_t chars = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (chars++ == kDistinctIdCharsMax) return text.substr(0, i);
  }
  return text;
}

/// A string, or a number as it is written.
std::optional<std::string> id_of(std::string_view raw) {
  const JsonType type = event::json_type(raw);
  if (type == JsonType::kString) return cut(event::decode_string(raw));
  if (type == JsonType::kNumber) return cut(std::string(raw));
  return std::nullopt;
}

bool texts(std::string_view raw, std::vector<std::string>& out) {
  if (event::json_type(raw) != JsonType::kArray) return false;
  const auto items = event::split_array(raw);
  if (!items) return false;
  for (const std::string_view item : *items) {
    if (event::json_type(item) == JsonType::kString) out.push_back(event::decode_string(item));
  }
  return true;
}

std::optional<FlagRuntime> runtime_named(std::string_view raw) {
  if (raw == R"("client")") return FlagRuntime::kClient;
  if (raw == R"("server")") return FlagRuntime::kServer;
  if (raw == R"("all")") return FlagRuntime::kAll;
  return std::nullopt;
}

std::expected<FlagsBody, ApiError> read_fields(const JsonFields& fields) {
  FlagsBody out;
  if (const auto raw = first(fields, {"token", "$token", "api_key"})) {
    if (event::json_type(*raw) != JsonType::kString) {
      return std::unexpected(parsing("the project key is not a string"));
    }
    out.token = event::decode_string(*raw);
  }
  if (out.token.empty()) return std::unexpected(missing_token());
  if (const auto raw = first(fields, {"disable_flags"})) out.disable_flags = *raw == "true";
  if (const auto raw = first(fields, {"distinct_id", "$distinct_id"})) {
    const auto id = id_of(*raw);
    if (!id) return std::unexpected(parsing("distinct_id is neither a string nor a number"));
    out.distinct_id = *id;
  } else if (!out.disable_flags) {
    return std::unexpected(ApiError{400, "missing_distinct_id", "there is no distinct_id"});
  }
  if (const auto raw = first(fields, {"device_id", "$device_id"})) {
    out.device_id = id_of(*raw).value_or("");
  }
  if (const auto raw = first(fields, {"flag_keys", "flag_keys_to_evaluate"})) {
    if (!texts(*raw, out.flag_keys.emplace())) {
      return std::unexpected(parsing("flag_keys is not a list"));
    }
  }
  if (const auto raw = first(fields, {"evaluation_contexts", "evaluation_environments"})) {
    if (!texts(*raw, out.contexts)) {
      return std::unexpected(parsing("evaluation_contexts is not a list"));
    }
  }
  if (const auto raw = first(fields, {"evaluation_runtime"})) out.runtime = runtime_named(*raw);
  return out;
}

}  // namespace

FlagsQuery read_flags_query(std::string_view query, bool decide) {
  FlagsQuery out;
  bool config_given = false, ignored = false;
  const bool config = query_flag(query, "config", config_given);
  const auto version = query_version(query);
  const bool bare = !version && !config_given;
  out.shape = shape_of(version.value_or(bare && !decide ? 2 : 1), decide);
  out.with_config = decide || config || bare;
  out.surveys_only = query_flag(query, "only_evaluate_survey_feature_flags", ignored);
  return out;
}

std::expected<FlagsBody, ApiError> read_flags_body(std::string_view text) {
  std::string repaired;
  auto fields = JsonFields::parse(text);
  if (!fields) {
    repaired = non_finite_to_null(text);
    fields = JsonFields::parse(repaired);
  }
  if (!fields) return std::unexpected(parsing("the body is not a JSON object"));
  return read_fields(*fields);
}

std::optional<FlagRuntime> runtime_of(const wire::Request& request, const FlagsBody& body) {
  if (body.runtime) return body.runtime;
  const std::string_view agent = request.find("user-agent");
  if (!request.find("origin").empty() || !request.find("referer").empty() ||
      agent.starts_with("Mozilla/")) {
    return FlagRuntime::kClient;
  }
  if (!agent.starts_with("posthog-")) return std::nullopt;
  constexpr std::string_view kOnDevices[] = {"posthog-ios", "posthog-android", "posthog-flutter",
                                             "posthog-react-native", "posthog-js"};
  const bool device = std::ranges::any_of(
      kOnDevices, [agent](std::string_view name) { return agent.starts_with(name); });
  return device ? FlagRuntime::kClient : FlagRuntime::kServer;
}

std::string non_finite_to_null(std::string_view text) {
  constexpr std::string_view kWords[] = {"NaN", "-Infinity", "Infinity"};
  std::string out;
  out.reserve(text.size());
  bool inside = false;
  for (size_t i = 0; i < text.size(); i++) {
    if (inside && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];
    } else if (text[i] == '"') {
      inside = !inside;
    } else if (!inside) {
      const auto* word = std::ranges::find_if(
          kWords, [&](std::string_view w) { return text.substr(i).starts_with(w); });
      if (word != std::end(kWords)) {
        out += "null";
        i += word->size() - 1;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace penstock::capture
