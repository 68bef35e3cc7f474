#include "ingest/steps/app_event.h"

#include "base/json_writer.h"
#include "base/probe.h"
#include "event/timestamp.h"
#include "ingest/steps/group_step.h"
#include "ingest/steps/heatmap.h"
#include "ingest/steps/normalise.h"
#include "ingest/steps/parse.h"
#include "ingest/steps/project_rules.h"
#include "ingest/steps/sanitise.h"
#include "ingest/steps/special.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr std::string_view kNoEvent = "app_result_invalid";
/// Only the host says what apps did.
constexpr std::string_view kLists[] = {"$transformations_succeeded", "$transformations_failed",
                                       "$transformations_skipped"};

/// What an app made a string or nothing; false: it is something else.
bool read_string(const JsonFields& top, std::string_view key, std::optional<std::string>& out) {
  const auto raw = top.find(key);
  if (!raw || json_type(*raw) == JsonType::kNull) return true;
  if (json_type(*raw) != JsonType::kString) return false;
  out = event::decode_string(*raw);
  return true;
}

void read_person_fields(const JsonFields& top, std::string_view key, JsonFields& out,
                        bool& present) {
  out = {};
  present = false;
  const auto raw = top.find(key);
  if (!raw || json_type(*raw) != JsonType::kObject) return;
  if (auto fields = JsonFields::parse(*raw)) {
    out = std::move(*fields);
    present = true;
  }
}

void write_ip(JsonWriter& w, const Item& item) {
  w.key("ip");
  if (item.raw.ip.empty() || item.raw.cookieless) {
    w.null();
  } else {
    w.string(item.raw.ip);
  }
}

std::string without_nul(std::string text) {
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, "\xef\xbf\xbd");
  }
  return text;
}

}  // namespace

std::optional<std::string> app_event(Item& item, int64_t now_ms, CookielessStep& cookieless,
                                     Verdict& decided) {
  Warnings unsaid;  // they are said when the event's turn comes
  if (item.event == kHeatmapEvent || parse(item).decided()) return std::nullopt;
  if (check_distinct_id(item, unsaid).decided()) return std::nullopt;
  if (check_group_key(item, unsaid).decided()) return std::nullopt;
  bound_timestamp(item, now_ms, unsaid);
  sanitise(item);
  decided = apply_project_rules(item, unsaid);
  if (!decided.decided()) decided = cookieless.run(item);
  if (decided.decided()) return std::nullopt;
  if (handle_special(item, unsaid).decided()) return std::nullopt;
  if (item.has_set) item.properties.set("$set", item.set.text());
  if (item.has_set_once) item.properties.set("$set_once", item.set_once.text());
  for (const std::string_view list : kLists) item.properties.erase(list);
  std::string properties;
  item.properties.append_to(properties);
  JsonWriter w;
  w.begin_object().field("uuid", item.raw.uuid.text());
  w.field("distinct_id", item.raw.distinct_id);
  write_ip(w, item);
  w.field("site_url", "").field("team_id", item.project->id.value);
  w.field("now", event::format_rfc3339_ms(item.raw.now_ms)).field("event", item.event);
  w.field("timestamp", event::format_rfc3339_ms(item.timestamp_ms));
  if (item.raw.sent_at_ms) w.field("sent_at", event::format_rfc3339_ms(*item.raw.sent_at_ms));
  w.key("properties").raw(properties).end_object();
  return w.take();
}

Verdict apply_apps(Item& item, const AppsAnswer& answer, Warnings& warnings) {
  for (const std::string_view list : kLists) item.properties.erase(list);
  switch (answer.fate) {
    case AppsAnswer::Fate::kUnchanged: return {};
    case AppsAnswer::Fate::kDropped:
      return Verdict::drop(answer.why.empty() ? kDroppedByApp : answer.why);
    case AppsAnswer::Fate::kSetAside: return Verdict::quarantine("apps", kAppWaits);
    case AppsAnswer::Fate::kQuarantined: return Verdict::quarantine("apps", answer.why);
    case AppsAnswer::Fate::kChanged: break;
  }
  probe<"ingest.app_changed_an_event">();
  JsonFields properties;
  const auto top = JsonFields::parse_with(answer.event, "properties", properties);
  if (!top) return Verdict::quarantine("apps", kNoEvent);
  std::optional<std::string> name, id, ip, time;
  // What a visitor without cookies has for an id and a session is decided in the cycle.
  std::string session;
  if (item.raw.cookieless) session = item.properties.find("$session_id").value_or("");
  const auto kept = top->find("properties");
  if (!kept || json_type(*kept) != JsonType::kObject || !read_string(*top, "event", name) ||
      !read_string(*top, "distinct_id", id) || !read_string(*top, "ip", ip)) {
    return Verdict::quarantine("apps", kNoEvent);
  }
  item.properties = std::move(properties);
  if (!session.empty()) item.properties.set("$session_id", session);
  read_person_fields(*top, "$set", item.set, item.has_set);
  read_person_fields(*top, "$set_once", item.set_once, item.has_set_once);
  item.unset.clear();
  // Taking the address out of the properties takes it out; the event's own `ip` counts when an app
  // has put another one there.
  item.new_ip = ip && *ip != item.raw.ip ? *ip : "";
  item.raw.ip = item.new_ip;
  item.raw.sent_at_ms.reset();  // is a property already, unless an app took it out
  if (read_string(*top, "timestamp", time) && time) {
    if (const auto ms = event::parse_timestamp_ms(*time)) {
      item.timestamp_ms = event::bounded_timestamp_ms(*ms);
    }
  }
  if (name && !name->empty()) {
    item.new_event = without_nul(std::move(*name));
    item.event = cut_characters(item.new_event, kEventNameCharsMax);
  }
  if (id && !id->empty() && *id != answer.asked_id) {
    item.new_distinct_id = without_nul(std::move(*id));
    item.raw.distinct_id = item.new_distinct_id;
    if (Verdict v = check_distinct_id(item, warnings); v.decided()) return v;
  }
  sanitise(item);
  return {};
}

}  // namespace penstock::ingest
