#include "main/prove/workload.h"

#include <fmt/format.h>

#include "event/timestamp.h"

namespace penstock::cli::prove {
namespace {

constexpr uint64_t kPeople = 40, kSessions = 6, kEventsMax = 8;
constexpr int64_t kTenDaysMs = 10 * 86'400'000LL;

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kMain: return "main";
    case Kind::kHistorical: return "historical";
    case Kind::kHotKey: return "hot key";
    case Kind::kException: return "exceptions";
    case Kind::kIdentity: return "identity";
    case Kind::kV1: return "capture v1";
    case Kind::kRecording: return "recordings";
    case Kind::kEarly: return "early key";
  }
  return "";
}

Workload::Workload(uint64_t seed, int client, std::string key, std::string early_key)
    : random_(seed * 1'000 + static_cast<uint64_t>(client)),
      client_(client),
      key_(std::move(key)),
      early_key_(std::move(early_key)) {}

Uuid Workload::fresh_uuid(int64_t now_ms) {
  std::array<uint8_t, 10> bytes{};
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(below(256));
  return Uuid::v7(now_ms, bytes);
}

std::string Workload::event(Kind kind, const Uuid& uuid, int64_t now_ms) {
  const std::string person =
      kind == Kind::kHotKey ? "hot" : fmt::format("c{}-p{}", client_, below(kPeople));
  const int64_t at = kind == Kind::kHistorical ? now_ms - kTenDaysMs : now_ms;
  return fmt::format(
      R"({{"event":"{}","uuid":"{}","distinct_id":"{}","timestamp":"{}","properties":)"
      R"({{"n":{},"$set":{{"seen":{}}},"text":"{}"}}}})",
      kind == Kind::kException ? "$exception" : "proved", uuid.text(), person,
      event::format_rfc3339_ms(at), below(1'000'000), below(20),
      std::string(below(400), static_cast<char>('a' + below(26))));
}

std::string Workload::identity_event(const Uuid& uuid, int64_t now_ms) {
  const std::string person = fmt::format("c{}-p{}", client_, below(kPeople));
  const std::string device = fmt::format("c{}-d{}", client_, below(10 * kPeople));
  std::string name, id = person, properties;
  switch (below(4)) {
    case 0:
      name = "$identify";
      properties = fmt::format(R"({{"$anon_distinct_id":"{}"}})", device);
      break;
    case 1:
      name = "$create_alias";
      properties = fmt::format(R"({{"alias":"{}"}})", device);
      break;
    case 2:
      name = "$groupidentify";
      properties =
          fmt::format(R"({{"$group_type":"company","$group_key":"g{}","$group_set":{{"n":{}}}}})",
                      below(5), below(100));
      break;
    default:
      name = "$set";
      properties = fmt::format(R"({{"$set":{{"level":{}}},"$set_once":{{"first":{}}}}})", below(10),
                               below(1000));
  }
  return fmt::format(
      R"({{"event":"{}","uuid":"{}","distinct_id":"{}","timestamp":"{}","properties":{}}})", name,
      uuid.text(), id, event::format_rfc3339_ms(now_ms), properties);
}

Shipment Workload::batch(Kind kind, int64_t now_ms) {
  Shipment out;
  out.kind = kind;
  out.path = "/batch/";
  const uint64_t count = kind == Kind::kHotKey ? 3 * kEventsMax : 1 + below(kEventsMax);
  std::string events;
  for (uint64_t i = 0; i < count; i++) {
    out.uuids.push_back(fresh_uuid(now_ms));
    if (i > 0) events += ',';
    events += kind == Kind::kIdentity ? identity_event(out.uuids.back(), now_ms)
                                      : event(kind, out.uuids.back(), now_ms);
  }
  out.body =
      fmt::format(R"({{"api_key":"{}","historical_migration":{},"batch":[{}]}})",
                  kind == Kind::kEarly ? early_key_ : key_, kind == Kind::kHistorical, events);
  return out;
}

Shipment Workload::v1(int64_t now_ms) {
  Shipment out;
  out.kind = Kind::kV1;
  out.path = "/i/v1/analytics/events";
  out.headers = {"Authorization: Bearer " + key_, "PostHog-Sdk-Info: penstock-prove/1.0.0",
                 "PostHog-Attempt: 1", "PostHog-Request-Id: " + fresh_uuid(now_ms).text(),
                 "PostHog-Request-Timestamp: " + event::format_rfc3339_ms(now_ms)};
  const uint64_t count = 1 + below(kEventsMax);
  std::string events;
  for (uint64_t i = 0; i < count; i++) {
    out.uuids.push_back(fresh_uuid(now_ms));
    if (i > 0) events += ',';
    events += event(Kind::kV1, out.uuids.back(), now_ms);
  }
  out.body = fmt::format(R"({{"created_at":"{}","batch":[{}]}})", event::format_rfc3339_ms(now_ms),
                         events);
  return out;
}

Shipment Workload::recording(int64_t now_ms) {
  Shipment out;
  out.kind = Kind::kRecording;
  out.path = "/s/";
  out.uuids.push_back(fresh_uuid(now_ms));
  out.session = fmt::format("session-{}-{}", client_, below(kSessions));
  out.mark = ++mark_;
  out.body = fmt::format(
      R"([{{"event":"$snapshot","uuid":"{}","timestamp":"{}","properties":{{"token":"{}",)"
      R"("distinct_id":"c{}-p0","$session_id":"{}","$window_id":"w","$snapshot_data":[)"
      R"({{"type":5,"timestamp":{},"data":{{"tag":"prove","payload":{{"mark":{}}}}}}}]}}}}])",
      out.uuids[0].text(), event::format_rfc3339_ms(now_ms), key_, client_, out.session, now_ms,
      out.mark);
  return out;
}

Shipment Workload::next(int64_t now_ms) {
  const uint64_t luck = below(100);
  if (luck < 40) return batch(Kind::kMain, now_ms);
  if (luck < 50) return batch(Kind::kHistorical, now_ms);
  if (luck < 55) return batch(Kind::kHotKey, now_ms);
  if (luck < 62) return batch(Kind::kException, now_ms);
  if (luck < 80) return batch(Kind::kIdentity, now_ms);
  if (luck < 88) return v1(now_ms);
  if (luck < 97) return recording(now_ms);
  return batch(Kind::kEarly, now_ms);
}

}  // namespace penstock::cli::prove
