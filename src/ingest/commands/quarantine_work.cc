#include "ingest/commands/quarantine_work.h"

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/quarantine_change.h"
#include "ledger/quarantine_filter.h"

namespace penstock::ingest {
namespace {

using Action = event::QuarantineChange::Action;

std::string text_in(const event::JsonFields& body, std::string_view key) {
  const auto raw = body.find(key);
  if (!raw || event::json_type(*raw) != event::JsonType::kString) return {};
  return event::decode_string(*raw);
}

/// The 20 bytes that an entry's id stands for.
std::string entry_bytes(const std::string& id) {
  std::string out;
  for (size_t i = 0; i + 1 < id.size(); i += 2) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    out.push_back(static_cast<char>(digit(id[i]) * 16 + digit(id[i + 1])));
  }
  return out;
}

Result<CommandResult> edit(const event::PersonCommand& c, const event::JsonFields& body,
                           const ledger::Ledger& ledger) {
  const std::string id = text_in(body, "id"), data = text_in(body, "data");
  PENSTOCK_TRY(const auto entry, ledger.quarantine_entry(id));
  if (!entry) return fail(Code::kNotFound, "this event is not in quarantine any more");
  if (!data.empty() && !event::JsonFields::parse(data)) {
    return fail(Code::kInvalid, "an event is a JSON object");
  }
  const std::string bytes = entry_bytes(id);
  CommandResult out;
  event::encode(
      event::QuarantineChange{Action::kEdit, c.project, bytes, c.id, c.who, c.time_ms, data},
      out.records.emplace_back());
  JsonWriter w;
  out.report = w.begin_object().field("id", id).field("edited", !data.empty()).end_object().take();
  return out;
}

Result<CommandResult> discard(const event::PersonCommand& c, const event::JsonFields& body,
                              const ledger::Ledger& ledger) {
  PENSTOCK_TRY(const auto select, event::JsonFields::parse(body.find("select").value_or("{}")));
  PENSTOCK_TRY(const auto filter, ledger::QuarantineFilter::parse(select));
  if (filter.ids.empty()) return fail(Code::kInvalid, "name the events to discard");
  CommandResult out;
  for (std::string after;;) {
    PENSTOCK_TRY(const auto page,
                 ledger::find_quarantined(ledger, filter, after, filter.ids.size(), 0));
    for (const ledger::QuarantineEntry& entry : page.entries) {
      const std::string bytes = entry_bytes(entry.id);
      event::encode(
          event::QuarantineChange{Action::kDiscard, c.project, bytes, c.id, c.who, c.time_ms, {}},
          out.records.emplace_back());
    }
    if (page.next.empty()) break;
    after = page.next;
  }
  JsonWriter w;
  w.begin_object().field("discarded", uint64_t{out.records.size()});
  out.report = w.end_object().take();
  return out;
}

Result<CommandResult> begin_redrive(const event::PersonCommand& c, const event::JsonFields& body,
                                    const ledger::Ledger& ledger, int32_t partitions) {
  PENSTOCK_TRY(const auto select, event::JsonFields::parse(body.find("select").value_or("{}")));
  PENSTOCK_CHECK(ledger::QuarantineFilter::parse(select));
  JsonWriter w;
  w.begin_object();
  for (const auto& field : body.fields()) {
    if (field.key != ledger::kRedrivePositions) w.key(field.key).raw(field.value);
  }
  w.key(ledger::kRedrivePositions).begin_array();
  for (int32_t p = 0; p < partitions; p++) w.number(ledger.applied({p}).value);
  const std::string job = w.end_array().end_object().take();
  CommandResult out;
  event::encode(
      event::QuarantineChange{Action::kRedriveBegins, c.project, {}, c.id, c.who, c.time_ms, job},
      out.records.emplace_back());
  return out;
}

Result<CommandResult> end_redrive(const event::PersonCommand& c, const event::JsonFields& body,
                                  int64_t now_ms) {
  const auto job = Uuid::parse(text_in(body, "job"));
  const std::string state = text_in(body, "state");
  if (!job) return fail(Code::kInvalid, "job must be a uuid");
  CommandResult out;
  event::encode(
      event::QuarantineChange{Action::kRedriveEnds, c.project, {}, *job, c.who, now_ms, state},
      out.records.emplace_back());
  return out;
}

}  // namespace

bool is_quarantine_command(std::string_view kind) {
  return kind == event::kQuarantineEdit || kind == event::kQuarantineDiscard ||
         kind == event::kQuarantineRedrive || kind == event::kQuarantineRedriveEnd;
}

Result<CommandResult> quarantine_command(const event::PersonCommand& c,
                                         const ledger::Ledger& ledger, int64_t now_ms,
                                         int32_t partitions) {
  PENSTOCK_TRY(const auto body, event::JsonFields::parse(c.body));
  if (c.kind == event::kQuarantineEdit) return edit(c, body, ledger);
  if (c.kind == event::kQuarantineDiscard) return discard(c, body, ledger);
  if (c.kind == event::kQuarantineRedrive) {
    return begin_redrive(c, body, ledger, partitions);
  }
  return end_redrive(c, body, now_ms);
}

}  // namespace penstock::ingest
