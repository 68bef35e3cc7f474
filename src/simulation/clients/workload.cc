#include "simulation/clients/workload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "event/timestamp.h"
#include "simulation/world/sim_apps.h"

namespace penstock::simulation {
namespace {

constexpr size_t kUsers = 5;
constexpr size_t kRemembered = 40;
constexpr char kV1Path[] = "/i/v1/analytics/events";
constexpr size_t kFatBytes = 9000;

std::string url_of(size_t client, int64_t number) {
  return fmt::format("https://a/c{}/{}", client, number);
}

}  // namespace

Workload::Workload(uint64_t seed, Promises& promises, const WorkloadOptions& options)
    : dice_(seed),
      promises_(promises),
      clients_(options.clients),
      weights_(kKinds),
      fat_percent_(options.fat_percent),
      v1_percent_(options.v1_percent),
      historical_percent_(dice_.pick<uint64_t>({0, 10, 40})),
      rubbish_percent_(dice_.pick<uint64_t>({0, 3, 20})) {
  for (uint64_t& w : weights_) w = dice_.pick<uint64_t>({0, 1, 2, 4});
  weights_[kSeen] += 2;
  if (!options.poison) weights_[kPoison] = 0;
  for (size_t i = 0; i < clients_.size(); i++) {
    Client& c = clients_[i];
    c.token = dice_.pick(
        {kTokenA, kTokenA, kTokenA, kTokenA, kTokenB, kTokenB, kTokenLate, kTokenUnknown});
    c.anonymous = c.distinct_id = fmt::format("anon{}-0", i);
    c.session = fmt::format("session{}", i);
    c.skew_ms = dice_.pick<int64_t>({0, 0, -3'600'000, 90'000});
    c.recorder = i > 0 && dice_.percent(25);
    promises_.distinct_ids.insert(c.distinct_id);
  }
  clients_[0].token = kTokenA;
}

Workload::Kind Workload::draw() {
  const uint64_t all = std::accumulate(weights_.begin(), weights_.end(), uint64_t{0});
  uint64_t at = dice_.below(all);
  for (size_t kind = 0; kind < weights_.size(); kind++) {
    if (at < weights_[kind]) return static_cast<Kind>(kind);
    at -= weights_[kind];
  }
  return kSeen;
}

/// An event object; `properties` are members, each with a comma in front.
Workload::Made Workload::event(size_t index, int64_t now_ms, std::string name,
                               const std::string& properties, std::string other) {
  Client& c = clients_[index];
  const int64_t number = c.next++;
  const Uuid uuid = uuid_of(index, number);
  Sent sent;
  sent.client = index;
  sent.number = number;
  sent.token = c.token;
  sent.event = name;
  sent.distinct_id = c.distinct_id;
  sent.other_id = std::move(other);
  sent.timestamp_ms = now_ms + c.skew_ms;
  if (properties.find("$heatmap_data") != std::string::npos) {
    sent.heatmap_url = url_of(index, number);
  }
  promises_.events[uuid].contents.push_back(sent);
  promises_.distinct_ids.insert(c.distinct_id);
  if (!sent.other_id.empty()) promises_.distinct_ids.insert(sent.other_id);
  const std::string fat =
      dice_.percent(fat_percent_) ? fmt::format(R"(,"text":"{:x<{}}")", "", kFatBytes) : "";
  Made made;
  made.uuid = uuid;
  made.text =
      fmt::format(R"({{"event":"{}","uuid":"{}","distinct_id":"{}","timestamp":"{}",)"
                  R"("properties":{{"n":{},"c":{}{}{}}}}})",
                  name, uuid.text(), c.distinct_id, event::format_rfc3339_ms(sent.timestamp_ms),
                  number, index, properties, fat);
  return made;
}

Workload::Made Workload::make(size_t index, int64_t now_ms) {
  Client& c = clients_[index];
  const auto n = c.next;
  const std::string user = fmt::format("user{}", dice_.below(kUsers));
  switch (draw()) {
    case kSet:
      return event(index, now_ms, dice_.percent(50) ? "$set" : "seen",
                   fmt::format(R"(,"$set":{{"a{}":{},"name":"x{}"}})", dice_.below(4), n, n));
    case kSetOnce:
      return event(index, now_ms, "seen",
                   fmt::format(R"(,"$set_once":{{"b{}":{}}})", dice_.below(4), n));
    case kUnset:
      return event(index, now_ms, "seen", fmt::format(R"(,"$unset":["a{}"])", dice_.below(4)));
    case kIdentify: {
      // Logging in: from now on the device speaks for the user; sometimes it logs out again.
      if (c.distinct_id != c.anonymous && dice_.percent(40)) {
        c.anonymous = c.distinct_id = fmt::format("anon{}-{}", index, ++c.visits);
        return event(index, now_ms, "seen", "");
      }
      c.distinct_id = user;
      return event(index, now_ms, "$identify",
                   fmt::format(R"(,"$anon_distinct_id":"{}","$set":{{"plan":{}}})", c.anonymous, n),
                   c.anonymous);
    }
    case kAlias: {
      const std::string alias = fmt::format("alias{}", dice_.below(6));
      return event(index, now_ms, "$create_alias", fmt::format(R"(,"alias":"{}")", alias), alias);
    }
    case kMerge:
      return event(index, now_ms, "$merge_dangerously", fmt::format(R"(,"alias":"{}")", user),
                   user);
    case kGroup: {
      const std::string key = fmt::format("org{}", dice_.below(4));
      promises_.group_keys.insert(key);
      return event(index, now_ms, "$groupidentify",
                   fmt::format(R"(,"$group_type":"t{}","$group_key":"{}","$group_set":{{"s":{}}})",
                               dice_.below(7), key, n));
    }
    case kInGroup:
      return event(index, now_ms, "seen",
                   fmt::format(R"(,"$groups":{{"t{}":"org{}"}})", dice_.below(3), dice_.below(4)));
    case kException:
      return event(index, now_ms, "$exception", R"(,"$exception_list":[{"type":"E","value":"v"}])");
    case kHeatmap:
      if (in_v1_) break;  // its points are v0's
      return event(index, now_ms, "seen",
                   fmt::format(R"(,"$viewport_width":800,"$viewport_height":600,"$heatmap_data":{{)"
                               R"("{}":[{{"x":16,"y":32,"target_fixed":false,"type":"click"}}]}})",
                               url_of(index, n)));
    case kPersonless: return event(index, now_ms, "seen", R"(,"$process_person_profile":false)");
    case kBroken: return event(index, now_ms, "$identify", R"(,"$process_person_profile":false)");
    case kPoison: return event(index, now_ms, "poison", "");
    case kConflict: {
      if (c.sent_uuids.empty()) break;
      // Another event under a uuid that was used before.
      const Uuid old = c.sent_uuids[dice_.below(c.sent_uuids.size())];
      Made made = event(index, now_ms, "other", "");
      const Sent content = promises_.events[made.uuid].contents.back();
      promises_.events.erase(made.uuid);
      promises_.events[old].contents.push_back(content);
      made.text.replace(made.text.find(made.uuid.text()), 36, old.text());
      made.uuid = old;
      return made;
    }
    case kForApps:
      return event(index, now_ms, dice_.pick({kAppChanges, kAppDrops, kAppBreaks}), "");
    case kCookieless: return cookieless(index, now_ms, user);
    case kWrong:
      if (in_v1_) return wrong(index, now_ms);
      break;
    case kRepeat: {
      if (c.sent.empty()) break;
      const size_t which = dice_.below(c.sent.size());
      if (in_v1_ && c.sent[which].find("$heatmap_data") != std::string::npos) break;
      promises_.events[c.sent_uuids[which]].repeated = true;
      return {c.sent[which], c.sent_uuids[which], true};
    }
    default: break;
  }
  return event(index, now_ms, "seen", "");
}

/// One browser for each client; now and then somebody logs in with it.
Workload::Made Workload::cookieless(size_t index, int64_t now_ms, const std::string& user) {
  Client& c = clients_[index];
  const bool identify = dice_.percent(10);
  const std::string before =
      std::exchange(c.distinct_id, identify ? user : std::string(kCookielessSentinel));
  const std::string agent = fmt::format("{}{}", kAgentPrefix, index);
  Made made =
      event(index, now_ms, identify ? "$identify" : "seen",
            fmt::format(R"(,"$cookieless_mode":true,"$host":"a.example","$raw_user_agent":)"
                        R"("{}"{})",
                        agent, identify ? R"(,"$anon_distinct_id":"$posthog_cookieless")" : ""));
  promises_.events[made.uuid].contents.back().visitor = agent;
  c.distinct_id = before;
  return made;
}

std::string Workload::batch(const std::string& token, bool historical, const std::string& events) {
  return fmt::format(R"({{"api_key":"{}","historical_migration":{},"batch":[{}]}})", token,
                     historical, events);
}

/// A part of a recording; some hold nothing.
ClientRequest Workload::recording(size_t index, int64_t now_ms) {
  Client& c = clients_[index];
  const int64_t number = c.next++;
  const Uuid uuid = uuid_of(index, number);
  Sent sent;
  sent.client = index;
  sent.number = number;
  sent.token = c.token;
  sent.event = "$snapshot";
  sent.distinct_id = c.distinct_id;
  sent.replay = true;
  sent.timestamp_ms = now_ms;
  promises_.events[uuid].contents.push_back(sent);
  const std::string data =
      number % 17 == 16 ? "" : fmt::format(R"({{"timestamp":{},"n":{}}})", now_ms, number);
  ClientRequest out;
  out.path = "/s/";
  out.events.push_back(uuid);
  out.body = fmt::format(
      R"([{{"event":"$snapshot","uuid":"{}","timestamp":"{}","properties":{{"token":"{}",)"
      R"("distinct_id":"{}","$session_id":"{}","$snapshot_data":[{}]}}}}])",
      uuid.text(), event::format_rfc3339_ms(now_ms), c.token, c.distinct_id, c.session, data);
  return out;
}

ClientRequest Workload::rubbish(size_t index) {
  ClientRequest out;
  out.path = "/batch/";
  out.refused = true;
  const std::string& token = clients_[index].token;
  switch (dice_.below(v1_percent_ > 0 ? 5 : 3)) {
    case 3: out.v1 = true; [[fallthrough]];
    case 4:
      // Without a key and most headers; or with all of them and no batch.
      out.path = kV1Path;
      out.body = "{}";
      if (!out.v1) write_v1(out, index, 0);
      out.v1 = true;
      break;
    case 0: out.body = batch(token, false, R"({"event":"x","properties":{}})"); break;
    case 1: out.body = "{" + batch(token, false, ""); break;
    default: out.body = batch("", false, R"({"event":"x","distinct_id":"d"})");
  }
  return out;
}

ClientRequest Workload::next(size_t index, int64_t now_ms) {
  Client& c = clients_[index];
  if (dice_.percent(rubbish_percent_)) return rubbish(index);
  if (c.recorder && dice_.percent(60)) return recording(index, now_ms);
  if (dice_.percent(v1_percent_)) return v1(index, now_ms);
  ClientRequest out;
  out.path = "/batch/";
  std::string events;
  for (uint64_t n = dice_.pick<uint64_t>({1, 1, 1, 2, 5}); n > 0; n--) {
    const Made made = make(index, now_ms);
    if (!events.empty()) events += ',';
    events += made.text;
    out.events.push_back(made.uuid);
    remember(c, made);
  }
  out.body = batch(c.token, dice_.percent(historical_percent_), events);
  return out;
}

void Workload::remember(Client& c, const Made& made) {
  if (!made.kept) return;
  if (c.sent.size() == kRemembered) {
    c.sent.erase(c.sent.begin());
    c.sent_uuids.erase(c.sent_uuids.begin());
  }
  c.sent.push_back(made.text);
  c.sent_uuids.push_back(made.uuid);
}

Workload::Made Workload::wrong(size_t index, int64_t now_ms) {
  Made made = event(index, now_ms, "seen", "");
  made.kept = false;
  const auto put = [&made](std::string_view before, std::string_view after) {
    made.text.replace(made.text.find(before), before.size(), after);
  };
  switch (dice_.below(3)) {
    case 0: put(R"("event":"seen")", R"("event":"")"); break;
    case 1: put(R"("timestamp":")", R"("timestamp":"no )"); break;
    default: put(R"("properties":)", R"("options":{"cookieless_mode":"?"},"properties":)");
  }
  return made;
}

ClientRequest Workload::v1(size_t index, int64_t now_ms) {
  Client& c = clients_[index];
  ClientRequest out;
  out.historical = dice_.percent(historical_percent_);
  in_v1_ = true;
  for (uint64_t n = dice_.pick<uint64_t>({1, 2, 3, 5}); n > 0; n--) {
    const Made made = make(index, now_ms);
    if (std::ranges::find(out.events, made.uuid) != out.events.end()) continue;
    out.events.push_back(made.uuid);
    out.texts.push_back(made.text);
    remember(c, made);
  }
  in_v1_ = false;
  write_v1(out, index, now_ms);
  return out;
}

void Workload::write_v1(ClientRequest& out, size_t index, int64_t now_ms) {
  const std::string now = event::format_rfc3339_ms(now_ms + clients_[index].skew_ms);
  out.v1 = true;
  out.path = kV1Path;
  out.headers = {{"authorization", "Bearer " + clients_[index].token},
                 {"user-agent", "sim"},
                 {"posthog-sdk-info", "sim/1.0.0"},
                 {"posthog-attempt", "1"},
                 {"posthog-request-id", uuid_of(index, dice_.between(1, 1 << 30)).text()},
                 {"posthog-request-timestamp", now}};
  if (out.texts.empty()) return;
  out.body = fmt::format(R"({{"created_at":"{}","historical_migration":{},"batch":[{}]}})", now,
                         out.historical, fmt::join(out.texts, ","));
}

ClientRequest Workload::rest_of(const ClientRequest& sent, size_t client, int64_t now_ms,
                                const std::function<bool(const Uuid&)>& again) {
  ClientRequest out;
  out.historical = sent.historical;
  for (size_t i = 0; i < sent.events.size(); i++) {
    if (!again(sent.events[i])) continue;
    out.events.push_back(sent.events[i]);
    out.texts.push_back(sent.texts[i]);
  }
  write_v1(out, client, now_ms);
  return out;
}

std::vector<ClientRequest> Workload::merges_again(bool same_uuids, int64_t now_ms,
                                                  const std::function<bool(const Sent&)>& wanted) {
  constexpr size_t kAgainMax = 60;
  std::vector<std::pair<Uuid, Sent>> merges;
  for (const auto& [uuid, promise] : promises_.events) {
    const Sent& sent = promise.contents.front();
    if (promise.contents.size() == 1 && !sent.other_id.empty() && promise.acknowledged &&
        wanted(sent)) {
      merges.emplace_back(uuid, sent);
    }
  }
  std::vector<ClientRequest> out;
  for (size_t i = 0; i < merges.size() && out.size() < kAgainMax; i++) {
    const auto& [uuid, sent] = merges[i];
    ClientRequest again;
    again.path = "/batch/";
    const bool identifies = sent.event == "$identify";
    if (same_uuids) {
      promises_.events[uuid].repeated = true;
      for (const std::string& text : clients_[sent.client].sent) {
        if (text.find(uuid.text()) != std::string::npos)
          again.body = batch(sent.token, false, text);
      }
      if (again.body.empty()) continue;
    } else {
      Client& c = clients_[sent.client];
      const std::string before = std::exchange(c.distinct_id, sent.distinct_id);
      const Made made = event(
          sent.client, now_ms, sent.event,
          fmt::format(R"(,"{}":"{}")", identifies ? "$anon_distinct_id" : "alias", sent.other_id),
          sent.other_id);
      c.distinct_id = before;
      promises_.events[made.uuid].repeated = true;  // any client may send it
      again.events.push_back(made.uuid);
      again.body = batch(sent.token, false, made.text);
    }
    out.push_back(std::move(again));
  }
  return out;
}

}  // namespace penstock::simulation
