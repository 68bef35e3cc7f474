// Service: routes the admin API's requests to the member functions that answer them.
//
// Private to the room; see admin.h for who owns it and which thread runs it. The functions are
// grouped by file: account.cc (login, projects, keys), feature_flags.cc, query.cc, books.cc
// (ledger, status), ledger_events.cc, trace.cc, quarantine.cc, live.cc (tail), persons.cc and
// person_events.cc, files.cc (the UI).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "admin/admin.h"
#include "admin/api/history.h"
#include "admin/api/recording_stream.h"
#include "admin/api/reply.h"
#include "admin/api/tail.h"
#include "ledger/quarantine_filter.h"

namespace penstock::admin {

/// One authenticated call: the request, its path split at '/', its body, and who asks.
struct Call {
  wire::Request& request;
  std::vector<std::string_view> path;  // "api", "projects", "1", …
  event::JsonFields body;
  catalog::Principal principal;
  bool by_cookie = false;
  ProjectId project;  // of /api/projects/{id}/…, checked
};

inline constexpr size_t kRecentCommandsMax = 1000;

class Service : public AdminService {
 public:
  Service(Parts parts, AdminSources sources, AdminOptions options);
  ~Service() override { *alive_ = false; }
  size_t body_bytes_max(const wire::Request& head) const override;
  void handle(wire::Request& request, wire::Responder responder) override;
  void stop() override;

 private:
  using R = wire::Responder;
  void route(Call& call, R& r);
  void route_project(Call& call, R& r);
  int32_t slice_of(ProjectId id) const;
  bool is_here(ProjectId id) const;
  bool route_account(Call& call, R& r);
  Result<catalog::Principal> authenticate(const wire::Request& request, bool& by_cookie) const;

  // account.cc
  void login(Call& call, R& r);
  void logout(Call& call, R& r);
  void create_login_link(Call& call, R& r);
  void me(Call& call, R& r);
  void set_password(Call& call, R& r);
  void list_projects(Call& call, R& r);
  void create_project(Call& call, R& r);
  void rename_project(Call& call, R& r);
  void settings(Call& call, R& r);
  void put_setting(Call& call, R& r);
  void list_keys(Call& call, R& r);
  void create_key(Call& call, R& r);
  void delete_key(Call& call, R& r);
  bool may_change_setting(const Call& call, std::string_view name) const;
  void write_project(JsonWriter& w, const catalog::Project& project) const;

  // feature_flags.cc
  void feature_flags(Call& call, R& r);
  Status store_flags(Call& call, class FlagList& flags);

  // query.cc
  void query(Call& call, R& r);
  void cancel_query(Call& call, R& r);
  void schema(Call& call, R& r);
  void run_query(store::Query query, std::shared_ptr<R> responder, bool as_schema);

  /// Runs SQL of our own for a project; `answer` gets the rows, or the asker the error.
  void ask(ProjectId project, std::string sql, R responder,
           std::move_only_function<void(R&, const store::QueryResult&)> answer);
  /// The same for what knows how to go on without an answer.
  void ask_store(ProjectId project, std::string sql, store::QueryDone done);
  void send_query(store::Query query, store::QueryDone answer);

  // recordings.cc
  bool recordings(Call& call, R& r);
  void list_recordings(ProjectId project, std::string_view query, R& r, std::string_view who);
  void recording(Call& call, R& r, const std::string& session);
  void snapshots(Call& call, R& r, const std::string& session);

  // persons.cc
  bool persons(Call& call, R& r);
  void list_persons(Call& call, R& r);
  void persons_in_order(std::shared_ptr<struct PersonList> list, size_t window);
  void answer_persons(const std::shared_ptr<PersonList>& list);
  void person(Call& call, R& r, const Uuid& id);
  void person_ids(Call& call, R& r, const Uuid& id);

  // groups.cc
  bool groups(Call& call, R& r);
  void group_types(Call& call, R& r);
  void list_groups(Call& call, R& r);
  void find_group(Call& call, R& r);

  // person_events.cc
  using Of = std::string;  // a condition on `distinct_id`: the ids of one person
  void of_person(ProjectId project, const Uuid& id, R& r,
                 std::move_only_function<void(R&, Of)> then);
  bool of_person(Call& call, R& r, const Uuid& id, std::string_view what);
  void person_events(ProjectId project, std::shared_ptr<struct EventPage> page, size_t window);
  void person_activity(ProjectId project, R& r, const Of& of);
  void person_groups(ProjectId project, R& r, const Of& of);

  // definitions.cc
  bool definitions(Call& call, R& r);
  void note_definition(Call& call, R& r);
  void definition_counts(Call& call, R& r);
  void event_definitions(Call& call, R& r);
  void property_definitions(Call& call, R& r);

  // person_commands.cc
  bool person_commands(Call& call, R& r);
  void person_merges(Call& call, R& r, const Uuid& id);
  void merge_preview(Call& call, R& r);
  void split_person(Call& call, R& r, const Uuid& id);
  void delete_person(Call& call, R& r, const Uuid& id);
  void list_person_commands(Call& call, R& r);
  void person_command(Call& call, R& r);
  void command(Call& call, R& r, std::string_view kind, std::string body);
  /// Appends one command for each body; `extra` are members of the answer.
  void append_commands(Call& call, R& r, std::string_view kind,
                       const std::vector<std::string>& bodies, const std::string& extra = "");
  std::vector<PersonCommandStatus> open_commands(ProjectId project) const;

  // books.cc
  void ledger_rows(Call& call, R& r);
  void status(Call& call, R& r);
  void write_balance(JsonWriter& w) const;
  void write_check(JsonWriter& w) const;
  void write_scrub(JsonWriter& w) const;
  void write_data_scrub(JsonWriter& w) const;
  void sample();

  // ledger_events.cc
  void ledger_events(Call& call, R& r);

  // trace.cc
  void trace(Call& call, R& r);
  void trace_rows(Call& call, R& r, const Uuid& uuid);

  // quarantine.cc
  bool quarantine(Call& call, R& r);
  void list_quarantine(Call& call, R& r);
  void quarantine_entry(Call& call, R& r);
  void edit_quarantined(Call& call, R& r);
  void try_out(Call& call, R& r);
  void discard_quarantined(Call& call, R& r);
  void redrive(Call& call, R& r);
  void list_redrives(Call& call, R& r);
  void stop_redrive(Call& call, R& r);
  Result<ledger::QuarantineFilter> quarantine_select(const Call& call) const;
  /// An entry that the caller may see.
  Result<ledger::QuarantineEntry> quarantined_of(const Call& call, std::string_view id) const;

  // apps.cc
  bool apps(Call& call, R& r);
  void app_templates(R& r);
  void list_apps(Call& call, R& r);
  template <typename Keep>
  void publish(const Call& call, R& r, const std::string& name, Keep keep);
  void create_app(Call& call, R& r);
  void show_app(Call& call, R& r, const catalog::App& app);
  void add_app_version(Call& call, R& r, const catalog::App& app);
  void use_app_version(Call& call, R& r, const catalog::App& app);
  void delete_app(Call& call, R& r, const catalog::App& app);
  bool app_configs(Call& call, R& r);
  void list_app_configs(Call& call, R& r);
  void create_app_config(Call& call, R& r);
  void begin_export(ProjectId project, const event::JsonFields& range, R& r,
                    const catalog::AppConfig& config);
  void start_app_job(Call& call, R& r, const catalog::AppConfig& config);
  void cancel_export(R& r, const catalog::AppConfig& config);
  void change_app_config(Call& call, R& r, const catalog::AppConfig& config);
  void delete_app_config(Call& call, R& r, const catalog::AppConfig& config);
  void order_app_configs(Call& call, R& r);
  void app_logs(Call& call, R& r);
  void reply_app_config(R& r, const Result<catalog::AppConfig>& config, int status = 200);
  std::vector<AppRunStatus> app_statuses() const;

  // app_trial.cc
  void test_app(Call& call, R& r, const catalog::App& app);
  void test_package(Call& call, R& r);
  void check_package(Call& call, R& r);
  Result<catalog::EnabledApp> trial_of(const Call& call, const catalog::App& app) const;

  // app_filters.cc
  void count_filtered(Call& call, R& r);
  void newest_events(std::shared_ptr<struct FilterTrial> trial, size_t window);
  void answer_filtered(const std::shared_ptr<FilterTrial>& trial);

  // squash.cc
  void squash(Call& call, R& r);
  void write_squash(JsonWriter& w) const;

  // intake.cc
  void quotas(Call& call, R& r);

  // live.cc
  void tail(Call& call, R& r);
  void messages(Call& call, R& r);
  void open_tail(Call& call, R& r, TailFilter filter, std::string since);
  std::vector<log::Position> tail_start(std::string_view since, int64_t& since_ms) const;

  // files.cc
  void file(const wire::Request& request, R& r) const;

  /// Runs `work`, which may block, on the pool and `then` with what it answered here.
  template <typename Work, typename Then>
  void in_pool(R responder, Work work, Then then) {
    auto out = std::make_shared<std::invoke_result_t<Work>>();
    auto to = std::make_shared<R>(std::move(responder));
    const Status submitted = parts_.runtime.pool().submit(
        [out, work = std::move(work)]() mutable { *out = work(); }, parts_.loop,
        [alive = alive_, out, to, then = std::move(then)]() mutable {
          if (*alive) then(*to, std::move(*out));
        });
    if (!submitted) reply_error(*to, submitted.error());
  }

  Parts parts_;
  AdminSources sources_;
  AdminOptions options_;
  History history_;
  std::vector<std::shared_ptr<Tail>> tails_;
  std::vector<std::shared_ptr<RecordingStream>> recordings_;
  std::map<std::string, ProjectId> queries_;         // running, by id
  std::deque<PersonCommandStatus> recent_commands_;  // appended here, kRecentCommandsMax at most
  int64_t started_ms_ = 0;
  int64_t login_failures_ = 0, login_window_ms_ = 0;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::admin
