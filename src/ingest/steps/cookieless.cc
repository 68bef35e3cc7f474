#include "ingest/steps/cookieless.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/diag.h"
#include "base/json_writer.h"
#include "ingest/steps/cookieless_host.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr std::string_view kMode = "$cookieless_mode", kExtra = "$cookieless_extra",
                           kAgent = "$raw_user_agent";
constexpr int64_t kSessionIdleMs = 30 * 60'000;
constexpr size_t kExtraUnitsMax = 100;  // of UTF-16, as JavaScript counts

bool is_cookieless(const Item& item) {
  const auto flag = item.properties.find(kMode);
  return item.raw.cookieless || (flag && *flag == "true");
}

/// Empty when it is no string.
std::string text_of(const Item& item, std::string_view key) {
  const auto raw = item.properties.find(key);
  if (!raw || event::json_type(*raw) != event::JsonType::kString) return {};
  return event::decode_string(*raw);
}

std::string_view cut_utf16(std::string_view text, size_t units) {
  for (size_t i = 0; i < text.size(); i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c & 0xc0) == 0x80) continue;
    const size_t needed = c >= 0xf0 ? 2 : 1;
    if (needed > units) return text.substr(0, i);
    units -= needed;
  }
  return text;
}

/// As PostHog stores the four words that its SipHash answers: the last one first.
Uuid words_reversed(const SipBytes& sip) {
  Uuid out;
  for (size_t word = 0; word < 4; word++) {
    std::copy_n(sip.begin() + static_cast<ptrdiff_t>(4 * (3 - word)), 4,
                out.bytes.begin() + static_cast<ptrdiff_t>(4 * word));
  }
  return out;
}

std::string base64_without_padding(const Uuid& hash) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (const uint8_t byte : hash.bytes) {
    bits = bits << 8 | byte;
    for (have += 8; have >= 6; have -= 6) out += kAlphabet[bits >> (have - 6) & 63];
  }
  return out += kAlphabet[bits << (6 - have) & 63];
}

/// UUIDv7 of this time with the first ten bytes of `random`.
Uuid uuid_v7(int64_t time_ms, const uint8_t* random) {
  Uuid out;
  for (size_t i = 0; i < 6; i++) out.bytes[i] = static_cast<uint8_t>(time_ms >> (8 * (5 - i)));
  std::copy_n(random, 10, out.bytes.begin() + 6);
  out.bytes[6] = static_cast<uint8_t>(0x70 | (out.bytes[6] & 0x0f));
  out.bytes[8] = static_cast<uint8_t>(0x80 | (out.bytes[8] & 0x3f));
  return out;
}

std::string_view bytes_of(const Uuid& uuid) {
  return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()};
}

/// What was hashed is not kept.
void strip(Item& item) {
  for (std::string_view key : {std::string_view("$ip"), kAgent, kExtra}) item.properties.erase(key);
  if (item.set.erase(kAgent)) item.properties.set("$set", item.set.text());
  if (item.set_once.erase("$initial_raw_user_agent")) {
    item.properties.set("$set_once", item.set_once.text());
  }
  item.raw.ip = {};
}

}  // namespace

Uuid cookieless_hash(const SipBytes& salt, ProjectId project, const CookielessTraits& traits,
                     int64_t n) {
  return words_reversed(
      siphash128(salt, fmt::format("{}-{}-{}-{}-{}-{}", project.value, traits.ip, traits.domain,
                                   traits.agent, n, traits.extra)));
}

std::string cookieless_distinct_id(const Uuid& hash) {
  return "cookieless_" + base64_without_padding(hash);
}

struct CookielessStep::Inputs {
  bool stateful = false;
  CookielessTraits traits;
  LocalDay day;
  SipBytes salt{};

  Uuid hash(ProjectId project, int64_t n) const {
    return cookieless_hash(salt, project, traits, n);
  }
};

Verdict CookielessStep::drop(const Item& item, std::string_view type) {
  JsonWriter w;
  w.begin_object().field("eventUuid", item.raw.uuid.text()).field("event", item.event);
  w.field("distinctId", item.raw.distinct_id).field("category", "event");
  w.field("severity", "error").end_object();
  warnings_.push_back({item.project->id, type, w.take(), item.raw.now_ms});
  return Verdict::drop(type);
}

std::optional<Verdict> CookielessStep::read(const Item& item, Inputs& out) {
  const catalog::CookielessSettings& settings = item.project->settings->cookieless;
  out.stateful = settings.mode == catalog::CookielessMode::kStateful;
  if (item.event == "$create_alias" || item.event == "$merge_dangerously") {
    return Verdict::drop("cookieless_disallowed_event");
  }
  if (item.event == "$identify" && settings.mode == catalog::CookielessMode::kStateless) {
    return Verdict::drop("cookieless_disallowed_identify");
  }
  if (settings.mode == catalog::CookielessMode::kDisabled) {
    return Verdict::drop("cookieless_disabled");
  }
  out.traits.agent = text_of(item, kAgent);
  if (out.traits.agent.empty()) return drop(item, "cookieless_missing_user_agent");
  out.traits.ip = text_of(item, "$ip");
  if (out.traits.ip.empty()) return drop(item, "cookieless_missing_ip");
  const std::string host = text_of(item, "$host");
  if (host.empty()) return drop(item, "cookieless_missing_host");
  out.traits.domain = root_domain(host);
  out.traits.extra = cut_utf16(text_of(item, kExtra), kExtraUnitsMax);
  std::optional<LocalDay> day = zones_.day_of(text_of(item, "$timezone"), item.timestamp_ms);
  if (!day) day = zones_.day_of(settings.timezone, item.timestamp_ms);
  if (!day) day = zones_.day_of("UTC", item.timestamp_ms);
  if (!day || !cookieless_day_is_open(day->day, now_ms_)) {
    return drop(item, "cookieless_timestamp_out_of_range");
  }
  out.day = *day;
  return std::nullopt;
}

Verdict CookielessStep::run(Item& item) {
  if (!is_cookieless(item)) return {};
  Inputs in;
  if (const auto decided = read(item, in)) return *decided;
  const Status done = rewrite(item, in);
  if (done) return {};
  diag::warn("a cookieless event could not be hashed", {{"error", done.error().message}});
  return Verdict::quarantine("cookieless", "cookieless_failed");
}

std::optional<std::string> CookielessStep::expected_id(const Item& item) {
  Inputs in;
  const size_t told = warnings_.size();
  const bool goes_on = is_cookieless(item) && store_ != nullptr && !read(item, in);
  warnings_.erase(warnings_.begin() + static_cast<ptrdiff_t>(told), warnings_.end());
  if (!goes_on) return std::nullopt;
  const auto salt = store_->salt(in.day.day);
  if (!salt) return std::nullopt;
  in.salt = *salt;
  const Uuid base = in.hash(item.project->id, 0);
  if (!in.stateful) return cookieless_distinct_id(base);
  const bool identify = item.event == "$identify";
  if (!identify && item.raw.distinct_id != kCookielessSentinel) return std::nullopt;
  const auto seen = identifies({item.project->id, in.day.day, base});
  if (!seen) return std::nullopt;
  return cookieless_distinct_id(
      in.hash(item.project->id, static_cast<int64_t>((*seen)->all.size())));
}

Status CookielessStep::rewrite(Item& item, const Inputs& given) {
  if (store_ == nullptr) return fail(Code::kUnavailable, "there is no cookieless store");
  Inputs in = given;
  PENSTOCK_TRY(in.salt, store_->salt(in.day.day));
  const Uuid base = in.hash(item.project->id, 0);
  if (in.stateful) {
    PENSTOCK_CHECK(make_stateful(item, in, base));
  } else {
    item.new_distinct_id = cookieless_distinct_id(base);
    item.new_session_id = uuid_v7(in.day.start_ms, base.bytes.data()).text();
    item.raw.distinct_id = item.new_distinct_id;
    item.properties.set_string("$distinct_id", item.new_distinct_id);
  }
  item.properties.set_string("$device_id", "cookielessd_" + base64_without_padding(base));
  item.properties.set_string("$session_id", item.new_session_id);
  item.raw.session_id = item.new_session_id;
  strip(item);
  return {};
}

Status CookielessStep::make_stateful(Item& item, const Inputs& in, const Uuid& base) {
  PENSTOCK_TRY(Identifies * seen, identifies({item.project->id, in.day.day, base}));
  const bool identify = item.event == "$identify";
  const bool anonymous = item.raw.distinct_id == kCookielessSentinel;
  if (identify && std::ranges::find(seen->all, item.raw.uuid) == seen->all.end()) {
    seen->all.push_back(item.raw.uuid);
    seen->added.push_back(item.raw.uuid);
    seen->partition = item.source.partition;
  }
  // Whoever has identified is who they were before: the count without their own identify.
  const auto n = static_cast<int64_t>(seen->all.size()) - (identify || !anonymous ? 1 : 0);
  const Uuid hash = in.hash(item.project->id, n);
  PENSTOCK_TRY(const Uuid session, session_of(item, in, hash));
  item.new_session_id = session.text();
  item.properties.erase("$distinct_id");
  if (identify) {
    item.properties.set_string("$anon_distinct_id", cookieless_distinct_id(hash));
  } else if (anonymous) {
    item.new_distinct_id = cookieless_distinct_id(hash);
    item.raw.distinct_id = item.new_distinct_id;
  }
  return {};
}

Result<CookielessStep::Identifies*> CookielessStep::identifies(const CookielessVisitor& visitor) {
  if (const auto it = identifies_.find(visitor); it != identifies_.end()) return &it->second;
  PENSTOCK_TRY(auto stored, store_->identifies(visitor));
  Identifies& out = identifies_[visitor];
  out.all = std::move(stored);
  return &out;
}

Result<Uuid> CookielessStep::session_of(const Item& item, const Inputs& in, const Uuid& hash) {
  const CookielessVisitor visitor{item.project->id, in.day.day, hash};
  auto it = sessions_.find(visitor);
  if (it == sessions_.end()) {
    PENSTOCK_TRY(const auto stored, store_->session(visitor));
    it = sessions_.emplace(visitor, Session{stored.value_or(CookielessSession{}), false, {}}).first;
  }
  Session& s = it->second;
  const bool fresh = s.now.version == 0 && !s.changed;
  if (fresh || item.timestamp_ms - s.now.last_activity_ms > kSessionIdleMs) {
    // Of the event and nobody's guess: deciding it again gives the same session.
    std::string of(bytes_of(hash));
    of += bytes_of(item.raw.uuid);
    s.now.id = uuid_v7(item.timestamp_ms, siphash128(in.salt, of).data());
  }
  s.now.last_activity_ms = item.timestamp_ms;
  if (!s.changed) s.now.version++;
  s.changed = true;
  s.partition = item.source.partition;
  return s.now.id;
}

std::vector<CookielessStep::Change> CookielessStep::changes() const {
  std::vector<Change> out;
  for (const auto& [visitor, seen] : identifies_) {
    for (const Uuid& uuid : seen.added) {
      out.push_back({seen.partition,
                     {.project = visitor.project,
                      .day = visitor.day,
                      .visitor = visitor.hash,
                      .is_identify = true,
                      .id = uuid}});
    }
  }
  for (const auto& [visitor, s] : sessions_) {
    if (!s.changed) continue;
    out.push_back({s.partition,
                   {.project = visitor.project,
                    .day = visitor.day,
                    .visitor = visitor.hash,
                    .id = s.now.id,
                    .last_activity_ms = s.now.last_activity_ms,
                    .version = s.now.version}});
  }
  return out;
}

}  // namespace penstock::ingest
