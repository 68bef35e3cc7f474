#include "capture/browser/browser.h"

#include <algorithm>
#include <array>

#include "capture/browser/etag.h"
#include "capture/browser/flags_answer.h"
#include "capture/browser/flags_request.h"
#include "capture/browser/lists.h"
#include "capture/browser/remote_config.h"
#include "capture/origins.h"

namespace penstock::capture {
namespace {

using catalog::QuotaResource;

constexpr std::string_view kArray = "/array/";
constexpr std::string_view kSurveyFlags = "survey-targeting-";
constexpr size_t kFlagsBytesMax = 10U << 20;  // decoded; a request about one person

std::string_view without_slash(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool is_get(const wire::Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

/// A browser's preflight is answered like every other; whoever just asks is told the methods.
void answer_flags_options(wire::Responder& responder, const AnswerContext& context,
                          const wire::Request& request) {
  if (!request.find("access-control-request-method").empty()) {
    return answer_preflight(responder, context, request);
  }
  wire::Response response;
  response.status = 204;
  response.content_type = "";
  response.headers.emplace_back("Allow", "GET, POST, OPTIONS, HEAD");
  answer(responder, context, std::move(response));
}

bool shares_one(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::any_of(
      a, [&b](const std::string& one) { return std::ranges::find(b, one) != b.end(); });
}

/// Whether a flag is this caller's business at all.
bool is_asked_for(const catalog::FeatureFlag& flag, const FlagsQuery& query, const FlagsBody& body,
                  std::optional<catalog::FlagRuntime> runtime) {
  using catalog::FlagRuntime;
  if (query.surveys_only && !flag.key.starts_with(kSurveyFlags)) return false;
  if (body.flag_keys && std::ranges::find(*body.flag_keys, flag.key) == body.flag_keys->end()) {
    return false;
  }
  // Who does not say where it runs is not told what is meant for one place only.
  if (flag.runtime != FlagRuntime::kAll && runtime != FlagRuntime::kAll &&
      flag.runtime != runtime) {
    return false;
  }
  return flag.contexts.empty() || body.contexts.empty() || shares_one(flag.contexts, body.contexts);
}

ApiError undecodable(const Refusal& refusal) {
  const bool large = refusal.status == 413;
  return {refusal.status, large ? "payload_too_large" : "request_decoding_error", refusal.message};
}

}  // namespace

ConfigContext Browser::config_context(const catalog::Project& project, int64_t now_ms) {
  return {admission_.is_over(project, QuotaResource::kRecordings, now_ms)};
}

std::string Browser::request_id(int64_t now_ms) {
  std::array<uint8_t, 10> random{};
  runtime_.random().fill(random);
  return Uuid::v7(now_ms, random).text();
}

bool Browser::handle(wire::Request& request, wire::Responder& responder,
                     const AnswerContext& context, const catalog::Snapshot& projects) {
  const std::string_view path = without_slash(request.path);
  const bool decides = path == "/decide";
  if (path == "/flags" || decides) {
    flags(request, responder, context, projects, decides);
  } else if (request.method == "OPTIONS") {
    return false;  // answered alike for every path
  } else if (Definitions::takes(path)) {
    definitions_.answer(request, responder, context);
  } else if (request.path.starts_with(kArray) && is_get(request)) {
    array(request, responder, context, projects);
  } else if (request.path.starts_with("/static/") && is_get(request)) {
    files_.answer(request, responder);
  } else if (path == "/api/push_subscriptions" &&
             (request.method == "POST" || request.method == "DELETE")) {
    // Push is not sent from here: a device may register without harm.
    answer_json(responder, context, 200, R"({"status":"Ok"})");
  } else {
    return answer_list(request, responder, context, projects);
  }
  return true;
}

void Browser::flags(wire::Request& request, wire::Responder& responder, const AnswerContext& asked,
                    const catalog::Snapshot& projects, bool decide) {
  AnswerContext context = asked;
  if (request.method == "OPTIONS") return answer_flags_options(responder, context, request);
  const FlagsQuery query = read_flags_query(request.query, decide);
  FlagsAnswer out;
  out.evaluated_at_ms = request.received_us / 1000;
  out.request_id = request_id(out.evaluated_at_ms);
  if (is_get(request)) {
    out.config = minimal_config_members();
    return answer_json(responder, context, 200, flags_body(query.shape, out));
  }
  if (request.method != "POST") {
    return answer_error(responder, context, {405, "method_not_allowed", "use POST"});
  }
  const auto refuse = [&](const ApiError& why, std::string_view text) {
    refusals_.note(RefusalTally::project_in(text, projects),
                   {why.code, why.status, request.path, why.detail});
    answer_error(responder, context, why);
  };
  if (request.body_too_large) {
    return refuse({413, "payload_too_large", "the body is too large"}, {});
  }
  const auto decoded = decoder_.decode(
      {request.query, request.find("content-type"), request.find("content-encoding"), request.body,
       std::min(options_.decoded_bytes_max, kFlagsBytesMax), true});
  if (!decoded) return refuse(undecodable(decoded.error()), decoder_.last_text());
  const auto body = read_flags_body(decoded->text);
  if (!body) return refuse(body.error(), decoded->text);
  decoder_.trim();
  const catalog::Project* project = projects.find_token(body->token);
  if (project == nullptr) return answer_error(responder, context, unknown_token());
  restrict_origin(context, project);
  if (!body->disable_flags) {
    out.quota_limited =
        !admission_.take(*project, QuotaResource::kFeatureFlags, out.evaluated_at_ms);
    if (out.quota_limited) {
      refusals_.note(project, {kOverQuota, 200, request.path, "no flags: over the quota"});
    }
  }
  if (!body->disable_flags && !out.quota_limited) {
    const auto runtime = runtime_of(request, *body);
    const FlagSubject subject{body->distinct_id, body->device_id};
    for (const catalog::FeatureFlag& flag : project->settings->feature_flags.flags) {
      if (!is_asked_for(flag, query, *body, runtime)) continue;
      out.decisions.push_back(decide_flag(flag, subject));
    }
  }
  std::string config;
  if (query.with_config)
    config = config_members(*project, config_context(*project, out.evaluated_at_ms));
  out.config = config;
  answer_json(responder, context, 200, flags_body(query.shape, out));
}

void Browser::array(const wire::Request& request, wire::Responder& responder,
                    const AnswerContext& context, const catalog::Snapshot& projects) {
  std::string_view rest = request.path.substr(kArray.size());
  const size_t slash = rest.find('/');
  const catalog::Project* project =
      projects.find_token(wire::url_decode(rest.substr(0, slash), false));
  const std::string_view file =
      slash == std::string_view::npos ? "" : without_slash(rest.substr(slash + 1));
  if (project == nullptr || (file != "config" && file != "config.js" && file != "array.js")) {
    return answer_text(responder, context, 404, "no such project or file");
  }
  const ConfigContext config = config_context(*project, request.received_us / 1000);
  if (file == "array.js") {
    return files_.answer_bundle(request, responder, config_script(*project, config));
  }
  wire::Response response;
  if (file == "config.js") {
    response.content_type = "text/javascript; charset=utf-8";
    response.body = config_script(*project, config);
  } else {
    response.body = "{" + config_members(*project, config) + "}";
  }
  const std::string etag = weak_etag(response.body);
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back("Cache-Control", "public, max-age=60");
  if (etag_matches(request.find("if-none-match"), etag)) {
    response.status = 304;
    response.body.clear();
  }
  const AnswerContext readers = restricted(context, project);
  // Caches must not give a page that may read the config the answer to one that may not.
  if (readers.origin.empty()) response.headers.emplace_back("vary", "origin");
  answer(responder, readers, std::move(response));
}

}  // namespace penstock::capture
