#include "ingest/commands/executor.h"

#include <algorithm>

#include "base/diag.h"
#include "base/json_writer.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "event/lane.h"
#include "ingest/commands/quarantine_work.h"
#include "log/scan.h"

namespace penstock::ingest {
namespace {

Counter commands_metric{"penstock_person_commands_total", "Commands about persons carried out."};

constexpr int kSequenceShift = 20;
constexpr size_t kWaitingMax = 100;  // read ahead; the others wait in the log
constexpr size_t kFetchBytesMax = 256U << 10;
constexpr int64_t kWaitMs = 1000;
constexpr size_t kAppendBytesMax = 8U << 20;

std::string topic() { return std::string(event::kTopicPersonCommands); }
std::string processed_topic() { return std::string(event::kTopicProcessed); }

bool is_the_askers(Code code) {
  return code == Code::kInvalid || code == Code::kNotFound || code == Code::kExhausted ||
         code == Code::kConflict;
}

/// A uuid in a command's body.
Result<Uuid> uuid_in(const event::JsonFields& body, std::string_view key) {
  const auto raw = body.find(key);
  const auto text = raw && event::json_type(*raw) == event::JsonType::kString
                        ? Uuid::parse(event::decode_string(*raw))
                        : std::nullopt;
  if (!text) return fail(Code::kInvalid, std::string(key) + " must be a uuid");
  return *text;
}

}  // namespace

std::shared_ptr<CommandExecutor> CommandExecutor::make(runtime::Loop& loop,
                                                       runtime::Runtime& runtime, log::Log& log,
                                                       const persons::PersonStore& store,
                                                       CommandHost& host, Partition commands,
                                                       Partition outcomes,
                                                       PersonCommandOptions options) {
  return std::shared_ptr<CommandExecutor>(
      new CommandExecutor(loop, runtime, log, store, host, commands, outcomes, std::move(options)));
}

Status CommandExecutor::start() {
  const auto bounds = log_.bounds(topic());
  if (!bounds && bounds.error().code == Code::kNotFound) return {};  // a log that has it not
  if (!bounds) return std::unexpected(bounds.error());
  const auto b = std::ranges::find(*bounds, commands_, &log::PartitionBounds::partition);
  if (b == bounds->end()) return fail(Code::kInvalid, topic() + " has a partition for each slice");
  sequence_ = log_.last_sequence(processed_topic(), outcomes_, event::kPersonCommandsProducer);
  const int64_t under_way = sequence_ < 0 ? 0 : (sequence_ >> kSequenceShift) - 1;
  // Of slices, whoever decided a moment ago may have read what is not known here yet.
  if (bounds->size() == 1 && under_way > b->end.value) {
    return fail(Code::kCorrupt, "the processed topic is ahead of " + topic() +
                                    ": they are not of the same data directory");
  }
  fetched_ = std::max(under_way, b->start.value);
  stopped_ = false;
  fetch();
  return {};
}

void CommandExecutor::stop() {
  stopped_ = true;
  if (undo_) undo_->stop();
  if (!apply_again_) return;
  probe<"ingest.stopped_before_a_command_was_applied">();
  apply_again_ = nullptr;
  paused_ = false;
  host_.resume();
}

std::vector<CommandStatus> CommandExecutor::statuses() const {
  const std::lock_guard lock(mutex_);
  return {statuses_.begin(), statuses_.end()};
}

void CommandExecutor::fetch() {
  if (stopped_ || fetching_ || waiting_.size() >= kWaitingMax) return;
  fetching_ = true;
  const std::weak_ptr<CommandExecutor> weak = weak_from_this();
  log_.fetch(loop_, {topic(), {{commands_, {fetched_}}}, kFetchBytesMax, kWaitMs},
             [weak](const Result<log::FetchResult>& got) {
               const auto self = weak.lock();
               if (!self || self->stopped_) return;
               self->fetching_ = false;
               if (!got) return self->retry_later(got.error(), &CommandExecutor::fetch);
               self->take(*got);
             });
}

void CommandExecutor::take(const log::FetchResult& got) {
  for (const log::ReadBatch& batch : got.batches) {
    for (size_t i = 0; i < batch.records.size(); i++) {
      const int64_t at = batch.base.value + static_cast<int64_t>(i);
      if (at < fetched_) continue;
      fetched_ = at + 1;
      Command& c = waiting_.emplace_back();
      c.bytes = batch.records[i];
      c.offset = at;
      const auto command = event::decode_person_command(c.bytes);
      if (!command) {
        diag::warn("a person command cannot be read", {{"error", command.error().message}});
        waiting_.pop_back();
        continue;
      }
      c.command = *command;
      const std::lock_guard lock(mutex_);
      statuses_.push_back({c.command.id, c.command.project, std::string(c.command.kind),
                           std::string(c.command.who), c.command.time_ms, false, "", 0, 0, ""});
    }
  }
  next();
  fetch();
}

void CommandExecutor::next() {
  if (running_ || stopped_ || waiting_.empty()) return;
  running_ = true;
  run();
}

Result<CommandExecutor::Found> CommandExecutor::look(const event::PersonCommand& c) const {
  PENSTOCK_TRY(const auto bytes, store_.command_report(c.project, c.id));
  if (!bytes) return Found{};
  PENSTOCK_TRY(const auto record, event::decode_processed(*bytes));
  const auto* report = std::get_if<event::PersonCommandReport>(&record);
  if (report == nullptr) return fail(Code::kCorrupt, "a report of another kind");
  if (report->state != "running") return Found{.done = true, .running = ""};
  return Found{.done = false, .running = std::string(report->report)};
}

void CommandExecutor::run() {
  if (stopped_) return;
  show("reading");
  const event::PersonCommand* c = &waiting_.front().command;
  read_persons<Result<Found>>(
      host_, store_, [self = shared_from_this(), c] { return self->look(*c); },
      [weak = weak_from_this()](const Result<Found>& found) {
        if (const auto self = weak.lock()) self->carry_out(found);
      });
}

void CommandExecutor::carry_out(const Result<Found>& found) {
  if (stopped_) return;
  if (!found) return retry_later(found.error(), &CommandExecutor::run);
  if (found->done) {
    probe<"ingest.command_was_done_before">();
    return finished();
  }
  if (!found->running.empty()) {
    probe<"ingest.deletion_goes_on">();
    return go_on_erasing(found->running);
  }
  const event::PersonCommand& c = waiting_.front().command;
  if (is_quarantine_command(c.kind)) {
    const auto processed = log_.bounds(std::string(event::kTopicProcessed));
    if (!processed) return retry_later(processed.error(), &CommandExecutor::run);
    return run_paused([this, &c, partitions = log::places_of(*processed)] {
      return quarantine_command(c, host_.books(), runtime_.clock().wall_ms(), partitions);
    });
  }
  if (c.kind == event::kTakeIds) return run_paused([this, &c] { return take_ids(c); });
  if (c.kind == event::kDeletePerson) return run_paused([this, &c] { return begin_erasure(c); });
  const auto body = event::JsonFields::parse(c.body);
  if (c.kind != event::kUndoMerge || !body) {
    return on_result(fail(Code::kInvalid, "a command of an unknown kind"));
  }
  const auto person = uuid_in(*body, "person"), event = uuid_in(*body, "event");
  if (!person || !event) return on_result(std::unexpected((person ? event : person).error()));
  const std::weak_ptr<CommandExecutor> weak = weak_from_this();
  const auto undo = std::make_shared<UndoMerge>(loop_, log_, store_, host_);
  undo_ = undo;
  undo->start(
      c.project, *person, *event,
      [weak](uint64_t read, uint64_t all) {
        if (const auto self = weak.lock()) self->show("reading the log", read, all);
      },
      [weak](Result<CommandResult> result) {
        const auto self = weak.lock();
        if (!self) return;
        self->paused_ = result.has_value();
        self->on_result(std::move(result));
      });
}

void CommandExecutor::run_paused(std::function<Result<CommandResult>()> work) {
  host_.pause([weak = weak_from_this(), work = std::move(work)] {
    const auto self = weak.lock();
    if (!self) return;
    self->paused_ = true;
    read_persons<Result<CommandResult>>(
        self->host_, self->store_, [self, work] { return work(); },
        [weak = self->weak_from_this()](Result<CommandResult> result) {
          if (const auto me = weak.lock()) me->on_result(std::move(result));
        });
  });
}

void CommandExecutor::on_result(Result<CommandResult> result) {
  if (!result && (stopped_ || !is_the_askers(result.error().code))) {
    if (paused_) host_.resume();
    paused_ = false;
    return retry_later(result.error(), &CommandExecutor::run);
  }
  if (!result) {
    JsonWriter w;
    probe<"ingest.command_is_refused">();
    w.begin_object().field("error", result.error().message).end_object();
    result = CommandResult{{}, "failed", w.take()};
  }
  if (paused_) return commit(std::move(*result));
  run_paused([kept = std::move(*result)] { return kept; });
}

std::string CommandExecutor::report_record(const CommandResult& result) const {
  const event::PersonCommand& c = waiting_.front().command;
  std::string out;
  event::encode(event::PersonCommandReport{c.project, c.id, c.kind, c.who, result.state,
                                           result.report, runtime_.clock().wall_ms()},
                out);
  return out;
}

void CommandExecutor::commit(CommandResult result) {
  show("writing");
  auto records = std::make_shared<std::deque<std::string>>();
  for (std::string& r : result.records) records->push_back(std::move(r));
  records->push_back(report_record(result));
  append(std::move(records), result.state);
}

void CommandExecutor::append(std::shared_ptr<std::deque<std::string>> records, std::string state) {
  log::Batch batch;
  batch.partition = outcomes_;
  batch.producer = event::kPersonCommandsProducer;
  sequence_ = std::max(sequence_ + 1, (waiting_.front().offset + 1) << kSequenceShift);
  batch.sequence = sequence_;
  while (!records->empty() &&
         (batch.count == 0 || batch.data.size() + records->front().size() < kAppendBytesMax)) {
    log::encode_record(batch.data, records->front());
    records->pop_front();
    batch.count++;
  }
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  const std::weak_ptr<CommandExecutor> weak = weak_from_this();
  log_.append(loop_, processed_topic(), std::move(batches),
              [weak, records, state](const Result<std::vector<log::Appended>>& done) {
                const auto self = weak.lock();
                if (!self) return;
                if (done && !records->empty()) return self->append(records, state);
                self->appended(done ? Status{} : Status(std::unexpected(done.error())), state);
              });
}

/// Whatever is in the log is applied, and then its report says what to do. Until that is done
/// nothing else is: a command whose report is not seen yet would be carried out again.
void CommandExecutor::appended(Status done, std::string state) {
  host_.apply_log([weak = weak_from_this(), done = std::move(done),
                   state = std::move(state)](const Status& applied) mutable {
    const auto self = weak.lock();
    if (!self) return;
    if (!applied && !self->stopped_) {
      self->apply_again_ = [weak, done = std::move(done), state = std::move(state)]() mutable {
        if (const auto me = weak.lock()) me->appended(std::move(done), std::move(state));
      };
      return self->retry_later(applied.error(), &CommandExecutor::apply_again);
    }
    self->paused_ = false;
    self->host_.resume();
    if (!applied) return;  // the next start applies it
    if (!done) return self->retry_later(done.error(), &CommandExecutor::run);
    if (state == "running") return self->run();
    self->finished();
  });
}

void CommandExecutor::apply_again() {
  probe<"ingest.command_is_applied_later">();
  std::exchange(apply_again_, nullptr)();
}

void CommandExecutor::finished() {
  commands_metric.add();
  const Status committed = log_.commit(std::string(event::kGroupIngest), topic(),
                                       {{commands_, {waiting_.front().offset + 1}}});
  if (!committed) diag::warn("progress not committed", {{"error", committed.error().message}});
  undo_.reset();
  erasure_.reset();
  if (is_quarantine_command(waiting_.front().command.kind)) host_.quarantine_changed();
  waiting_.pop_front();
  {
    const std::lock_guard lock(mutex_);
    statuses_.pop_front();
  }
  retry_ms_ = 0;
  running_ = false;
  const std::weak_ptr<CommandExecutor> weak = weak_from_this();
  loop_.post([weak] {
    const auto self = weak.lock();
    if (!self) return;
    self->next();
    self->fetch();
  });
}

void CommandExecutor::show(std::string step, uint64_t done, uint64_t total) {
  const std::lock_guard lock(mutex_);
  if (statuses_.empty()) return;
  CommandStatus& s = statuses_.front();
  s.running = true;
  s.step = std::move(step);
  s.done = done;
  s.total = total;
}

void CommandExecutor::retry_later(const Error& error, Step step) {
  if (stopped_) return;
  if (retry_ms_ == 0) diag::warn("a person command is repeated", {{"error", error.message}});
  {
    const std::lock_guard lock(mutex_);
    if (!statuses_.empty()) statuses_.front().last_error = error.message;
  }
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  const std::weak_ptr<CommandExecutor> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(retry_ms_), [weak, step] {
    const auto self = weak.lock();
    if (self && !self->stopped_) (self.get()->*step)();
  });
}

/// Each id becomes a person of its own, without properties, as PostHog's split does it.
Result<CommandResult> CommandExecutor::take_ids(const event::PersonCommand& c) const {
  PENSTOCK_TRY(const auto body, event::JsonFields::parse(c.body));
  PENSTOCK_TRY(const Uuid person, uuid_in(body, "person"));
  PENSTOCK_TRY(const auto raw_ids, event::split_array(body.find("distinct_ids").value_or("[]")));
  PENSTOCK_TRY(const auto own, store_.mappings(c.project, person, raw_ids.size() + 1));
  std::vector<persons::DistinctIdKey> keys;
  for (std::string_view raw : raw_ids) keys.push_back({c.project, event::decode_string(raw)});
  if (keys.empty()) return fail(Code::kInvalid, "no distinct ids were named");
  if (own.size() <= keys.size()) return fail(Code::kInvalid, "a person keeps at least one id");
  PENSTOCK_TRY(const auto holders, store_.fetch(keys));
  CommandResult out;
  JsonWriter report;
  report.begin_object().field("person", person.text()).key("persons").begin_array();
  for (size_t i = 0; i < keys.size(); i++) {
    const std::string& id = keys[i].distinct_id;
    if (!holders[i] || holders[i]->id != person) {
      return fail(Code::kInvalid, "'" + id + "' is not an id of this person");
    }
    const Uuid fresh = persons::person_uuid(c.project, id);
    if (fresh == person) {
      return fail(Code::kInvalid,
                  "'" + id + "' gave this person its uuid; take its other ids off instead");
    }
    PENSTOCK_TRY(const auto last, store_.last_versions(c.project, id, fresh));
    PENSTOCK_TRY(const auto there, store_.get(c.project, fresh));
    if (!there) {
      event::PersonChange made;
      made.project = c.project;
      made.id = fresh;
      made.properties = "{}";
      made.created_at_ms = c.time_ms;
      made.version = static_cast<uint64_t>(last.person + 1);
      event::encode(made, out.records.emplace_back());
    }
    event::encode(event::DistinctIdChange{c.project, id, fresh, false, last.mapping + 1, 0},
                  out.records.emplace_back());
    report.begin_object().field("distinct_id", id).field("person", fresh.text()).end_object();
  }
  out.report = report.end_array().end_object().take();
  return out;
}

}  // namespace penstock::ingest
