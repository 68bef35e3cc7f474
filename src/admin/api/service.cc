#include "admin/api/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/metrics.h"

namespace penstock::admin {
namespace {

Counter requests_total{"penstock_admin_requests_total", "Requests to the admin API and UI."};

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    const size_t slash = path.find('/');
    if (!path.substr(0, slash).empty()) out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash);
  }
  return out;
}

std::string cookie_value(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    while (cookies.starts_with(' ')) cookies.remove_prefix(1);
    const size_t end = cookies.find(';');
    const std::string_view pair = cookies.substr(0, end);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return std::string(pair.substr(equals + 1));
    }
    if (end == std::string_view::npos) break;
    cookies.remove_prefix(end + 1);
  }
  return {};
}

bool is_write(std::string_view method) { return method != "GET" && method != "HEAD"; }

/// What is answered from the log and the books, which of some slices are elsewhere.
bool is_of_the_books(std::string_view what, std::string_view method) {
  constexpr std::array<std::string_view, 7> kOfTheBooks{
      "ledger", "tail", "messages", "trace", "quarantine", "person_commands", "definitions"};
  return std::ranges::find(kOfTheBooks, what) != kOfTheBooks.end() ||
         (what == "persons" && is_write(method));
}

}  // namespace

Service::Service(Parts parts, AdminSources sources, AdminOptions options)
    : parts_(parts),
      sources_(std::move(sources)),
      options_(options),
      started_ms_(parts.runtime.clock().wall_ms()) {
  parts_.loop.post([this, alive = alive_] {
    if (*alive) sample();
  });
}

/// An app's package comes as JSON, an archive as Base64 in it.
size_t Service::body_bytes_max(const wire::Request& head) const {
  const bool is_app = head.path.find("/apps") != std::string_view::npos;
  return is_app ? std::max(options_.body_bytes_max, options_.app_body_bytes_max)
                : options_.body_bytes_max;
}

Result<catalog::Principal> Service::authenticate(const wire::Request& request,
                                                 bool& by_cookie) const {
  const std::string_view authorization = request.find("authorization");
  if (authorization.starts_with("Bearer ")) {
    return parts_.catalog.authenticate_key(authorization.substr(7));
  }
  const std::string session = cookie_value(request.find("cookie"), "penstock_session");
  if (session.empty()) return fail(Code::kDenied, "log in, or send Authorization: Bearer phx_…");
  by_cookie = true;
  return parts_.catalog.authenticate_session(session);
}

void Service::handle(wire::Request& request, wire::Responder responder) {
  requests_total.add();
  const std::string_view path = request.path;
  if (path == "/api/health") {
    JsonWriter w;
    w.begin_object().field("status", parts_.ledger.healthy() ? "ok" : "degraded");
    w.field("version", PENSTOCK_VERSION);
    w.field("uptime_s", (parts_.runtime.clock().wall_ms() - started_ms_) / 1000).end_object();
    return reply_json(responder, w.take());
  }
  if (path == "/metrics") {
    wire::Response response;
    response.content_type = "text/plain; version=0.0.4";
    response.body = render_metrics();
    return responder.send(std::move(response));
  }
  if (!path.starts_with("/api/")) return file(request, responder);
  if (request.body_too_large) {
    return reply_error(responder, {Code::kExhausted, "the request body is too large"});
  }

  Call call{request, split(path), {}, {}, false, {}};
  if (request.body != nullptr && request.body->size() > 0) {
    auto body = event::JsonFields::parse(request.body->view());
    if (!body) return reply_error(responder, fail(body.error(), "request body").error());
    call.body = std::move(*body);
  }
  if (path == "/api/login" && request.method == "POST") return login(call, responder);
  auto principal = authenticate(request, call.by_cookie);
  if (!principal) return reply_error(responder, principal.error());
  call.principal = std::move(*principal);
  if (call.by_cookie && is_write(request.method) && request.find("x-penstock-request") != "1") {
    return reply_error(responder, {Code::kInvalid, "add the header X-Penstock-Request: 1"});
  }
  route(call, responder);
}

void Service::route(Call& call, wire::Responder& r) {
  const std::string_view what = call.path.size() > 1 ? call.path[1] : "";
  if (what == "status" && call.path.size() == 2) return status(call, r);
  if (what == "squash" && call.path.size() == 2) return squash(call, r);
  if (what == "projects" && call.path.size() >= 3) return route_project(call, r);
  if (route_account(call, r)) return;
  reply_error(r, {Code::kNotFound,
                  fmt::format("there is no {} {}", call.request.method, call.request.path)});
}

bool Service::route_account(Call& call, wire::Responder& r) {
  const std::string_view what = call.path.size() > 1 ? call.path[1] : "";
  const std::string_view method = call.request.method;
  const bool get = method == "GET", post = method == "POST";
  if (what == "me" && call.path.size() == 2 && get) return me(call, r), true;
  if (what == "me" && call.path.size() == 3 && call.path[2] == "password" && post) {
    return set_password(call, r), true;
  }
  if (what == "login-links" && post) return create_login_link(call, r), true;
  if (what == "logout" && post) return logout(call, r), true;
  if (what == "projects" && get) return list_projects(call, r), true;
  if (what == "projects" && post) return create_project(call, r), true;
  if (what == "keys" && call.path.size() == 2 && get) return list_keys(call, r), true;
  if (what == "keys" && call.path.size() == 2 && post) return create_key(call, r), true;
  if (what == "keys" && call.path.size() == 3 && method == "DELETE") {
    return delete_key(call, r), true;
  }
  return false;
}

void Service::route_project(Call& call, wire::Responder& r) {
  const std::string_view id = call.path[2];
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), call.project.value);
  // Project 0 is nobody's: the ledger alone knows of it, for those who may see all projects.
  const bool nobodys = call.project.value == 0 && call.request.method == "GET" &&
                       call.path.size() > 3 && call.path[3] == "ledger";
  const bool known = error == std::errc() && end == id.data() + id.size() &&
                     (nobodys || parts_.catalog.snapshot()->find(call.project) != nullptr);
  const bool allowed = call.principal.project.value == 0 || call.principal.project == call.project;
  if (!known || !allowed) {
    return reply_error(r, {Code::kNotFound, fmt::format("there is no project {} for you", id)});
  }
  const std::string_view what = call.path.size() > 3 ? call.path[3] : "";
  const std::string_view method = call.request.method;
  if (is_of_the_books(what, method) && !is_here(call.project)) {
    return reply_error(
        r, {Code::kConflict,
            fmt::format("project {} is of slice {}, and this process looks at the slices {} to {} "
                        "(process.slices): ask a process that looks at that one",
                        call.project.value, slice_of(call.project), options_.first_slice,
                        options_.last_slice)});
  }
  if (what.empty() && method == "PATCH") return rename_project(call, r);
  if (what == "settings" && call.path.size() == 4 && method == "GET") return settings(call, r);
  if (what == "settings" && call.path.size() == 5 && method == "PUT") return put_setting(call, r);
  if (what == "feature_flags" && call.path.size() <= 5) return feature_flags(call, r);
  if (what == "query" && call.path.size() == 4 && method == "POST") return query(call, r);
  if (what == "query" && call.path.size() == 5 && method == "DELETE") return cancel_query(call, r);
  if (what == "quarantine" && quarantine(call, r)) return;
  if ((what == "persons" || what == "person_commands") && person_commands(call, r)) return;
  if (what == "definitions" && method == "PATCH") return note_definition(call, r);
  if (what.starts_with("app") && apps(call, r)) return;
  if (method == "GET") {
    if (what == "ledger" && call.path.size() == 4) return ledger_rows(call, r);
    if (what == "ledger" && call.path[4] == "events") return ledger_events(call, r);
    if (what == "tail") return tail(call, r);
    if (what == "messages") return messages(call, r);
    if (what == "trace" && call.path.size() >= 5) return trace(call, r);
    if (what == "quotas") return quotas(call, r);
    if (what == "schema") return schema(call, r);
    if (what == "session_recordings" && recordings(call, r)) return;
    if (what == "persons" && persons(call, r)) return;
    if (groups(call, r)) return;
    if (what == "definitions" && definitions(call, r)) return;
  }
  reply_error(r, {Code::kNotFound, fmt::format("there is no {} {}", method, call.request.path)});
}

int32_t Service::slice_of(ProjectId id) const {
  const auto snapshot = parts_.catalog.snapshot();
  const catalog::Project* project = snapshot->find(id);
  return project == nullptr ? 0 : event::slice_of(project->token, options_.layout.slices);
}

/// Of tokens that are nobody's there are some in every slice.
bool Service::is_here(ProjectId id) const {
  if (options_.last_slice < options_.first_slice || id.value == 0) return true;
  const int32_t slice = slice_of(id);
  return slice >= options_.first_slice && slice <= options_.last_slice;
}

void Service::stop() {
  stopping_ = true;
  for (const auto& t : tails_) t->stop();
  tails_.clear();
  for (const auto& s : recordings_) s->stop();
  recordings_.clear();
}

std::unique_ptr<AdminService> AdminService::make(Parts parts, AdminSources sources,
                                                 AdminOptions options) {
  return std::make_unique<Service>(parts, std::move(sources), options);
}

}  // namespace penstock::admin
