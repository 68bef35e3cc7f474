// The deletion of a person: first from the person store, through the log, with a report that says
// where it stands; then from every other place, one after the other; then the last report.
#include <algorithm>
#include <set>

#include "base/json_writer.h"
#include "ingest/commands/executor.h"
#include "ingest/commands/merge_tree.h"

namespace penstock::ingest {
namespace {

constexpr uint64_t kDeletedVersionStep = 100;

Result<std::vector<std::string>> texts_in(const event::JsonFields& from, std::string_view key) {
  std::vector<std::string> out;
  PENSTOCK_TRY(const auto items, event::split_array(from.find(key).value_or("[]")));
  for (std::string_view raw : items) out.push_back(event::decode_string(raw));
  return out;
}

}  // namespace

/// A deletion whose person is gone from the person store.
struct CommandExecutor::Erasure {
  ErasedPerson person;
  std::vector<log::Position> load_to;  // rows up to here may be the person's
  std::vector<std::string> reports;    // JSON objects
  size_t place = 0;
  int attempts = 0;
  bool failed = false;
};

Result<CommandResult> CommandExecutor::begin_erasure(const event::PersonCommand& c) const {
  PENSTOCK_TRY(const auto body, event::JsonFields::parse(c.body));
  const auto raw = body.find("person");
  const auto id = raw ? Uuid::parse(event::decode_string(*raw)) : std::nullopt;
  if (!id) return fail(Code::kInvalid, "person must be a uuid");
  PENSTOCK_TRY(const auto person, store_.get(c.project, *id));
  if (!person) return fail(Code::kNotFound, "there is no such person");
  PENSTOCK_TRY(const auto mappings, store_.mappings(c.project, *id, kDeletedIdsMax + 1));
  if (mappings.size() > kDeletedIdsMax) {
    return fail(Code::kExhausted, "the person has too many distinct ids");
  }
  PENSTOCK_TRY(const auto history, store_.merges(c.project, *id));
  CommandResult out;
  out.state = "running";
  event::PersonChange gone;
  gone.project = c.project;
  gone.id = *id;
  gone.properties = "{}";
  gone.is_deleted = true;
  gone.version = person->version + kDeletedVersionStep;
  event::encode(gone, out.records.emplace_back());
  JsonWriter w;
  w.begin_object().key("distinct_ids").begin_array();
  for (const persons::Mapping& m : mappings) {
    event::encode(event::DistinctIdChange{c.project, m.distinct_id, *id, true, m.version + 1, 0},
                  out.records.emplace_back());
    w.string(m.distinct_id);
  }
  w.end_array();
  // Those that became part of it are gone already, but rows of theirs may be there.
  std::set<Uuid> persons{*id};
  for (const std::string& bytes : history.records) {
    PENSTOCK_TRY(const auto record, event::decode_processed(bytes));
    event::PersonMerge merge = std::get<event::PersonMerge>(record);
    if (merge.result == *id && !merge.undone) {
      if (const auto p = event::PersonMerge::person(merge.source)) persons.insert(p->id);
    }
    merge.revision++;
    merge.undone = true;
    merge.source = merge.target = merge.source_id = merge.target_id = {};
    merge.moved.clear();
    merge.moved_attached_ms.clear();
    event::encode(merge, out.records.emplace_back());
  }
  w.key("persons").begin_array();
  for (const Uuid& p : persons) w.string(p.text());
  w.end_array().field("merges", static_cast<uint64_t>(history.records.size())).end_object();
  out.report = w.take();
  return out;
}

void CommandExecutor::go_on_erasing(const std::string& report) {
  erasure_ = std::make_shared<Erasure>();
  const auto fields = event::JsonFields::parse(report);
  const auto ids = fields ? texts_in(*fields, "distinct_ids")
                          : Result<std::vector<std::string>>(std::unexpected(fields.error()));
  if (!ids) return on_result(fail(Code::kInvalid, ids.error().message));
  const auto persons = texts_in(*fields, "persons");
  if (!persons) return on_result(fail(Code::kInvalid, persons.error().message));
  Erasure& e = *erasure_;
  e.person.project = waiting_.front().command.project;
  e.person.time_ms = waiting_.front().command.time_ms;
  e.person.distinct_ids = *ids;
  for (const std::string& text : *persons) {
    if (const auto id = Uuid::parse(text)) e.person.persons.push_back(*id);
  }
  JsonWriter w;
  w.begin_object().field("place", "persons").field("state", "done");
  w.field("persons", static_cast<uint64_t>(e.person.persons.size()));
  w.field("distinct_ids", static_cast<uint64_t>(ids->size()));
  w.key("merges").raw(fields->find("merges").value_or("0")).end_object();
  e.reports.push_back(w.take());
  const auto bounds = log_.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return retry_later(bounds.error(), &CommandExecutor::run);
  for (const log::PartitionBounds& b : *bounds) e.load_to.push_back({b.partition, b.end});
  wait_for_load();
}

void CommandExecutor::wait_for_load() {
  if (stopped_) return;
  const auto loaded =
      log_.committed(std::string(event::kGroupLoad), std::string(event::kTopicProcessed));
  uint64_t behind = 0;
  for (const log::Position& p : erasure_->load_to) {
    const auto it = std::ranges::find(loaded, p.partition, &log::Position::partition);
    const int64_t at = it == loaded.end() ? 0 : it->next.value;
    behind += static_cast<uint64_t>(std::max<int64_t>(p.next.value - at, 0));
  }
  const bool nobody_loads = options_.load_is_elsewhere && loaded.empty();
  if (!options_.wait_for_load || nobody_loads || behind == 0) return erase_next();
  show("waiting until the events on their way are rows", 0, behind);
  const std::weak_ptr<CommandExecutor> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(options_.load_poll_ms), [weak] {
    if (const auto self = weak.lock()) self->wait_for_load();
  });
}

void CommandExecutor::erase_next() {
  if (stopped_) return;
  Erasure& e = *erasure_;
  if (e.place < options_.places.size()) {
    const ErasePlace& place = options_.places[e.place];
    show("deleting: " + place.name, e.place, options_.places.size());
    const std::weak_ptr<CommandExecutor> weak = weak_from_this();
    return place.erase(e.person, [weak](Result<std::string> got) {
      if (const auto self = weak.lock()) self->erased(std::move(got));
    });
  }
  JsonWriter w;
  w.begin_object().key("places").begin_array();
  for (const std::string& r : e.reports) w.raw(r);
  w.end_array().end_object();
  on_result(CommandResult{{}, e.failed ? "failed" : "done", w.take()});
}

void CommandExecutor::erased(Result<std::string> got) {
  if (stopped_) return;
  Erasure& e = *erasure_;
  const bool may_pass = !got && got.error().code != Code::kInvalid;
  if (may_pass && ++e.attempts < options_.attempts_max) {
    return retry_later(got.error(), &CommandExecutor::erase_next);
  }
  JsonWriter w;
  w.begin_object().field("place", options_.places[e.place].name);
  w.field("state", got ? "done" : "failed");
  if (got) {
    if (const auto members = event::JsonFields::parse(*got)) {
      for (const event::JsonFields::Field& f : members->fields()) w.key(f.key).raw(f.value);
    }
  } else {
    w.field("error", got.error().message);
    e.failed = true;
  }
  w.end_object();
  e.reports.push_back(w.take());
  e.place++;
  e.attempts = 0;
  retry_ms_ = 0;
  erase_next();
}

}  // namespace penstock::ingest
