// Engine: the Apps over worker processes. Which app is loaded where, what waits for an answer, and
// what is done when a worker dies. Loop thread.
//
// A Slot is one script runtime: of one configuration, or of a stateless app for all projects of a
// worker. A Part is what one worker has of a batch; it is held back while the worker's apps are
// being loaded, and sent again when the worker died.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/fetcher.h"
#include "apps/health_rule.h"
#include "apps/host/app_state.h"
#include "apps/host/link.h"
#include "apps/round.h"
#include "apps/script/batch_answer.h"
#include "apps/script/settings.h"
#include "apps/worker_apps.h"

namespace penstock::apps {

struct Slot {
  Slot(std::string k, AppConfig c, const AppsOptions& options)
      : key(std::move(k)),
        config(std::move(c)),
        health(options.probe_ms_min, options.probe_ms_max) {}

  std::string key;
  AppConfig config;
  size_t worker = 0;
  uint64_t instance = 0;  // that is called; 0: none
  uint64_t loading = 0;   // that is being loaded
  int attempts = 0;       // to load, that failed in a row
  bool failed = false;    // for good
  bool gone = false;      // no longer wanted
  int64_t retry_at_ms = 0;
  bool suspect = false;   // it ended a worker: the next time less is allowed to it
  int64_t spared_ns = 0;  // mono: it ran, for no event, when its worker was ended from outside
  HealthRule health;
  AppStatus status;
  std::vector<std::string> scheduled;
  std::set<std::string> tasks_running;
  std::vector<LogEntry>* captured = nullptr;     // of a try: its log lines
  TryOptions trial;                              // of a try
  std::move_only_function<void(Status)> loaded;  // of a try
};

/// An app in an event's chain, as it was decided when the part was sent.
struct Planned {
  ConfigId config = 0;
  std::weak_ptr<Slot> slot;
  std::string label;
  uint64_t instance = 0;  // of `sent`
  bool sent = false, killed = false;
  bool tried = false;  // disabled: each event asks anew whether it may try
};

/// What an event goes through; the same for its neighbours of the project, most of the time.
using Plan = std::shared_ptr<const std::vector<Planned>>;

struct Pending {
  std::vector<AppEvent> events;
  TransformOptions options;
  TransformDone done;
  std::vector<AppResult> results;
  size_t parts_left = 0;
  runtime::TimerId timer = 0;
  int64_t began_ns = 0, deadline_ms = 0;
  std::set<ProjectId> awaiting{};  // when it was looked at last: nobody else's fault
  bool cancelled = false;          // its time is over; what came of it is on its way
  bool told = false;               // from then on the events' texts are the caller's to free
};

struct Part {
  uint64_t id = 0;  // on the wire; a new one for every sending
  std::shared_ptr<Pending> pending;
  std::vector<size_t> indexes;
  std::vector<Plan> plans;                          // once sent, by place in `indexes`
  std::set<std::pair<size_t, ConfigId>> killers{};  // (place, config) that ended a worker
  std::set<std::pair<size_t, ConfigId>> spared{};   // that ran when one was ended from outside
  int deaths = 0;
  int64_t held_ns = 0;            // mono: since when it is held back; 0: it is not
  std::optional<size_t> place{};  // in the worker's room, while it is there
  std::shared_ptr<Slot> only{};   // of a try
};

struct Hooked {
  std::weak_ptr<Slot> slot;
  std::string name;
  HookDone done;
  size_t events = 0;
};

/// A project whose apps are kept from the others' worker.
struct Apart {
  int64_t until_ms = 0;  // wall clock; 0: it is back
  int64_t rest_ms = 0;   // how long the last time
  bool late = false;     // its batches were not answered in time: the next wait less
};

/// What a worker was at when it was looked at last.
struct Entry {
  uint64_t number = 0;
  int64_t cpu_ns = 0;  // that it had used by then
};

struct WorkerState {
  std::unique_ptr<WorkerLink> link;
  std::set<uint64_t> awaited;  // instances whose loading holds events back
  std::deque<std::unique_ptr<Part>> held;
  std::unordered_map<uint64_t, std::unique_ptr<Part>> parts;
  std::unordered_map<uint64_t, Hooked> hooks;
  Entry entry;
  int deaths_in_a_row = 0;
  bool restarting = false;  // it died, and the next one is not there yet
  int64_t spawned_ns = 0;
};

class Engine : public Apps {
 public:
  Engine(runtime::Runtime& runtime, runtime::Loop& loop, runtime::Poller& poller,
         kv::KeyValue& state, AppSink& sink, AppsOptions options, AllowedHosts allowed);
  ~Engine() override;

  Status start() override;
  void stop(std::move_only_function<void()> done) override;
  void set(std::vector<AppConfig> enabled) override;
  bool transforms(ProjectId project) const override;
  bool goes_round(ProjectId project) const override;
  void transform(std::vector<AppEvent> batch, TransformOptions options,
                 TransformDone done) override;
  void call(HookCall call, HookDone done) override;
  void try_out(AppConfig candidate, std::string event_json, TryOptions options,
               TryDone done) override;
  Status start_job(ConfigId config, std::string_view name, std::string_view payload) override;
  void reset(ConfigId config) override;
  std::vector<AppStatus> statuses() const override;

 private:
  friend struct EngineProbe;  // fuzz/worker_answers_fuzz.cc: hands in frames

  // engine.cc: slots
  std::string key_of(const AppConfig& config) const;
  size_t worker_of(ProjectId project) const;
  size_t apart_worker() const { return workers_.size() - 1; }
  void leave(const std::shared_ptr<Slot>& slot);
  void load(const std::shared_ptr<Slot>& slot);
  void retire(const std::shared_ptr<Slot>& slot);
  void on_loaded(size_t worker, std::string_view operands);
  void load_failed(const std::shared_ptr<Slot>& slot, const std::string& error_json);
  void now_loaded(const std::shared_ptr<Slot>& slot, uint64_t instance, std::string_view json);
  void unload(size_t worker, uint64_t instance);
  void end();
  AppStatus status_of(const Slot& slot, ConfigId config) const;
  void changed(const Slot& slot);
  void log(Slot& slot, LogEntry::Source source, LogEntry::Level level, std::string message);
  void set_error(Slot& slot, std::string_view error_json);
  std::string redacted(const Slot& slot, std::string text) const;
  void note(const std::shared_ptr<Slot>& slot, bool ok, bool costly, int64_t now_ms);

  // engine_events.cc: batches
  void send_part(size_t worker, std::unique_ptr<Part> part);
  bool lay_out(WorkerState& state, Part& part);
  void hold(WorkerState& state, std::unique_ptr<Part> part);
  void send_held(size_t worker);
  void route(std::unique_ptr<Part> part);
  // engine_waits.cc: batches whose answers take long
  void await(const std::shared_ptr<Pending>& pending);
  void look(const std::shared_ptr<Pending>& pending);
  std::set<ProjectId> held_up_by_themselves(const Pending& pending, bool running) const;
  std::set<ProjectId> for_themselves(const Pending& pending) const;
  void go_round(ProjectId project);
  void remind(int64_t now_ms);
  void late(const std::shared_ptr<Pending>& pending);
  void cancel(const std::shared_ptr<Pending>& pending);
  void end_waiting(const std::shared_ptr<Pending>& pending);
  bool is_elsewhere(const Part& part, size_t place, size_t worker);
  // engine_apart.cc: projects whose apps take too long get a worker of their own
  void set_apart(ProjectId project, const std::string& why);
  void come_back(int64_t now_ms);
  bool waits(const Part& part, const WorkerState& state) const;
  Plan plan(const Part& part, size_t place, size_t worker);
  void on_batch_done(size_t worker, std::string_view operands);
  void take_event(Part& part, size_t place, const EventAnswer& event, int64_t now);
  void take_step(const std::shared_ptr<Slot>& slot, const Planned& planned, const StepAnswer& from,
                 AppStep& step, AppResult& result, int64_t now);
  void finish_part(std::unique_ptr<Part> part);
  void give_up(Part& part, const std::string& why);
  // engine_deaths.cc: workers that die
  WorkerLink::Options link_options() const;
  Status spawn(size_t worker);
  void look_after_standby();
  void on_death(size_t worker, const WorkerDeath& death);
  bool spare(WorkerState& state, uint64_t batch, uint64_t index, const std::shared_ptr<Slot>& slot);
  void blame(WorkerState& state, uint64_t batch, uint64_t index, const std::shared_ptr<Slot>& slot);
  void reload_all(size_t worker);
  void look_for_hung();

  // engine_calls.cc: frames, hooks, what apps ask for, the clock
  void on_frame(size_t worker, std::string_view body);
  void on_hook_done(size_t worker, std::string_view operands);
  void on_host_call(size_t worker, std::string_view operands);
  void reply(size_t worker, uint64_t instance, uint64_t id, Result<std::string> json,
             std::string_view body);
  void fetch(size_t worker, const std::shared_ptr<Slot>& slot, uint64_t instance, uint64_t id,
             std::string_view arguments, std::string_view body);
  void on_log(size_t worker, std::string_view operands);
  void on_metric(size_t worker, std::string_view operands);
  void run_hook(const std::shared_ptr<Slot>& slot, std::string name, std::string payload,
                std::vector<std::string> events, HookDone done);
  void tick();
  void run_jobs(int64_t now_ms);
  bool is_past_export(const Slot& slot, const Job& job) const;
  void export_past(Slot& slot, const Job& job);
  void put_off(Job job);
  void run_schedule(int64_t now_ms);
  void flush_state();

  std::shared_ptr<Slot> slot_of(ConfigId config) const;
  /// Null also where the worker says so of another one's: it speaks for its own apps alone.
  std::shared_ptr<Slot> slot_of_instance(size_t worker, uint64_t instance) const;
  int64_t now_ms() const { return runtime_.clock().wall_ms(); }

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  runtime::Poller& poller_;
  kv::KeyValue& kv_;
  AppState state_;
  AppSink& sink_;
  AppsOptions options_;
  VmLimits limits_;
  std::unique_ptr<Fetcher> fetcher_;
  std::vector<WorkerState> workers_;
  std::optional<StartedWorker> standby_;  // takes the place of the next one that is needed
  int64_t spawned_ns_ = 0;                // the newest
  std::vector<AppConfig> configs_;        // in order
  std::unordered_map<std::string, std::shared_ptr<Slot>> slots_;
  std::unordered_map<ConfigId, std::shared_ptr<Slot>> by_config_;
  std::unordered_map<int64_t, std::vector<size_t>> by_project_;  // places in configs_
  struct Instance {
    std::weak_ptr<Slot> slot;
    size_t worker = 0;
  };
  std::unordered_map<uint64_t, Instance> instances_;
  std::unordered_map<std::string, std::shared_ptr<Slot>> tries_;
  std::unordered_map<int64_t, Apart> apart_;  // by project
  std::unordered_map<int64_t, Round> round_;  // by project
  int64_t back_looked_ms_ = 0, reminded_ms_ = 0;
  BatchAnswer answer_;  // of the frame that is being taken
  uint64_t next_id_ = 1;
  bool started_ = false, stopping_ = false, was_set_ = false;
  bool flushing_ = false;  // the pool writes the state
  std::move_only_function<void()> stopped_;
  size_t unloading_ = 0;
  runtime::TimerId timer_ = 0;
  int64_t minute_ = 0, swept_ms_ = 0, flushed_ms_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // guards callbacks that come late
};

}  // namespace penstock::apps
