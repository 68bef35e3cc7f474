// Login, projects and keys.
#include <fmt/format.h>

#include <charconv>

#include "admin/api/service.h"
#include "hog/filters.h"

namespace penstock::admin {
namespace {

// Guessing a 256-bit secret is hopeless; this bounds the work that guessing a password can cause.
constexpr int64_t kLoginFailuresMax = 20;
constexpr int64_t kLoginWindowMs = 60'000;
constexpr int64_t kLoginLinkMs = 3'600'000;

Error operator_only() {
  return {Code::kDenied, "this key is bound to one project; use a key or login for all of them"};
}

}  // namespace

void Service::login(Call& call, wire::Responder& r) {
  const event::JsonFields& body = call.body;
  const int64_t now = parts_.runtime.clock().wall_ms();
  if (now - login_window_ms_ > kLoginWindowMs) {
    login_window_ms_ = now;
    login_failures_ = 0;
  }
  if (login_failures_ >= kLoginFailuresMax) {
    return reply_error(r, {Code::kBusy, "too many failed logins; wait a minute"});
  }
  const auto secret = body_string(body, "secret");
  const auto email = body_string(body, "email");
  const auto password = body_string(body, "password");
  if (!secret || !email || !password) {
    return reply_error(r, {Code::kInvalid, "secret, email and password are strings"});
  }
  const auto session =
      *secret ? parts_.catalog.login_with_secret(**secret)
              : parts_.catalog.login_with_password(email->value_or(""), password->value_or(""));
  if (!session) {
    login_failures_++;
    return reply_error(r, session.error());
  }
  wire::Response response;
  response.body = "{\"name\":\"admin\"}";
  response.headers.emplace_back(
      "Set-Cookie", fmt::format("penstock_session={}; Path=/; HttpOnly; SameSite=Strict; "
                                "Max-Age=2592000{}",
                                *session, call.request.secure ? "; Secure" : ""));
  response.headers.emplace_back("Cache-Control", "no-store");
  r.send(std::move(response));
}

void Service::logout(Call& call, wire::Responder& r) {
  const std::string_view cookies = call.request.find("cookie");
  const size_t at = cookies.find("penstock_session=");
  if (at != std::string_view::npos) {
    std::string_view secret = cookies.substr(at + 17);
    secret = secret.substr(0, secret.find(';'));
    if (const auto done = parts_.catalog.logout(secret); !done) return reply_error(r, done.error());
  }
  wire::Response response;
  response.body = "{}";
  response.headers.emplace_back("Set-Cookie", "penstock_session=; Path=/; HttpOnly; Max-Age=0");
  r.send(std::move(response));
}

void Service::create_login_link(Call& call, wire::Responder& r) {
  if (call.principal.project.value != 0) return reply_error(r, operator_only());
  const auto secret = parts_.catalog.create_login_secret(kLoginLinkMs);
  if (!secret) return reply_error(r, secret.error());
  JsonWriter w;
  reply_json(r, w.begin_object().field("secret", *secret).end_object().take(), 201);
}

void Service::me(Call& call, wire::Responder& r) {
  JsonWriter w;
  w.begin_object().field("name", call.principal.name);
  w.field("project_id", call.principal.project.value).field("version", PENSTOCK_VERSION);
  reply_json(r, w.end_object().take());
}

void Service::set_password(Call& call, wire::Responder& r) {
  const auto email = body_string(call.body, "email");
  const auto password = body_string(call.body, "password");
  if (!email || !password || !*email || !*password) {
    return reply_error(r, {Code::kInvalid, "send email and password"});
  }
  if (const auto done = parts_.catalog.set_password(call.principal, **email, **password); !done) {
    return reply_error(r, done.error());
  }
  reply_json(r, "{}");
}

void Service::write_project(JsonWriter& w, const catalog::Project& project) const {
  w.begin_object().field("id", project.id.value).field("name", project.name);
  w.field("token", project.token).field("created_at", iso_time(project.created_at_ms));
  w.field("capture_url", sources_.capture_url).end_object();
}

void Service::list_projects(Call& call, wire::Responder& r) {
  JsonWriter w;
  w.begin_object().key("projects").begin_array();
  for (const catalog::Project& p : parts_.catalog.snapshot()->projects) {
    if (call.principal.project.value == 0 || call.principal.project == p.id) write_project(w, p);
  }
  reply_json(r, w.end_array().end_object().take());
}

void Service::create_project(Call& call, wire::Responder& r) {
  if (call.principal.project.value != 0) return reply_error(r, operator_only());
  const auto name = body_string(call.body, "name");
  const auto token = body_string(call.body, "token");
  if (!name || !token) return reply_error(r, {Code::kInvalid, "name and token are strings"});
  const auto project =
      parts_.catalog.create_project(call.principal, name->value_or(""), token->value_or(""));
  if (!project) return reply_error(r, project.error());
  JsonWriter w;
  write_project(w, *project);
  reply_json(r, w.take(), 201);
}

void Service::rename_project(Call& call, wire::Responder& r) {
  const auto name = body_string(call.body, "name");
  if (!name || !*name) return reply_error(r, {Code::kInvalid, "send a name"});
  const auto done = parts_.catalog.rename_project(call.principal, call.project, **name);
  if (!done) return reply_error(r, done.error());
  JsonWriter w;
  write_project(w, *parts_.catalog.snapshot()->find(call.project));
  reply_json(r, w.take());
}

void Service::settings(Call& call, wire::Responder& r) {
  const auto settings = parts_.catalog.snapshot()->find(call.project)->settings;
  JsonWriter w;
  w.begin_object();
  for (const std::string_view name : catalog::setting_names()) {
    w.key(name).raw(settings->text(name));
  }
  reply_json(r, w.end_object().take());
}

/// Quotas and restrictions hold a project back, so its own keys cannot lift them.
bool Service::may_change_setting(const Call& call, std::string_view name) const {
  return call.principal.project.value == 0 || name != "admission";
}

void Service::put_setting(Call& call, wire::Responder& r) {
  if (!may_change_setting(call, call.path[4])) return reply_error(r, operator_only());
  if (call.request.body == nullptr || call.request.body->size() == 0) {
    return reply_error(r, {Code::kInvalid, "send the setting as a JSON object"});
  }
  std::string text(call.request.body->view());
  if (call.path[4] == "test_account_filters") {
    // What cannot be compiled would keep every event from the apps that ask for it.
    if (const auto list = catalog::parse_test_account_filters(text)) {
      const auto program = hog::compile_filters(R"({"properties":)" + *list + "}");
      if (!program) return reply_error(r, program.error());
    }
  }
  const auto done = parts_.catalog.set_project_setting(call.principal, call.project, call.path[4],
                                                       std::move(text));
  if (!done) return reply_error(r, done.error());
  settings(call, r);
}

void Service::list_keys(Call& call, wire::Responder& r) {
  if (call.principal.project.value != 0) return reply_error(r, operator_only());
  const auto keys = parts_.catalog.api_keys();
  if (!keys) return reply_error(r, keys.error());
  JsonWriter w;
  w.begin_object().key("keys").begin_array();
  for (const catalog::ApiKey& k : *keys) {
    w.begin_object().field("id", k.id).field("label", k.label).field("prefix", k.prefix);
    w.field("project_id", k.project.value).field("created_at", iso_time(k.created_at_ms));
    w.end_object();
  }
  reply_json(r, w.end_array().end_object().take());
}

void Service::create_key(Call& call, wire::Responder& r) {
  if (call.principal.project.value != 0) return reply_error(r, operator_only());
  const auto label = body_string(call.body, "label");
  const auto project = body_integer(call.body, "project_id");
  if (!label || !project) return reply_error(r, {Code::kInvalid, "send label and project_id"});
  const auto key = parts_.catalog.create_api_key(call.principal, label->value_or(""),
                                                 ProjectId{project->value_or(0)});
  if (!key) return reply_error(r, key.error());
  JsonWriter w;
  reply_json(r, w.begin_object().field("key", *key).end_object().take(), 201);
}

void Service::delete_key(Call& call, wire::Responder& r) {
  if (call.principal.project.value != 0) return reply_error(r, operator_only());
  int64_t id = 0;
  const std::string_view text = call.path[2];
  std::from_chars(text.data(), text.data() + text.size(), id);
  const auto done = parts_.catalog.delete_api_key(call.principal, id);
  if (!done) return reply_error(r, done.error());
  reply_json(r, "{}");
}

}  // namespace penstock::admin
