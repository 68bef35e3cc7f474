#include "bench/ingest/mix.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "event/lane.h"
#include "event/raw_record.h"

namespace penstock::bench {
namespace {

struct Agent {
  std::string_view browser, version, system, system_version, device, text;
};
constexpr std::array<Agent, 4> kAgents{{
    {"Chrome", "148", "Mac OS X", "10.15.7", "Desktop",
     "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/148.0.0.0 Safari/537.36"},
    {"Firefox", "151", "Windows", "10.0", "Desktop",
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0"},
    {"Mobile Safari", "19.1", "iOS", "19.1", "Mobile",
     "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Version/19.1 Mobile/15E148 Safari/604.1"},
    {"Microsoft Edge", "148", "Windows", "10.0", "Desktop",
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/148.0.0.0 Safari/537.36 Edg/148.0.0.0"},
}};
constexpr std::array<std::string_view, 4> kPlans{"free", "team", "business", "enterprise"};

uint64_t mixed(uint64_t v) {
  v += 0x9e3779b97f4a7c15ULL;
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ULL;
  v = (v ^ (v >> 27)) * 0x94d049bb133111ebULL;
  return v ^ (v >> 31);
}

/// A UUIDv7 of some moment of the year before.
std::string id_text(uint64_t seed) {
  std::array<uint8_t, 10> tail{};
  for (size_t i = 0; i < tail.size(); i++) {
    tail[i] = static_cast<uint8_t>(mixed(seed * 2 + i / 8) >> (i % 8 * 8));
  }
  const auto back = static_cast<int64_t>(mixed(seed) % 31'000'000'000ULL);
  return Uuid::v7(kNowMs - back, tail).text();
}

std::string email(uint64_t k) { return fmt::format("person{}@example.com", k); }

std::string person_text(uint64_t k) {
  const Agent& a = kAgents[k % kAgents.size()];
  std::string out;
  fmt::format_to(
      std::back_inserter(out),
      R"({{"$browser":"{0}","$browser_version":{1},"$os":"{2}","$os_version":"{3}",)"
      R"("$device_type":"{4}","$current_url":"https://app.example.com/projects/{5}/overview",)"
      R"("$pathname":"/projects/{5}/overview","$screen_height":1080,"$screen_width":1920,)"
      R"("$viewport_height":940,"$viewport_width":1890,"$referrer":"https://www.example.org/",)"
      R"("$referring_domain":"www.example.org","$raw_user_agent":"{6}",)",
      a.browser, a.version, a.system, a.system_version, a.device, k % 100'000, a.text);
  fmt::format_to(std::back_inserter(out),
                 R"("$initial_browser":"{0}","$initial_browser_version":{1},"$initial_os":"{2}",)"
                 R"("$initial_os_version":"{3}","$initial_device_type":"{4}",)"
                 R"("$initial_current_url":"https://example.com/pricing?utm_campaign=launch",)"
                 R"("$initial_pathname":"/pricing","$initial_referrer":"https://www.example.org/",)"
                 R"("$initial_referring_domain":"www.example.org","$initial_screen_height":1080,)"
                 R"("$initial_screen_width":1920,"$initial_viewport_height":940,)"
                 R"("$initial_viewport_width":1890,"$initial_raw_user_agent":"{5}",)",
                 a.browser, a.version, a.system, a.system_version, a.device, a.text);
  if (!is_anonymous(k)) {
    fmt::format_to(std::back_inserter(out),
                   R"("email":"{}","name":"Person Number {}","plan":"{}","company":"company_{}",)"
                   R"("logins":{},)",
                   email(k), k, kPlans[k / 7 % kPlans.size()], k % 5000, k % 90);
  }
  fmt::format_to(std::back_inserter(out), R"("$creator_event_uuid":"{}"}})", id_text(~k));
  return out;
}

}  // namespace

std::string visitor_id(uint64_t k) { return id_text(k); }
std::string user_id(uint64_t k) { return fmt::format("user_{}", mixed(k) % 1'000'000'000'000ULL); }

Group make_persons(uint64_t from, uint64_t to) {
  Group out;
  out.arena.reserve((to - from) * 3);
  for (uint64_t k = from; k < to; k++) {
    event::PersonChange person;
    const std::string& visitor = out.arena.emplace_back(visitor_id(k));
    person.project = kProject;
    person.id = persons::person_uuid(kProject, visitor);
    person.properties = out.arena.emplace_back(person_text(k));
    person.created_at_ms = kNowMs - 86'400'000;
    person.is_identified = !is_anonymous(k);
    person.last_seen_at_ms = kNowMs - 3'600'000;
    out.updates.persons.push_back(person);
    out.updates.distinct_ids.push_back({kProject, visitor, person.id, false, 0});
    if (is_anonymous(k)) continue;
    const std::string& user = out.arena.emplace_back(user_id(k));
    out.updates.distinct_ids.push_back({kProject, user, person.id, false, 0});
  }
  out.updates.current = true;
  return out;
}

void Mix::properties(uint64_t k, std::string_view distinct_id, std::string& out) {
  const Agent& a = kAgents[k % kAgents.size()];
  const uint64_t page = below(100'000);
  const std::string session = id_text(random_()), window = id_text(random_());
  fmt::format_to(
      std::back_inserter(out),
      R"({{"$os":"{0}","$os_version":"{1}","$browser":"{2}","$browser_version":{3},)"
      R"("$device_type":"{4}","$timezone":"Europe/Berlin","$timezone_offset":-60,)"
      R"("$current_url":"https://app.example.com/projects/{5}/overview?from=list&tab=events",)"
      R"("$host":"app.example.com","$pathname":"/projects/{5}/overview","$raw_user_agent":"{6}",)"
      R"("$browser_language":"de-DE","$browser_language_prefix":"de","$screen_height":1080,)"
      R"("$screen_width":1920,"$viewport_height":940,"$viewport_width":1890,"$lib":"web",)"
      R"("$lib_version":"1.300.0","$insert_id":"{7:016x}","$time":1785585600.1,)"
      R"("distinct_id":"{8}","$device_id":"{9}","$user_id":"{8}",)",
      a.system, a.system_version, a.browser, a.version, a.device, page, a.text, random_(),
      distinct_id, visitor_id(k));
  fmt::format_to(
      std::back_inserter(out),
      R"("$active_feature_flags":["new-navigation","fast-checkout","dark-theme"],)"
      R"("$feature/new-navigation":"test","$feature/fast-checkout":true,)"
      R"("$feature/dark-theme":"control","$groups":{{"company":"company_{}"}},)"
      R"("$initial_person_info":{{"r":"https://www.example.org/",)"
      R"("u":"https://example.com/pricing?utm_campaign=launch"}},)"
      R"("$referrer":"https://www.example.org/","$referring_domain":"www.example.org",)"
      R"("$session_entry_url":"https://app.example.com/login?next=%2Fhome",)"
      R"("$session_entry_host":"app.example.com","$session_entry_pathname":"/login",)"
      R"("$session_entry_referrer":"https://www.example.org/",)"
      R"("$session_entry_referring_domain":"www.example.org",)"
      R"("$configured_session_timeout_ms":1800000,"$replay_sample_rate":null,)"
      R"("$recording_status":"active","$sdk_debug_retry_queue_size":0,)"
      R"("$web_vitals_enabled_server_side":true,"$exception_capture_enabled_server_side":false,)"
      R"("$pageview_id":"{}","token":"{}","$session_id":"{}","$window_id":"{}",)"
      R"("$process_person_profile":true)",
      k % 5000, id_text(random_()), kToken, session, window);
}

void Mix::next(std::string& record, std::string& key) {
  const uint64_t dice = below(100);
  std::string name, id, extra, more;
  uint64_t k = below(persons_);
  if (dice < 90) {
    if (dice >= 70 && is_anonymous(k)) k--;
    id = is_anonymous(k) || below(3) == 0 ? visitor_id(k) : user_id(k);
    name = dice < 30 ? "$autocapture" : dice < 55 ? "$pageview" : "feature used";
    if (dice < 30) {
      more = fmt::format(
          R"(,"$event_type":"click","$ce_version":1,"$el_text":"Save","$elements_chain":)"
          R"("button.btn.btn-primary:attr__class=\"btn btn-primary\"nth-child=\"{}\")"
          R"(nth-of-type=\"1\"text=\"Save\";div.panel:attr__class=\"panel\"nth-child=\"2\")"
          R"(nth-of-type=\"2\";main.app:attr__class=\"app\"nth-child=\"1\"nth-of-type=\"1\"")",
          below(9));
    }
    if (dice >= 70) {
      extra = fmt::format(R"(,"$set":{{"logins":{},"plan":"{}","email":"{}"}})", below(1'000'000),
                          kPlans[below(kPlans.size())], email(k));
    }
  } else if (dice < 95) {
    k = persons_ + ++fresh_;
    id = visitor_id(k);
    name = "$pageview";
  } else {
    name = "$identify";
    // An anonymous visitor that no earlier event took; when all are taken, new ones log in.
    uint64_t visitor = taken_++ * 4 + 3;
    if (visitor >= persons_) visitor = persons_ + ++fresh_;
    const bool known = below(2) == 0;
    k = known ? below(persons_ / 4) * 4 : visitor;
    id = known ? user_id(k) : fmt::format("user_{}", random_() % 1'000'000'000'000ULL);
    more = fmt::format(R"(,"$anon_distinct_id":"{}")", visitor_id(visitor));
    extra = fmt::format(R"(,"$set":{{"email":"{}"}})", email(k));
  }
  std::string data;
  const std::string uuid = id_text(mixed(~made_));
  fmt::format_to(std::back_inserter(data), R"({{"uuid":"{}","event":"{}","properties":)", uuid,
                 name);
  properties(k, id, data);
  data += more;
  fmt::format_to(std::back_inserter(data), R"(}}{},"timestamp":"2026-08-01T12:00:00.123Z"}})",
                 extra);
  event::RawRecord raw;
  std::array<uint8_t, 10> tail{};
  for (uint8_t& b : tail) b = static_cast<uint8_t>(random_());
  const int64_t now = kNowMs + static_cast<int64_t>(made_++ / 20);
  raw.uuid = Uuid::v7(now, tail);
  raw.project = kProject;
  raw.now_ms = now;
  raw.request = 7;  // as capture numbers them
  raw.sent_at_ms = now - 100;
  raw.timestamp_ms = now - 1000;
  raw.token = kToken;
  raw.distinct_id = id;
  raw.event = name;
  raw.ip = "10.1.2.3";
  raw.data = data;
  record.clear();
  event::encode(raw, record);
  key.clear();
  event::partition_key(raw, event::Lane::kMain, key);
}

}  // namespace penstock::bench
