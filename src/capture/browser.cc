#include "capture/browser.h"

#include <charconv>

#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::capture {
namespace {

constexpr std::string_view kConfigMembers =
    R"("supportedCompression":["gzip","gzip-js"],"hasFeatureFlags":false,)"
    R"("autocapture_opt_out":false,"autocaptureExceptions":false,"capturePerformance":false,)"
    R"("captureDeadClicks":false,"sessionRecording":false,"surveys":false,"productTours":false,)"
    R"("heatmaps":false,"isAuthenticated":false,"toolbarParams":{},"siteApps":[],)"
    R"("elementsChainAsString":true,"errorTracking":{"autocaptureExceptions":false,)"
    R"("suppressionRules":[]},"analytics":{"endpoint":"/i/v0/e/"})";

int version_of(std::string_view query, bool decide) {
  std::string text;
  if (!wire::query_param(query, "v", text)) wire::query_param(query, "version", text);
  int version = decide ? 1 : 2;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

std::string flags_body(int version, bool decide, bool with_config, std::string_view request_id,
                       int64_t now_ms) {
  JsonWriter w;
  w.begin_object().field("errorsWhileComputingFlags", false);
  if (decide ? version >= 4 : version >= 2) {
    w.key("flags").raw("{}");
  } else if (decide && version < 2) {
    w.key("featureFlags").raw("[]");
  } else {
    w.key("featureFlags").raw("{}").key("featureFlagPayloads").raw("{}");
  }
  w.field("requestId", request_id).field("evaluatedAt", now_ms);
  std::string out = w.end_object().take();
  if (with_config) {
    out.pop_back();
    out += ',';
    out += kConfigMembers;
    out += R"(,"config":{"enable_collect_everything":true}})";
  }
  return out;
}

std::optional<std::string> token_in(const event::JsonFields& fields) {
  for (const char* name : {"token", "$token", "api_key"}) {
    const auto raw = fields.find(name);
    if (raw && event::json_type(*raw) == event::JsonType::kString)
      return event::decode_string(*raw);
  }
  return std::nullopt;
}

}  // namespace

void flags(wire::Request& request, wire::Responder& responder, const AnswerContext& context,
           BodyDecoder& decoder, const catalog::Snapshot& projects, bool decide,
           const CaptureOptions& options) {
  const int version = version_of(request.query, decide);
  std::string wanted;
  const bool versioned = request.query.find("v=") != std::string_view::npos ||
                         request.query.find("version=") != std::string_view::npos;
  const bool asks_config = wire::query_param(request.query, "config", wanted);
  const bool with_config = decide || (asks_config ? wanted == "true" : !versioned);
  Uuid id;
  const std::string seed = std::to_string(request.received_us);
  for (size_t i = 0; i < id.bytes.size(); i++)
    id.bytes[i] = static_cast<uint8_t>(seed[i % seed.size()]);
  const std::string request_id = Uuid::v5(id, request.peer_ip).text();
  const int64_t now_ms = request.received_us / 1000;
  if (request.method != "POST") {
    return answer_json(responder, context, 200,
                       flags_body(version, decide, with_config, request_id, now_ms));
  }
  if (request.body_too_large) return answer_text(responder, context, 413, "the body is too large");
  auto body =
      decoder.decode({request.query, request.find("content-type"), request.find("content-encoding"),
                      request.body, options.decoded_bytes_max, true});
  if (!body) return answer_text(responder, context, body.error().status, body.error().message);
  const auto fields = event::JsonFields::parse(body->text);
  if (!fields) return answer_text(responder, context, 400, "the body is not a JSON object");
  const auto token = token_in(*fields);
  if (!token) return answer_text(responder, context, 401, "there is no project key: send api_key");
  if (projects.find_token(*token) == nullptr) {
    return answer_text(responder, context, 401, "this project key is not known here");
  }
  answer_json(responder, context, 200,
              flags_body(version, decide, with_config, request_id, now_ms));
}

void remote_config(const wire::Request& request, wire::Responder& responder,
                   const AnswerContext& context, const catalog::Snapshot& projects) {
  std::string_view rest = request.path.substr(7);  // after /array/
  const size_t slash = rest.find('/');
  const std::string token = wire::url_decode(rest.substr(0, slash), false);
  const std::string_view file = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  const bool script = file == "config.js";
  if ((!script && file != "config" && file != "config/") || projects.find_token(token) == nullptr) {
    return answer_text(responder, context, 404, "no such project or file");
  }
  std::string quoted;
  append_json_escaped(quoted, token);
  const std::string config = "{\"token\":" + quoted + "," + std::string(kConfigMembers) + "}";
  if (!script) return answer_json(responder, context, 200, config);
  answer_json(responder, context, 200,
              "(function(){window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{};"
              "window._POSTHOG_REMOTE_CONFIG[" +
                  quoted + "]={config:" + config + ",siteApps:[]}})();\n",
              "application/javascript");
}

}  // namespace penstock::capture
