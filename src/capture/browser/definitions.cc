#include "capture/browser/definitions.h"

#include <charconv>
#include <expected>
#include <optional>

#include "capture/browser/etag.h"

namespace penstock::capture {
namespace {

using catalog::Project;
using catalog::Snapshot;

/// What is asked for, free of the request.
struct Ask {
  std::string key;                  // of the Authorization header
  std::string token;                // of the query; empty: not given
  std::string project;              // of the path: "@current", "12", or empty
  std::optional<std::string> flag;  // absent: the definitions
  bool cohorts = false;             // send_cohorts
  std::string if_none_match;
};

constexpr std::string_view kProjects = "/api/projects/";

std::string_view without_slash(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool is_definitions(std::string_view path) {
  path = without_slash(path);
  return path == "/flags/definitions" || path == "/api/feature_flag/local_evaluation";
}

/// "@current" and "my-flag" of a remote config path.
bool read_payload_path(std::string_view path, Ask& out) {
  path = without_slash(path);
  if (!path.starts_with(kProjects)) return false;
  path.remove_prefix(kProjects.size());
  constexpr std::string_view kFlags = "/feature_flags/", kEnd = "/remote_config";
  const size_t middle = path.find(kFlags);
  if (middle == std::string_view::npos || !path.ends_with(kEnd)) return false;
  if (path.size() <= middle + kFlags.size() + kEnd.size()) return false;
  const std::string_view key = path.substr(middle + kFlags.size());
  out.project = path.substr(0, middle);
  out.flag = wire::url_decode(key.substr(0, key.size() - kEnd.size()), false);
  return true;
}

std::string_view bearer(std::string_view authorization) {
  if (authorization.size() < 7) return {};
  const std::string_view scheme = authorization.substr(0, 7);
  return scheme == "Bearer " || scheme == "bearer " ? authorization.substr(7) : std::string_view();
}

/// The project a key may read and the request means.
std::expected<const Project*, ApiError> project_of(const Ask& ask, const Snapshot& snapshot,
                                                   ProjectId bound) {
  const Project* project = nullptr;
  if (!ask.token.empty()) {
    project = snapshot.find_token(ask.token);
    if (project == nullptr) return std::unexpected(unknown_token());
  } else if (ProjectId named; std::from_chars(ask.project.data(),
                                              ask.project.data() + ask.project.size(), named.value)
                                  .ec == std::errc()) {
    project = snapshot.find(named);
  } else if (bound.value != 0) {
    project = snapshot.find(bound);
  } else if (snapshot.projects.size() == 1) {
    project = &snapshot.projects.front();
  }
  if (project == nullptr) return std::unexpected(missing_token());
  if (bound.value != 0 && project->id != bound) {
    return std::unexpected(
        ApiError{403, "permission_denied", "this key is bound to another project"});
  }
  return project;
}

wire::Response definitions_of(const Ask& ask, const catalog::FeatureFlags& flags) {
  wire::Response response;
  std::string& out = response.body;
  out = R"({"flags":[)";
  for (const catalog::FeatureFlag& flag : flags.flags) {
    if (!out.ends_with('[')) out += ',';
    out += flag.json;
  }
  out += R"(],"group_type_mapping":)" + flags.group_type_mapping;
  out += R"(,"cohorts":)" + (ask.cohorts ? flags.cohorts : std::string("{}")) + "}";
  const std::string etag = weak_etag(out);
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back("Cache-Control", "private, must-revalidate");
  if (etag_matches(ask.if_none_match, etag)) {
    response.status = 304;
    out.clear();
  }
  return response;
}

/// The payload as SDKs read it: a JSON string that holds JSON, or null.
wire::Response payload_of(const Ask& ask, const catalog::FeatureFlags& flags) {
  const catalog::FeatureFlag* flag = flags.find(*ask.flag);
  if (flag == nullptr) {
    return error_response({404, "not_found", "this project has no such feature flag"});
  }
  wire::Response response;
  const std::string* payload = flag->payload("true");
  response.body = payload == nullptr ? "null" : *payload;
  response.headers.emplace_back("Cache-Control", "private, no-store");
  return response;
}

/// On a pool thread.
wire::Response decide(const Ask& ask, const catalog::Catalog& catalog) {
  const auto principal = catalog.authenticate_key(ask.key);
  if (!principal) {
    if (principal.error().code != Code::kDenied) {
      return error_response({503, "service_unavailable", principal.error().message});
    }
    return error_response({401, "personal_api_key_invalid", "this key is not known here"});
  }
  const auto snapshot = catalog.snapshot();
  const auto project = project_of(ask, *snapshot, principal->project);
  if (!project) return error_response(project.error());
  const catalog::FeatureFlags& flags = (*project)->settings->feature_flags;
  return ask.flag ? payload_of(ask, flags) : definitions_of(ask, flags);
}

}  // namespace

bool Definitions::takes(std::string_view path) {
  Ask ignored;
  return is_definitions(path) || read_payload_path(path, ignored);
}

void Definitions::answer(const wire::Request& request, wire::Responder& responder,
                         const AnswerContext& context) {
  if (request.method != "GET" && request.method != "HEAD") {
    return answer_error(responder, context, {405, "method_not_allowed", "use GET"});
  }
  Ask ask;
  if (!is_definitions(request.path)) read_payload_path(request.path, ask);
  ask.key = bearer(request.find("authorization"));
  if (ask.key.empty()) {
    return answer_error(responder, context,
                        {401, "unauthorized", "send Authorization: Bearer phx_…"});
  }
  wire::query_param(request.query, "token", ask.token);
  ask.cohorts = request.query.find("send_cohorts") != std::string_view::npos;
  ask.if_none_match = request.find("if-none-match");
  if (*waiting_ >= kDefinitionsWaitingMax) {
    return answer_error(responder, context, {503, "service_unavailable", "too many such requests"});
  }
  // The request is gone when the pool answers; the service may be as well.
  auto later = std::make_shared<wire::Responder>(std::move(responder));
  auto response = std::make_shared<wire::Response>();
  (*waiting_)++;
  const Status queued = runtime_.pool().submit(
      [ask = std::move(ask), response, &catalog = catalog_] { *response = decide(ask, catalog); },
      loop_,
      [later, response, context, waiting = waiting_] {
        (*waiting)--;
        capture::answer(*later, context, std::move(*response));
      });
  if (queued) return;
  (*waiting_)--;
  answer_error(*later, context, {503, "service_unavailable", queued.error().message});
}

}  // namespace penstock::capture
