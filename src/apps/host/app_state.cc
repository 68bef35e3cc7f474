#include "apps/host/app_state.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "apps/host/metrics.h"
#include "base/codec.h"
#include "base/json_writer.h"

namespace penstock::apps {
namespace {

constexpr size_t kSweepMax = 500;
constexpr std::string_view kStorage = "s", kCache = "c", kJobs = "j", kTaken = "k", kSizes = "z";

std::string big_endian(int64_t value) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
  return out;
}

int64_t from_big_endian(std::string_view text) {
  uint64_t out = 0;
  for (const char c : text.substr(0, 8)) out = (out << 8) | static_cast<unsigned char>(c);
  return static_cast<int64_t>(out);
}

std::string storage_prefix(const StateOwner& owner) {
  return std::string(kStorage) + big_endian(owner.config);
}
std::string cache_prefix(const StateOwner& owner) {
  return std::string(kCache) + big_endian(owner.plugin) + big_endian(owner.project);
}

std::string text_field(const event::JsonFields& fields, std::string_view name) {
  const auto raw = fields.find(name);
  if (!raw) return {};
  if (event::json_type(*raw) == event::JsonType::kString) return event::decode_string(*raw);
  return std::string(*raw);
}

std::optional<double> number_field(const event::JsonFields& fields, std::string_view name) {
  const auto raw = fields.find(name);
  if (!raw || event::json_type(*raw) != event::JsonType::kNumber) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string quoted(std::string_view text) {
  std::string out;
  event::append_json_string(out, text);
  return out;
}

double number_of(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return std::isfinite(value) ? value : 0;
}

std::unexpected<Error> illegal(const std::string& what) {
  return fail(Code::kInvalid, "IllegalOperationError: " + what);
}

std::vector<std::string> elements_of(std::string_view text) {
  std::vector<std::string> out;
  ByteReader r(text);
  while (r.ok() && !r.at_end()) out.emplace_back(r.bytes());
  return out;
}

std::string text_of_elements(const std::vector<std::string>& elements) {
  std::string out;
  ByteWriter w(out);
  for (const std::string& element : elements) w.bytes(element);
  return out;
}

std::string json_of(const std::vector<std::string>& elements) {
  JsonWriter w;
  w.begin_array();
  for (const std::string& element : elements) w.string(element);
  return w.end_array().take();
}

}  // namespace

bool AppState::handles(std::string_view op) {
  return op.starts_with("storage.") || op.starts_with("cache.") || op.starts_with("cursor.") ||
         op == "job";
}

Result<AppState::Entry> AppState::read(const std::string& key, int64_t now_ms, bool& there) const {
  PENSTOCK_TRY(const auto found, kv_.get(key));
  Entry entry;
  there = found.has_value();
  if (!there) return entry;
  ByteReader r(*found);
  entry.expires_ms = r.i64();
  entry.list = r.u8() != 0;
  entry.text = r.rest();
  if (entry.expires_ms != 0 && entry.expires_ms <= now_ms) {
    there = false;
    return Entry{};
  }
  return entry;
}

/// Writes or (without an entry) deletes, and keeps count of the owner's bytes.
Status AppState::write(const std::string& prefix, const std::string& key, const Entry* entry) {
  const std::string size_key = std::string(kSizes) + prefix;
  PENSTOCK_TRY(const auto before, kv_.get(key));
  PENSTOCK_TRY(const auto counted, kv_.get(size_key));
  int64_t bytes = counted ? from_big_endian(*counted) : 0;
  if (before) bytes -= static_cast<int64_t>(key.size() + before->size());
  kv::WriteBatch batch;
  if (entry != nullptr) {
    if (entry->text.size() > kValueBytesMax) {
      return illegal("a value is larger than " + std::to_string(kValueBytesMax) + " bytes");
    }
    std::string value;
    ByteWriter w(value);
    w.i64(entry->expires_ms);
    w.u8(entry->list ? 1 : 0);
    value += entry->text;
    bytes += static_cast<int64_t>(key.size() + value.size());
    if (bytes > static_cast<int64_t>(kOwnerBytesMax)) {
      return illegal("the app keeps more than " + std::to_string(kOwnerBytesMax) + " bytes");
    }
    batch.put(key, value);
  } else if (before) {
    batch.erase(key);
  }
  batch.put(size_key, big_endian(bytes));
  dirty_ = true;
  return kv_.write(batch);
}

Result<std::string> AppState::call(const StateOwner& owner, std::string_view op,
                                   std::string_view arguments, int64_t now_ms) {
  PENSTOCK_TRY(const Fields fields, Fields::parse(arguments));
  if (op == "job") return job(owner, fields);
  const std::string key = text_field(fields, "key");
  if (key.size() > kKeyBytesMax) {
    return illegal("a key is longer than " + std::to_string(kKeyBytesMax) + " bytes");
  }
  return op.starts_with("cache.") ? cache(owner, op, fields, key, now_ms)
                                  : storage(owner, op, fields, key, now_ms);
}

Result<std::string> AppState::storage(const StateOwner& owner, std::string_view op,
                                      const Fields& fields, std::string_view name, int64_t now_ms) {
  const std::string prefix = storage_prefix(owner);
  const std::string key = prefix + std::string(name);
  bool there = false;
  PENSTOCK_TRY(Entry entry, read(key, now_ms, there));
  if (op == "storage.get") return there ? quoted(entry.text) : "null";
  if (op == "storage.del") {
    PENSTOCK_CHECK(write(prefix, key, nullptr));
    return "null";
  }
  if (op == "storage.set") {
    entry = {};
    entry.text = text_field(fields, "value");
  } else if (op == "cursor.init") {
    if (there) return "null";
    entry.text = shortest(number_field(fields, "value").value_or(0));
  } else if (op == "cursor.increment") {
    const double by = number_field(fields, "by").value_or(1);
    // As storage keeps it: text, perhaps in quotes.
    std::string_view text = entry.text;
    if (text.starts_with('"')) text = text.substr(1);
    entry.text = shortest(there ? number_of(text) + by : by);
  } else {
    return fail(Code::kInvalid, "there is no " + std::string(op));
  }
  PENSTOCK_CHECK(write(prefix, key, &entry));
  return op == "cursor.increment" ? entry.text : "null";
}

Result<std::string> AppState::cache(const StateOwner& owner, std::string_view op,
                                    const Fields& fields, std::string_view name, int64_t now_ms) {
  const std::string prefix = cache_prefix(owner);
  const std::string key = prefix + std::string(name);
  bool there = false;
  PENSTOCK_TRY(Entry entry, read(key, now_ms, there));
  const auto wrong_kind = [] {
    return illegal("Operation against a key holding the wrong kind of value");
  };
  if (op == "cache.get") {
    if (!there) return "null";
    if (entry.list) return wrong_kind();
    return quoted(entry.text);
  }
  if (op == "cache.expire") {
    if (!there) return "false";
    const double ttl = number_field(fields, "ttl").value_or(0);
    entry.expires_ms = now_ms + static_cast<int64_t>(std::clamp(ttl, 0.0, 1e9) * 1000);
    PENSTOCK_CHECK(write(prefix, key, ttl <= 0 ? nullptr : &entry));
    return "true";
  }
  if (op == "cache.set") {
    Entry fresh;
    fresh.text = text_field(fields, "value");
    const double ttl = number_field(fields, "ttl").value_or(0);
    if (ttl > 0) fresh.expires_ms = now_ms + static_cast<int64_t>(std::min(ttl, 1e9) * 1000);
    PENSTOCK_CHECK(write(prefix, key, &fresh));
    return "null";
  }
  if (op == "cache.incr") {
    if (entry.list) return wrong_kind();
    entry.text = shortest(number_of(entry.text) + 1);
    PENSTOCK_CHECK(write(prefix, key, &entry));
    return entry.text;
  }
  if (there && !entry.list) return wrong_kind();
  entry.list = true;
  return list(prefix, key, op, fields, std::move(entry));
}

/// Redis' lists, as far as apps have them.
Result<std::string> AppState::list(const std::string& prefix, const std::string& key,
                                   std::string_view op, const Fields& fields, Entry entry) {
  std::vector<std::string> elements = elements_of(entry.text);
  const auto size = static_cast<int64_t>(elements.size());
  const auto whole = [&](std::string_view name) {
    return static_cast<int64_t>(std::clamp(number_field(fields, name).value_or(0), -9e15, 9e15));
  };
  std::string answer;
  if (op == "cache.llen") return std::to_string(size);
  if (op == "cache.lrange") {
    int64_t from = whole("start"), to = whole("end");
    if (from < 0) from = std::max<int64_t>(from + size, 0);
    if (to < 0) to += size;
    to = std::min(to, size - 1);
    if (from > to) return "[]";
    return json_of({elements.begin() + from, elements.begin() + to + 1});
  }
  if (op == "cache.lpush") {
    PENSTOCK_TRY(const auto items, event::split_array(fields.find("items").value_or("[]")));
    for (const std::string_view item : items) {
      elements.insert(elements.begin(), event::decode_string(item));
    }
    answer = std::to_string(elements.size());
  } else if (op == "cache.lpop") {
    const int64_t count = std::clamp<int64_t>(whole("count"), 0, size);
    answer = json_of({elements.begin(), elements.begin() + count});
    elements.erase(elements.begin(), elements.begin() + count);
  } else if (op == "cache.lrem") {
    const std::string wanted = text_field(fields, "element");
    const int64_t count = whole("count");
    const auto most = count == 0 ? size : std::abs(count);
    int64_t removed = 0;
    if (count < 0) std::ranges::reverse(elements);
    std::erase_if(elements, [&](const std::string& element) {
      return element == wanted && removed < most && ++removed > 0;
    });
    if (count < 0) std::ranges::reverse(elements);
    answer = std::to_string(removed);
  } else {
    return fail(Code::kInvalid, "there is no " + std::string(op));
  }
  entry.text = text_of_elements(elements);
  PENSTOCK_CHECK(write(prefix, key, elements.empty() ? nullptr : &entry));
  return answer;
}

Result<std::string> AppState::job(const StateOwner& owner, const Fields& fields) {
  const auto at = number_field(fields, "at");
  if (!at) return fail(Code::kInvalid, "a job needs a time");
  JsonWriter w;
  w.begin_object().field("name", text_field(fields, "name"));
  w.key("payload").raw(fields.find("payload").value_or("null")).end_object();
  Job made{owner.config, static_cast<int64_t>(*at), w.take()};
  if (made.body.size() > kValueBytesMax) return illegal("a job's payload is too large");
  PENSTOCK_CHECK(count_jobs());
  const auto counted = jobs_->find(owner.config);
  const size_t own = counted == jobs_->end() ? 0 : counted->second;
  const size_t free = jobs_max_ - std::min(jobs_max_, jobs_waiting_);
  if (own >= free) {
    metrics::jobs_refused.add();
    return fail(Code::kBusy, "Too many jobs are waiting: " + std::to_string(own) +
                                 " of this app and " + std::to_string(jobs_waiting_) + " of " +
                                 std::to_string(jobs_max_) + " of all; this one was not enqueued");
  }
  PENSTOCK_CHECK(put(made));
  return "null";
}

Status AppState::count_jobs() {
  if (jobs_) return {};
  std::unordered_map<ConfigId, size_t> counts;
  size_t all = 0;
  PENSTOCK_CHECK(
      kv_.scan(kJobs, kv::prefix_end(kJobs), [&](std::string_view, std::string_view value) {
        counts[ByteReader(value).i64()]++;
        all++;
        return true;
      }));
  jobs_ = std::move(counts);
  jobs_waiting_ = all;
  return {};
}

Status AppState::put(const Job& job) {
  PENSTOCK_CHECK(count_jobs());
  std::string value;
  ByteWriter w(value);
  w.i64(job.config);
  w.bytes(job.body);
  kv::WriteBatch batch;
  // The number only tells jobs of one moment apart; a restart begins it anew, so look.
  std::string key;
  for (;;) {
    key = std::string(kJobs) + big_endian(std::max<int64_t>(job.run_at_ms, 0)) +
          big_endian(static_cast<int64_t>(job_number_++));
    PENSTOCK_TRY(const auto taken, kv_.get(key));
    if (!taken) break;
  }
  batch.put(key, value);
  dirty_ = true;
  PENSTOCK_CHECK(kv_.write(batch));
  (*jobs_)[job.config]++;
  jobs_waiting_++;
  return {};
}

Result<std::vector<Job>> AppState::take_due(int64_t now_ms, size_t count) {
  PENSTOCK_CHECK(count_jobs());
  std::vector<Job> due;
  kv::WriteBatch batch;
  const std::string end = std::string(kJobs) + big_endian(now_ms + 1);
  PENSTOCK_CHECK(kv_.scan(kJobs, end, [&](std::string_view key, std::string_view value) {
    ByteReader r(value);
    Job job;
    job.run_at_ms = from_big_endian(key.substr(kJobs.size()));
    job.config = r.i64();
    job.body = r.bytes();
    batch.erase(key);
    if (r.ok()) {
      job.taken_as = std::string(kTaken) + std::string(key.substr(kJobs.size()));
      batch.put(job.taken_as, value);
      due.push_back(std::move(job));
    }
    return due.size() < count;
  }));
  if (batch.empty()) return due;
  dirty_ = true;
  PENSTOCK_CHECK(kv_.write(batch));
  for (const Job& job : due) {
    const auto counted = jobs_->find(job.config);
    if (counted == jobs_->end()) continue;
    jobs_waiting_--;
    if (--counted->second == 0) jobs_->erase(counted);
  }
  return due;
}

Status AppState::ran(const Job& job) {
  if (job.taken_as.empty()) return {};
  kv::WriteBatch batch;
  batch.erase(job.taken_as);
  dirty_ = true;
  return kv_.write(batch);
}

Status AppState::take_back() {
  kv::WriteBatch batch;
  PENSTOCK_CHECK(
      kv_.scan(kTaken, kv::prefix_end(kTaken), [&](std::string_view key, std::string_view value) {
        batch.erase(key);
        batch.put(std::string(kJobs) + std::string(key.substr(1)), value);
        return true;
      }));
  if (batch.empty()) return {};
  jobs_.reset();  // counted anew
  jobs_waiting_ = 0;
  dirty_ = true;
  return kv_.write(batch);
}

Result<bool> AppState::sweep(int64_t now_ms) {
  const std::string end = kv::prefix_end(kCache);
  std::vector<std::string> gone;
  size_t seen = 0;
  std::string last;
  PENSTOCK_CHECK(kv_.scan(swept_.empty() ? std::string(kCache) : swept_, end,
                          [&](std::string_view key, std::string_view value) {
                            const int64_t expires = ByteReader(value).i64();
                            if (expires != 0 && expires <= now_ms) gone.emplace_back(key);
                            last = key;
                            return ++seen < kSweepMax;
                          }));
  constexpr size_t kPrefix = 1 + 8 + 8;
  for (const std::string& key : gone) {
    PENSTOCK_CHECK(write(key.substr(0, kPrefix), key, nullptr));
  }
  const bool more = seen == kSweepMax;
  swept_ = more ? last + '\0' : std::string();
  return more;
}

}  // namespace penstock::apps
