// Filters while they are written: how many of the newest events match them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "admin/api/app_words.h"
#include "admin/api/service.h"
#include "admin/api/sql.h"

namespace penstock::admin {
namespace {

using event::JsonFields;

constexpr int64_t kEventsMax = 1000, kEvents = 200;
constexpr size_t kShownMax = 20;
/// Seconds back; further ones are asked while events are missing.
constexpr std::array<int64_t, 4> kWindows = {600, 86'400, 30 * 86'400, 0};

std::string events_sql(int64_t count, int64_t seconds) {
  const std::string since =
      seconds == 0 ? std::string("1") : fmt::format("timestamp > now() - {}", seconds);
  // The second look reads the properties, and only of what the first one has found.
  return fmt::format(
      "SELECT {} FROM events WHERE timestamp >= (SELECT min(timestamp) FROM (SELECT timestamp FROM "
      "events WHERE {} ORDER BY timestamp DESC LIMIT {}) HAVING count() > 0) ORDER BY timestamp "
      "DESC LIMIT {}",
      store::kStoredEventColumns, since, count, count);
}

std::string_view object_or_none(const std::string& json) {
  return event::validate_json(json) ? std::string_view(json) : "{}";
}

}  // namespace

struct FilterTrial {
  struct Event {
    std::string uuid, name, distinct_id;
    int64_t time_ms = 0;
  };
  std::shared_ptr<wire::Responder> to;
  ProjectId project;
  std::shared_ptr<const catalog::ProjectSettings> settings;
  std::string filters;
  int64_t count = kEvents;
  bool persons = false;  // the app is asked when they are known
  std::vector<Event> shown;
  std::vector<std::string> events;  // as apps see them

  void add(store::StoredEvent event) {
    JsonWriter w;
    const int64_t time_ms = event.timestamp_us / 1000;
    w.begin_object().field("uuid", event.uuid.text()).field("event", event.event);
    w.field("distinct_id", event.distinct_id).field("timestamp", iso_time(time_ms));
    w.key("properties").raw(object_or_none(event.properties));
    w.field("elements_chain", event.elements_chain);
    if (persons && !event.propertyless) {
      w.key("person").begin_object().field("id", event.person_id.text()).key("properties");
      w.raw(object_or_none(event.person_properties)).end_object();
    }
    events.push_back(w.end_object().take());
    shown.push_back(
        {event.uuid.text(), std::move(event.event), std::move(event.distinct_id), time_ms});
  }
};

void Service::count_filtered(Call& call, wire::Responder& r) {
  if (!sources_.apps.match_filters) {
    return reply_error(r, {Code::kUnavailable, "no apps run in this process"});
  }
  const auto change = read_config_change(call.body);
  const auto limit = body_integer(call.body, "limit");
  const auto id = body_integer(call.body, "app");
  for (const Error* error : {change ? nullptr : &change.error(), limit ? nullptr : &limit.error(),
                             id ? nullptr : &id.error()}) {
    if (error != nullptr) return reply_error(r, *error);
  }
  auto trial = std::make_shared<FilterTrial>();
  trial->filters = change->filters.value_or("{}");
  trial->count = std::clamp<int64_t>(limit->value_or(kEvents), 1, kEventsMax);
  trial->project = call.project;
  trial->settings = parts_.catalog.snapshot()->find(call.project)->settings;
  if (*id) {
    const auto app = parts_.catalog.apps().app(**id);
    trial->persons = app && app->manifest.language == catalog::AppLanguage::kJavaScript &&
                     !app->capabilities.contains("processEvent");
  }
  trial->to = std::make_shared<wire::Responder>(std::move(r));
  newest_events(std::move(trial), 0);
}

void Service::newest_events(std::shared_ptr<FilterTrial> trial, size_t window) {
  ask_store(trial->project, events_sql(trial->count, kWindows.at(window)),
            [this, trial, window](Result<store::QueryResult> got) {
              const auto rows = got ? rows_of(*got) : std::unexpected(got.error());
              if (!rows) return reply_error(*trial->to, rows.error());
              if (std::cmp_less(rows->size(), trial->count) && window + 1 < kWindows.size()) {
                return newest_events(trial, window + 1);
              }
              for (const Cells& cells : *rows) {
                if (auto event = store::stored_event(cells)) trial->add(std::move(*event));
              }
              answer_filtered(trial);
            });
}

void Service::answer_filtered(const std::shared_ptr<FilterTrial>& trial) {
  in_pool(
      std::move(*trial->to),
      [trial, match = sources_.apps.match_filters] {
        const ProjectId project = trial->persons ? trial->project : ProjectId{};
        return match(project, *trial->settings, trial->filters, trial->events);
      },
      [trial](wire::Responder& to, const FilterMatches& got) {
        uint64_t matched = 0;
        for (const bool one : got.matched) matched += one ? 1 : 0;
        JsonWriter w;
        w.begin_object().field("events", uint64_t{trial->events.size()});
        w.field("matched", matched).field("failed", got.failed).key("error");
        got.error.empty() ? w.null() : w.string(got.error);
        w.field("persons", trial->persons).key("results").begin_array();
        for (size_t i = 0, shown = 0; i < trial->shown.size() && shown < kShownMax; i++) {
          if (!got.matched[i]) continue;
          const FilterTrial::Event& e = trial->shown[i];
          w.begin_object().field("uuid", e.uuid).field("event", e.name);
          w.field("distinct_id", e.distinct_id)
              .field("timestamp", iso_time(e.time_ms))
              .end_object();
          shown++;
        }
        reply_json(to, w.end_array().end_object().take());
      });
}

}  // namespace penstock::admin
