#include "ingest/cycle/decider.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/probe.h"
#include "event/timestamp.h"
#include "ingest/steps/ai_tokens.h"
#include "ingest/steps/app_event.h"
#include "ingest/steps/content.h"
#include "ingest/steps/edge.h"
#include "ingest/steps/elements.h"
#include "ingest/steps/group_step.h"
#include "ingest/steps/heatmap.h"
#include "ingest/steps/normalise.h"
#include "ingest/steps/parse.h"
#include "ingest/steps/profile.h"
#include "ingest/steps/project_rules.h"
#include "ingest/steps/sanitise.h"
#include "ingest/steps/special.h"

namespace penstock::ingest {
namespace {

/// Memory kept between cycles, so that it is touched for the first time only once.
constexpr size_t kTextsMax = 16;
constexpr size_t kTextBytesMax = 4U << 20;

/// Beside an event's own bytes in the outcome of one that is quarantined.
constexpr size_t kQuarantineRestBytes = 4096;
/// The first so many records.
std::vector<InputSlice> first_of(const std::vector<InputSlice>& slices, size_t events) {
  std::vector<InputSlice> out;
  for (const InputSlice& slice : slices) {
    if (events == 0) break;
    InputSlice& kept = out.emplace_back(slice);
    if (kept.records.size() > events) kept.records.resize(events);
    events -= kept.records.size();
  }
  return out;
}

ledger::EventIdentity identity_of(const Item& item) { return {item.project->id, item.raw.uuid}; }

}  // namespace

/// What is known of an event before its text is read; the whole batch's heads are in memory, their
/// texts are worked on one by one.
struct Decider::Head {
  event::RawRecord raw;
  std::string_view bytes;
  event::Source source;
  std::string_view event;
  const catalog::Project* project = nullptr;
  int64_t timestamp_ms = 0;
  std::optional<ledger::AcceptedBefore> before;
  Verdict verdict;
  bool came_back = false;  // its quarantine entry has left already
};

struct Decider::Cycle {
  Cycle(const persons::PersonStore& store, CookielessStore* visitors, ZoneDays& zones, int64_t now)
      : overlay(store), groups(store), now_ms(now), cookieless(visitors, zones, now, warnings) {}

  std::vector<Head> heads;
  PersonOverlay overlay;
  GroupOverlay groups;
  Warnings warnings;
  HeatmapPoints heatmap;  // of the event at hand
  MergeNotes merges;      // of the event at hand
  PersonStep person_step{overlay, warnings, merges};
  GroupStep group_step{groups, warnings};
  std::vector<int64_t> positions;
  const AppsAnswers* apps = nullptr;
  uint32_t place = 0;        // of the event at hand
  size_t changes_bytes = 0;  // that merges and persons will cause at the end, about
  bool too_large = false;    // as `attempt`
  /// Of this batch: what was accepted, with its content hash.
  std::unordered_map<ledger::EventIdentity, uint64_t, ledger::EventIdentityHash> accepted;
  std::map<std::string_view, size_t> quarantined_bytes;  // in this batch, by token
  std::set<std::string_view> entries;                    // of quarantine, taken by this batch
  std::array<uint64_t, 5> counts{};                      // by OutcomeKind
  uint64_t warned = 0, heatmap_points = 0;
  std::map<std::string, Decided::Aside> aside;
  int64_t now_ms;
  CookielessStep cookieless;
  std::string properties;

  const AppsAnswer* answer_of(const event::Source& source) const {
    const auto found = apps->find({source.partition.value, source.offset.value});
    return found == apps->end() ? nullptr : found->second.get();
  }
};

std::vector<std::string_view> Output::records() const {
  std::vector<std::string_view> out;
  out.reserve(ends.size());
  for (size_t i = 0; i < ends.size(); i++) {
    out.push_back(std::string_view(*text).substr(begins[i], ends[i] - begins[i]));
  }
  return out;
}

std::shared_ptr<std::string> OutputTexts::take() {
  std::unique_ptr<std::string> text;
  {
    const std::lock_guard lock(free_->mutex);
    if (!free_->texts.empty()) {
      text = std::move(free_->texts.back());
      free_->texts.pop_back();
    }
  }
  if (text == nullptr) text = std::make_unique<std::string>();
  const auto give_back = [free = free_](std::string* done) {
    std::unique_ptr<std::string> kept(done);
    if (kept->capacity() > kTextBytesMax) return;
    kept->clear();
    const std::lock_guard lock(free->mutex);
    if (free->texts.size() < kTextsMax) free->texts.push_back(std::move(kept));
  };
  return {text.release(), give_back};
}

void Decider::emit(Output& output, const event::ProcessedRecord& record) {
  std::string& text = *output.text;
  const size_t opened = log::open_record(text);
  event::encode(record, text);
  output.begins.push_back(static_cast<uint32_t>(log::close_record(text, opened)));
  output.ends.push_back(static_cast<uint32_t>(text.size()));
}

size_t Decided::bytes() const {
  size_t out = 0;
  for (const Output& o : outputs) out += o.text->size();
  return out;
}

Result<Decided> Decider::decide(event::Lane lane, const std::vector<InputSlice>& slices,
                                const catalog::Snapshot& snapshot, int64_t now_ms,
                                const std::vector<int64_t>& positions, const AppsAnswers& apps) {
  auto decided = attempt(lane, slices, snapshot, now_ms, positions, apps, false);
  while (decided && decided->bytes() > limits_.append_bytes_max && decided->events > 0) {
    const size_t events = decided->events;
    decided->outputs.clear();  // before the next attempt needs memory
    decided = attempt(lane, first_of(slices, std::max<size_t>(events / 2, 1)), snapshot, now_ms,
                      positions, apps, events == 1);
    if (events == 1) break;
  }
  return decided;
}

Result<Decided> Decider::attempt(event::Lane lane, const std::vector<InputSlice>& slices,
                                 const catalog::Snapshot& snapshot, int64_t now_ms,
                                 const std::vector<int64_t>& positions, const AppsAnswers& apps,
                                 bool too_large) {
  Cycle cycle(persons_, cookieless_, zones_, now_ms);
  cycle.apps = &apps;
  cycle.positions = positions;
  cycle.too_large = too_large;
  for (const InputSlice& slice : slices) {
    for (size_t i = 0; i < slice.records.size(); i++) {
      Item item;
      item.source = {lane, slice.partition, {slice.base.value + static_cast<int64_t>(i)}};
      if (auto raw = event::decode_raw(slice.records[i])) {
        item.raw = *raw;
        item.verdict = resolve(item, snapshot, limits_.slice);
      } else {
        item.verdict = Verdict::quarantine("decode", "unreadable_record");
      }
      cycle.heads.push_back({item.raw, slice.records[i], item.source, item.event, item.project,
                             item.timestamp_ms, std::nullopt, item.verdict, false});
    }
  }
  cycle.accepted.reserve(cycle.heads.size());
  PENSTOCK_CHECK(read(cycle));

  Decided decided;
  size_t at = 0, bytes = 0;
  const size_t bytes_max = std::min(limits_.output_bytes_max, limits_.append_bytes_max);
  for (const InputSlice& slice : slices) {
    if (bytes + cycle.changes_bytes >= bytes_max) break;
    auto found = std::ranges::find(decided.outputs, slice.partition, &Output::partition);
    if (found == decided.outputs.end()) {
      decided.outputs.push_back({slice.partition, slice.base, texts_.take()});
      found = std::prev(decided.outputs.end());
    }
    const size_t before = found->text->size();
    for (size_t i = 0; i < slice.records.size(); i++) {
      const size_t made = bytes + found->text->size() - before + cycle.changes_bytes;
      if (made >= bytes_max) break;
      PENSTOCK_CHECK(decide_one(cycle, cycle.heads[at + i], *found));
      found->next = {slice.base.value + static_cast<int64_t>(i) + 1};
      decided.events++;
    }
    at += slice.records.size();
    bytes += found->text->size() - before;
  }
  emit_changes(cycle, decided);
  return decided;
}

/// A re-driven record takes its entry out of quarantine; another one of the same entry, which a
/// crash in the middle of a re-drive leaves behind, finds it gone and is a copy.
Status Decider::read_entries(Cycle& cycle) {
  std::vector<std::string_view> entries;
  std::vector<Head*> asked;
  for (Head& head : cycle.heads) {
    if (head.raw.quarantine_entry.empty()) continue;
    entries.push_back(head.raw.quarantine_entry);
    asked.push_back(&head);
  }
  if (entries.empty()) return {};
  PENSTOCK_TRY(const std::vector<bool> there, ledger_.in_quarantine(entries));
  for (size_t i = 0; i < asked.size(); i++) {
    asked[i]->came_back = !there[i] || !cycle.entries.insert(entries[i]).second;
  }
  return {};
}

Status Decider::read(Cycle& cycle) {
  PENSTOCK_CHECK(read_entries(cycle));
  std::vector<ledger::EventIdentity> identities;
  std::vector<Head*> asked;
  for (Head& head : cycle.heads) {
    if (head.verdict.decided()) continue;
    identities.push_back({head.project->id, head.raw.uuid});
    asked.push_back(&head);
  }
  PENSTOCK_TRY(auto before, ledger_.accepted(identities));
  std::vector<persons::DistinctIdKey> keys;
  for (size_t i = 0; i < asked.size(); i++) {
    asked[i]->before = before[i];
    if (before[i] || asked[i]->raw.skip_persons || asked[i]->event == kHeatmapEvent) continue;
    if (asked[i]->raw.cookieless || asked[i]->raw.distinct_id == kCookielessSentinel) {
      if (auto id = expected_visitor(cycle, *asked[i])) {
        keys.push_back({asked[i]->project->id, std::move(*id)});
      }
      if (asked[i]->raw.distinct_id == kCookielessSentinel) continue;
    }
    keys.push_back({asked[i]->project->id, std::string(asked[i]->raw.distinct_id)});
    for (std::string& id : merged_ids(asked[i]->raw, asked[i]->event)) {
      keys.push_back({asked[i]->project->id, std::move(id)});
    }
  }
  return cycle.overlay.fetch(keys);
}

/// Read here only to fetch all persons at once; the event is read again when its turn comes.
std::optional<std::string> Decider::expected_visitor(Cycle& cycle, const Head& head) {
  Item item;
  item.raw = head.raw;
  item.event = head.event;
  item.project = head.project;
  item.timestamp_ms = head.timestamp_ms;
  if (parse(item).decided()) return std::nullopt;
  sanitise(item);
  return cycle.cookieless.expected_id(item);
}

Result<Verdict> Decider::prepare(Cycle& cycle, Item& item, const AppsAnswer* apps) {
  using enum AppsAnswer::Fate;
  if (apps != nullptr && apps->fate == kSetAside) return apply_apps(item, *apps, cycle.warnings);
  if (Verdict v = check_distinct_id(item, cycle.warnings); v.decided()) return v;
  if (Verdict v = check_group_key(item, cycle.warnings); v.decided()) return v;
  bound_timestamp(item, cycle.now_ms, cycle.warnings);
  sanitise(item);
  check_session_id(item, cycle.warnings);
  check_ai_tokens(item, cycle.warnings);
  if (Verdict v = apply_project_rules(item, cycle.warnings); v.decided()) return v;
  if (Verdict v = cycle.cookieless.run(item); v.decided()) return v;
  if (item.event == kHeatmapEvent) {
    return take_heatmap_event(item, cycle.heatmap, cycle.warnings);
  }
  if (Verdict v = handle_special(item, cycle.warnings); v.decided()) return v;
  if (apps != nullptr) {
    if (Verdict v = apply_apps(item, *apps, cycle.warnings); v.decided()) return v;
  }
  const bool flag_call = is_profileless_flag_call(item);
  if (Verdict v = decide_profile(item, cycle.warnings); v.decided()) return v;
  if (flag_call && item.processing == PersonProcessing::kFull) {
    PENSTOCK_TRY(const MappingState* const known,
                 cycle.overlay.mapping(item.project->id, item.raw.distinct_id));
    if (known->person == nullptr) item.processing = PersonProcessing::kPersonless;
  }
  if (Verdict v = read_merge(item, cycle.warnings); v.decided()) return v;
  normalise(item);
  strip_person_fields(item);
  return Verdict::go_on();
}

/// The first copy that was accepted says what the uuid stands for, in this batch or any before.
Verdict Decider::check_repeat(Cycle& cycle, const Head& head, Item& item) {
  item.content_hash = content_hash(item);
  std::optional<ledger::AcceptedBefore> before = head.before;
  if (!before) {
    const auto found = cycle.accepted.find(identity_of(item));
    if (found == cycle.accepted.end()) return {};
    probe<"ingest.repeat_in_one_batch">();
    before = {found->second};
  }
  return before->same(*item.content_hash) ? Verdict::duplicate() : conflict(item, cycle.warnings);
}

Status Decider::decide_one(Cycle& cycle, const Head& head, Output& output) {
  Item item;
  item.raw = head.raw;
  item.bytes = head.bytes;
  item.source = head.source;
  item.event = head.event;
  item.project = head.project;
  item.timestamp_ms = head.timestamp_ms;
  item.verdict = head.verdict;

  event::Outcome outcome;
  outcome.project = item.project == nullptr ? ProjectId{} : item.project->id;
  outcome.received_for = item.raw.project;
  outcome.uuid = item.raw.uuid;
  outcome.received_ms = item.raw.now_ms;
  outcome.source = item.source;
  outcome.redriven = item.raw.redriven;
  outcome.request = item.raw.request;
  outcome.client_request = item.raw.client_request;
  outcome.quarantine_entry = item.raw.quarantine_entry;
  outcome.decided_ms = cycle.now_ms;

  if (head.came_back) item.verdict = Verdict::duplicate();
  if (!item.verdict.decided()) item.verdict = parse(item);
  if (!item.verdict.decided()) item.verdict = check_repeat(cycle, head, item);
  outcome.content_hash = item.content_hash;
  if (item.verdict.kind == Verdict::Kind::kDuplicate) {
    outcome.kind = event::OutcomeKind::kDuplicate;
    cycle.counts[static_cast<size_t>(outcome.kind)]++;
    emit(output, outcome);
    return {};
  }
  warn_of_edge(item, cycle.warnings);
  if (!item.verdict.decided() && cycle.too_large) item.verdict = refuse_large(item);
  if (!item.verdict.decided()) {
    const AppsAnswer* apps = cycle.answer_of(item.source);
    PENSTOCK_TRY(item.verdict, prepare(cycle, item, apps));
    if (apps != nullptr) outcome.apps = apps->report;
  }
  switch (item.verdict.kind) {
    case Verdict::Kind::kGoOn: {
      if (Status s = finish_accepted(cycle, item, outcome); !s) return s;
      break;
    }
    case Verdict::Kind::kDrop:
      outcome.kind = event::OutcomeKind::kDropped;
      outcome.reason = item.verdict.reason;
      break;
    case Verdict::Kind::kQuarantine: finish_quarantined(cycle, item, outcome); break;
    case Verdict::Kind::kHeatmap: finish_heatmap(cycle, item, outcome); break;
    case Verdict::Kind::kDuplicate: break;
  }
  cycle.counts[static_cast<size_t>(outcome.kind)]++;
  emit(output, outcome);
  emit_heatmap(cycle, output);
  emit_merges(cycle, output);
  emit_warnings(cycle, item, output);
  cycle.place++;
  return {};
}

Verdict Decider::refuse_large(const Item& item) const {
  constexpr std::string_view kReason = "too_large_to_store";
  if (item.bytes.size() + kQuarantineRestBytes > limits_.append_bytes_max) {
    return Verdict::drop(kReason);
  }
  return Verdict::quarantine("size", kReason);
}

Status Decider::finish_accepted(Cycle& cycle, Item& item, event::Outcome& outcome) {
  PENSTOCK_TRY(const RowPerson person, cycle.person_step.run(item));
  PENSTOCK_CHECK(cycle.group_step.run(item));
  take_heatmap(item, cycle.heatmap, cycle.warnings);
  build_elements(item);
  // After person processing: whatever looks addresses up has seen it by now (ERRATA B9).
  if (item.project->anonymize_ips || item.project->settings->ingestion.anonymize_ips) {
    item.properties.erase("$ip");
  }
  strip_sdk_state(item);
  cycle.properties.clear();
  item.properties.append_to(cycle.properties);
  outcome.kind = event::OutcomeKind::kAccepted;
  event::EventRow& row = outcome.row;
  row.event = item.event;
  row.properties = cycle.properties;
  row.timestamp_ms = item.timestamp_ms;
  row.distinct_id = item.raw.distinct_id;
  row.elements_chain = item.elements_chain;
  row.created_at_ms = cycle.now_ms;
  row.captured_at_ms = item.raw.now_ms;
  row.person_id = person.id;
  row.person_properties = person.properties;
  // As if each event changed its person; where bytes are few it makes no difference.
  cycle.changes_bytes += person.properties.size();
  row.person_created_at_ms = person.created_at_ms;
  row.person_mode = person.mode;
  row.person_why = person.why;
  row.historical = item.raw.historical;
  cycle.accepted.emplace(identity_of(item), *item.content_hash);
  return {};
}

/// Its rows are points: `events` gets none, and the outcome only says whose and when.
void Decider::finish_heatmap(Cycle& cycle, const Item& item, event::Outcome& outcome) {
  outcome.kind = event::OutcomeKind::kAccepted;
  event::EventRow& row = outcome.row;
  row.event = item.event;
  row.properties = "{}";
  row.timestamp_ms = item.timestamp_ms;
  row.distinct_id = item.raw.distinct_id;
  row.created_at_ms = cycle.now_ms;
  row.captured_at_ms = item.raw.now_ms;
  row.person_properties = "{}";
  row.person_mode = event::PersonMode::kPropertyless;
  row.historical = item.raw.historical;
  row.heatmap_only = true;
  cycle.accepted.emplace(identity_of(item), *item.content_hash);
}

void Decider::finish_quarantined(Cycle& cycle, const Item& item, event::Outcome& outcome) {
  size_t& waiting = cycle.quarantined_bytes[item.raw.token];
  if (!ledger_.quarantine_has_room(item.raw.token, waiting + item.bytes.size())) {
    outcome.kind = event::OutcomeKind::kDropped;
    probe<"ingest.quarantine_is_full">();
    outcome.reason = "quarantine_full";
    return;
  }
  waiting += item.bytes.size();
  if (item.verdict.reason == kAppWaits) {
    auto& aside = cycle.aside[std::string(item.raw.token)];
    aside = {item.project->id, std::min(aside.from_ms, item.raw.now_ms)};
  }
  outcome.kind = event::OutcomeKind::kQuarantined;
  outcome.reason = item.verdict.reason;
  outcome.stage = item.verdict.stage;
  outcome.token = item.raw.token;
  outcome.raw = item.bytes;
  outcome.version = PENSTOCK_VERSION;
}

void Decider::emit_warnings(Cycle& cycle, const Item& item, Output& output) {
  for (const Warning& warning : cycle.warnings) {
    if (!warning_limit_.admits(warning, item.raw.distinct_id, cycle.now_ms)) continue;
    emit(output, event::IngestionWarning{warning.project, warning.type, warning.source,
                                         warning.details, warning.timestamp_ms});
    cycle.warned++;
  }
  cycle.warnings.clear();
}

void Decider::emit_heatmap(Cycle& cycle, Output& output) {
  if (cycle.heatmap.record.points.empty()) return;
  cycle.heatmap_points += cycle.heatmap.record.points.size();
  emit(output, std::move(cycle.heatmap.record));
  cycle.heatmap = {};
}

void Decider::emit_merges(Cycle& cycle, Output& output) {
  for (const MergeNote& note : cycle.merges) {
    event::PersonMerge record = note.record();
    record.time_ms = cycle.now_ms;
    record.place = cycle.place;
    record.positions = cycle.positions;
    output.merges.push_back(output.ends.size());
    emit(output, record);
    cycle.changes_bytes += note.bytes();
  }
  cycle.merges.clear();
}

void Decider::emit_changes(Cycle& cycle, Decided& decided) {
  decided.accepted = cycle.counts[static_cast<size_t>(event::OutcomeKind::kAccepted)];
  decided.dropped = cycle.counts[static_cast<size_t>(event::OutcomeKind::kDropped)];
  decided.duplicates = cycle.counts[static_cast<size_t>(event::OutcomeKind::kDuplicate)];
  decided.quarantined = cycle.counts[static_cast<size_t>(event::OutcomeKind::kQuarantined)];
  decided.warnings = cycle.warned;
  decided.heatmap_points = cycle.heatmap_points;
  decided.aside = std::move(cycle.aside);
  for (Output& output : decided.outputs) output.persons_from = output.ends.size();
  const auto output_of = [&](Partition partition) -> Output& {
    return *std::ranges::find(decided.outputs, partition, &Output::partition);
  };
  const PersonOverlay::Changes changes = cycle.overlay.changes();
  for (const auto& person : changes.persons) {
    emit(output_of(person.partition), person.change);
    if (person.stored) decided.stored_persons.push_back(person.change.id);
  }
  for (const auto& id : changes.distinct_ids) emit(output_of(id.partition), id.change);
  for (const auto& c : cycle.cookieless.changes()) emit(output_of(c.partition), c.change);
  const GroupOverlay::Changes groups = cycle.groups.changes();
  for (const auto& type : groups.types) emit(output_of(type.partition), type.change);
  for (const auto& group : groups.groups) emit(output_of(group.partition), group.change);
}

}  // namespace penstock::ingest
