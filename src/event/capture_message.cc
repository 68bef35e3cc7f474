#include "event/capture_message.h"

#include <emmintrin.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/hash.h"
#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::event {
namespace {

constexpr std::string_view kOwnHeader = "penstock";

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  append_json_string(out, text);
}

/// Of a text that needs no escaping.
void append_plain(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  out += '"';
  out += text;
  out += '"';
}

void append_time(std::string& out, std::string_view name, int64_t ms) {
  out += name;
  out += '"';
  append_rfc3339_ms(out, ms);
  out += '"';
}

std::optional<std::string_view> text_or_null(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<std::string_view> true_or_null(bool value) {
  return value ? std::optional<std::string_view>("true") : std::nullopt;
}

/// An /engage body has no name of its own, and an ingestion wants one.
std::string named(const RawRecord& r, size_t open) {
  std::string out = R"({"event":)";
  append_json_string(out, r.event);
  const size_t next = r.data.find_first_not_of(" \t\r\n", open + 1);
  if (next != std::string_view::npos && r.data[next] != '}') out += ',';
  out += r.data.substr(open + 1);
  return out;
}

void append_data(std::string& out, const RawRecord& r, bool decided) {
  out += R"(,"data":)";
  const size_t open = r.engage ? r.data.find('{') : std::string_view::npos;
  if (decided) {
    out += R"("{}")";
  } else if (open != std::string_view::npos) {
    append_json_escaped(out, named(r, open));
  } else {
    append_json_escaped(out, r.data);
  }
}

/// What `named` put in front.
std::string_view without_name(std::string_view data, std::string_view event) {
  std::string front = R"({"event":)";
  append_json_string(front, event);
  if (!data.starts_with(front)) return data;
  data.remove_prefix(front.size());
  if (data.starts_with(',')) data.remove_prefix(1);
  return data;
}

std::string_view header(const CaptureMessageView& m, std::string_view name) {
  for (const auto& [key, value] : m.headers) {
    if (key == name) return value;
  }
  return {};
}

bool is_true(std::string_view text) { return text == "true" || text == "1"; }

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<int64_t> time_of(std::string_view text) {
  if (const auto ms = number(text)) return ms;
  return parse_timestamp_ms(text);
}

Uuid place_uuid(const CaptureMessageView& m) {
  std::string place(m.topic);
  place += ':' + std::to_string(m.partition) + ':' + std::to_string(m.offset);
  Uuid out;
  const std::array<uint64_t, 2> halves{hash64(place, 1), hash64(place, 2)};
  std::memcpy(out.bytes.data(), halves.data(), out.bytes.size());
  return out;
}

/// A string among the body's members; empty: not there, or something else.
std::string member(const JsonFields& body, std::string_view name) {
  const auto raw = body.find(name);
  if (!raw || json_type(*raw) != JsonType::kString) return {};
  return decode_string(*raw);
}

bool member_is_true(const JsonFields& body, std::string_view name) {
  const auto raw = body.find(name);
  return raw && *raw == "true";
}

std::string first_of(std::string a, std::string_view b) {
  return a.empty() ? std::string(b) : std::move(a);
}

void unreadable(const CaptureMessageView& m, const ProjectOfToken& project_of, std::string& out) {
  RawRecord r;
  r.uuid = place_uuid(m);
  r.now_ms = r.timestamp_ms = m.time_ms;
  r.token = header(m, "token");
  r.project = project_of(r.token);
  r.distinct_id = "unknown";
  r.event = "unknown";
  r.data = m.body;
  r.disposition = Disposition::kQuarantine;
  r.reason = kUnreadableMessage;
  encode(r, out);
}

/// With what the body and the headers say; false: it is no event.
bool read_body(const CaptureMessageView& m, const RawRecord* own, const ProjectOfToken& project_of,
               std::string& out) {
  const auto body = JsonFields::parse(m.body);
  if (!body) return false;
  const std::string data = member(*body, "data");
  const std::string token = first_of(member(*body, "token"), header(m, "token"));
  const std::string distinct_id = first_of(member(*body, "distinct_id"), header(m, "distinct_id"));
  std::string event = first_of(member(*body, "event"), header(m, "event"));
  // Of our own it is what capture has looked through, and what ingest looks through anyway.
  if (own == nullptr || event.empty()) {
    const auto event_object = JsonFields::parse(data);
    if (!event_object) return false;
    event = first_of(std::move(event), member(*event_object, "event"));
  }
  const std::string uuid = first_of(member(*body, "uuid"), header(m, "uuid"));
  const std::string ip = member(*body, "ip");
  if (distinct_id.empty() || event.empty()) return false;
  RawRecord r;
  if (own != nullptr) {
    r = *own;
  } else {
    const auto parsed = Uuid::parse(uuid);
    if (!parsed && !uuid.empty()) return false;
    r.uuid = parsed ? *parsed : place_uuid(m);
    const auto now = time_of(first_of(member(*body, "now"), header(m, "now")));
    r.project = project_of(token);
    r.now_ms = now.value_or(m.time_ms);
    r.sent_at_ms = time_of(member(*body, "sent_at"));
    auto timestamp = number(header(m, "timestamp"));
    if (!timestamp) timestamp = time_of(member(*body, "timestamp"));
    r.timestamp_ms = timestamp.value_or(r.now_ms);
    r.cookieless = member_is_true(*body, "is_cookieless_mode");
    r.historical =
        member_is_true(*body, "historical_migration") || is_true(header(m, "historical_migration"));
    r.skip_persons = is_true(header(m, "force_disable_person_processing"));
    r.skip_heatmap = is_true(header(m, "skip_heatmap_processing"));
  }
  std::string engaged;
  r.data = data;
  if (r.engage) {
    engaged = '{';
    engaged += without_name(data, event);
    r.data = engaged;
  }
  r.token = token;
  r.distinct_id = distinct_id;
  r.event = event;
  r.ip = ip;
  r.session_id = header(m, "session_id");
  encode(r, out);
  return true;
}

/// Takes a string without escapes from the front, its quotes too.
bool skip_plain_string(std::string_view& text) {
  const size_t end =
      text.starts_with('"') ? text.find_first_of(R"("\)", 1) : std::string_view::npos;
  if (end == std::string_view::npos || text[end] == '\\') return false;
  text.remove_prefix(end + 1);
  return true;
}

bool skip(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

/// Decodes what follows a string's first quote, and takes it and the last quote from the front.
/// False at a `\u`, or when there is no end.
bool take_string(std::string_view& text, std::string& out) {
  constexpr size_t kBlock = 16;
  out.resize(text.size() + kBlock);  // it does not get longer
  const char* at = text.data();
  const char* const end = at + text.size();
  char* to = out.data();
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  while (at != end) {
    if (static_cast<size_t>(end - at) >= kBlock) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
      const auto found = static_cast<uint32_t>(_mm_movemask_epi8(
          _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash))));
      const auto plain = std::min(static_cast<size_t>(std::countr_zero(found)), kBlock);
      at += plain;
      to += plain;
      if (plain == kBlock) continue;
    }
    if (*at == '"') {
      out.resize(static_cast<size_t>(to - out.data()));
      text.remove_prefix(static_cast<size_t>(at + 1 - text.data()));
      return true;
    }
    if (*at != '\\') {
      *to++ = *at++;
      continue;
    }
    constexpr std::string_view kEscaped = R"("\/bfnrt)", kMeant = "\"\\/\b\f\n\r\t";
    const size_t which = end - at < 2 ? std::string_view::npos : kEscaped.find(at[1]);
    if (which == std::string_view::npos) return false;
    *to++ = kMeant[which];
    at += 2;
  }
  return false;
}

/// What write_capture_message has written, nearly always, without looking through all of it: what
/// it says elsewhere is taken from the headers, and whether the data is JSON is ingest's to see.
/// False, and nothing appended: it is to be read like anybody's.
bool read_own(const CaptureMessageView& m, const RawRecord& own, std::string& out) {
  std::string_view text = m.body;
  if (own.engage || !skip(text, R"({"uuid":)") || !skip_plain_string(text) ||
      !skip(text, R"(,"distinct_id":)") || !skip_plain_string(text) || !skip(text, R"(,"ip":)")) {
    return false;
  }
  std::string_view ip = text;
  if (!skip_plain_string(text)) return false;
  ip = ip.substr(1, ip.size() - text.size() - 2);
  std::string data;
  if (!skip(text, R"(,"data":")") || !take_string(text, data) || !text.starts_with(R"(,"now":)") ||
      !text.ends_with('}')) {
    return false;
  }
  RawRecord r = own;
  r.token = header(m, "token");
  r.distinct_id = header(m, "distinct_id");
  r.event = header(m, "event");
  if (r.token.empty() || r.distinct_id.empty() || r.event.empty()) return false;
  r.ip = ip;
  r.session_id = header(m, "session_id");
  r.data = data;
  encode(r, out);
  return true;
}

}  // namespace

void write_capture_message(const RawRecord& r, Lane lane, CaptureMessage& out) {
  const bool decided = r.disposition != Disposition::kProcess;
  out.keyed = lane != Lane::kOverflow || !r.skip_persons;
  out.key.clear();
  if (out.keyed) partition_key(r, lane, out.key);
  RawRecord rest = r;
  if (!decided) {
    rest.token = rest.distinct_id = rest.event = rest.ip = rest.session_id = rest.data = {};
  }
  // Whole before anything looks into it.
  std::string& notes = out.notes;
  notes.clear();
  r.uuid.append_to(notes);
  const size_t uuid_end = notes.size();
  append_rfc3339_ms(notes, r.now_ms);
  const size_t now_end = notes.size();
  std::array<char, 24> digits{};
  const char* end = std::to_chars(digits.begin(), digits.end(), r.timestamp_ms).ptr;
  notes.append(digits.data(), static_cast<size_t>(end - digits.data()));
  const size_t time_end = notes.size();
  encode(rest, notes);
  const std::string_view all = notes;
  const std::string_view uuid = all.substr(0, uuid_end),
                         now = all.substr(uuid_end, now_end - uuid_end),
                         time = all.substr(now_end, time_end - now_end);
  std::string& body = out.body;
  body.clear();
  body.reserve(r.data.size() + r.data.size() / 4 + 512);
  append_plain(body, R"({"uuid":)", uuid);
  append_member(body, R"(,"distinct_id":)", r.distinct_id);
  append_member(body, R"(,"ip":)", r.ip);
  append_data(body, r, decided);
  append_plain(body, R"(,"now":)", now);
  if (r.sent_at_ms) append_time(body, R"(,"sent_at":)", *r.sent_at_ms);
  if (!decided) append_member(body, R"(,"token":)", r.token);
  append_member(body, R"(,"event":)", r.event);
  append_time(body, R"(,"timestamp":)", r.timestamp_ms);
  if (r.cookieless) body += R"(,"is_cookieless_mode":true)";
  if (r.historical) body += R"(,"historical_migration":true)";
  body += '}';
  auto& headers = out.headers;
  headers.clear();
  headers.emplace_back("token", decided ? std::nullopt : std::optional(r.token));
  headers.emplace_back("distinct_id", r.distinct_id);
  headers.emplace_back("session_id", text_or_null(r.session_id));
  headers.emplace_back("timestamp", time);
  headers.emplace_back("event", r.event);
  headers.emplace_back("uuid", uuid);
  headers.emplace_back("now", now);
  headers.emplace_back("force_disable_person_processing", true_or_null(r.skip_persons));
  headers.emplace_back("historical_migration", true_or_null(r.historical));
  if (r.skip_heatmap) headers.emplace_back("skip_heatmap_processing", "true");
  headers.emplace_back(kOwnHeader, all.substr(time_end));
}

void read_capture_message(const CaptureMessageView& m, const ProjectOfToken& project_of,
                          std::string& out) {
  const std::string_view own_text = header(m, kOwnHeader);
  if (own_text.empty()) {
    if (!read_body(m, nullptr, project_of, out)) unreadable(m, project_of, out);
    return;
  }
  const auto own = decode_raw(own_text);
  if (own && own->disposition != Disposition::kProcess) {
    out.append(own_text);
    return;
  }
  if (own && (read_own(m, *own, out) || read_body(m, &*own, project_of, out))) return;
  unreadable(m, project_of, out);
}

bool read_capture_head(const CaptureMessageView& m,
                       const std::function<bool(std::string_view token)>& ours, std::string& out) {
  // What the edge has decided has no token there, and lies in our header whole.
  const std::string_view token = header(m, "token");
  if (token.empty() || ours(token)) return false;
  auto own = decode_raw(header(m, kOwnHeader));
  if (!own || own->disposition != Disposition::kProcess) return false;
  own->token = token;
  own->distinct_id = header(m, "distinct_id");
  own->event = header(m, "event");
  own->session_id = header(m, "session_id");
  own->data = "{}";
  encode(*own, out);
  return true;
}

}  // namespace penstock::event
