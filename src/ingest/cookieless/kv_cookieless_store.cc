#include "ingest/cookieless/kv_cookieless_store.h"

#include <algorithm>

#include "base/codec.h"
#include "base/diag.h"
#include "event/lane.h"

namespace penstock::ingest {
namespace {

constexpr char kSalt = 's', kSession = 'v', kIdentifies = 'i', kPosition = 'p';
constexpr int64_t kHourMs = 3'600'000;
/// Without a change positions are not worth a flush more often; a restart reads on from them.
constexpr int64_t kIdleCommitMs = 60'000;
constexpr int64_t kForgetEveryMs = 600'000;
constexpr size_t kUuidBytes = 16;

/// Big-endian and biased: byte order is number order, so that a day is one range.
void put_be(std::string& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}
std::string day_key(char kind, int32_t day) {
  std::string out(1, kind);
  put_be(out, static_cast<uint32_t>(day) ^ 0x8000'0000U, 4);
  return out;
}
std::string visitor_key(char kind, const CookielessVisitor& v) {
  std::string out = day_key(kind, v.day);
  put_be(out, static_cast<uint64_t>(v.project.value) ^ (1ULL << 63), 8);
  out.append(reinterpret_cast<const char*>(v.hash.bytes.data()), kUuidBytes);
  return out;
}
uint32_t be32(std::string_view in) {
  uint32_t v = 0;
  for (size_t i = 0; i < 4; i++) v = v << 8 | static_cast<uint8_t>(in[i]);
  return v;
}

std::optional<CookielessSession> decode_session(std::string_view bytes) {
  ByteReader r(bytes);
  CookielessSession s;
  s.id = r.uuid();
  s.last_activity_ms = r.zigzag();
  s.version = r.varint();
  return r.ok() && r.at_end() ? std::optional(s) : std::nullopt;
}

std::unexpected<Error> unreadable() {
  return fail(Code::kCorrupt, "the state of a cookieless visitor cannot be read");
}

}  // namespace

bool cookieless_day_is_open(int32_t day, int64_t now_ms) {
  const int64_t start = int64_t{day} * 24 * kHourMs;
  return now_ms >= start - 12 * kHourMs && !cookieless_day_is_over(day, now_ms);
}

bool cookieless_day_is_over(int32_t day, int64_t now_ms) {
  return now_ms >= (int64_t{day} * 24 + 86) * kHourMs;
}

std::unique_ptr<CookielessStore> make_cookieless_store(
    std::unique_ptr<kv::KeyValue> kv, runtime::Runtime& runtime,
    std::unique_ptr<catalog::SharedSalts> salts) {
  return std::make_unique<KvCookielessStore>(std::move(kv), runtime, std::move(salts));
}

Result<SipBytes> KvCookielessStore::salt(int32_t day) {
  const std::lock_guard lock(mutex_);
  if (const auto it = salts_.find(day); it != salts_.end()) return it->second;
  const std::string key = day_key(kSalt, day);
  PENSTOCK_TRY(const auto found, kv_->get(key));
  SipBytes salt;
  if (found) {
    if (found->size() != salt.size()) return unreadable();
    std::copy_n(found->begin(), salt.size(), salt.begin());
  } else {
    runtime_.random().fill(salt);
  }
  const SipBytes own = salt;
  // Once a day and life; what is kept here meanwhile is what it answered.
  if (shared_ != nullptr) {
    PENSTOCK_TRY(const Uuid all, shared_->take(day, Uuid{salt}));
    salt = all.bytes;
  }
  if (!found || salt != own) {
    kv::WriteBatch batch;
    batch.put(key, {reinterpret_cast<const char*>(salt.data()), salt.size()});
    salts_durable_ = false;
    PENSTOCK_CHECK(kv_->write(batch));
  }
  // A few times a day: an id under a salt that a crash forgets could never be made again. One that
  // is found may be what an attempt or a life wrote that came no further.
  if (!salts_durable_) PENSTOCK_CHECK(kv_->flush());
  salts_durable_ = true;
  salts_.emplace(day, salt);
  return salt;
}

Result<std::optional<CookielessSession>> KvCookielessStore::session(
    const CookielessVisitor& visitor) const {
  PENSTOCK_TRY(const auto found, kv_->get(visitor_key(kSession, visitor)));
  if (!found) return std::nullopt;
  const auto session = decode_session(*found);
  if (!session) return unreadable();
  return session;
}

Result<std::vector<Uuid>> KvCookielessStore::identifies(const CookielessVisitor& visitor) const {
  PENSTOCK_TRY(const auto found, kv_->get(visitor_key(kIdentifies, visitor)));
  std::vector<Uuid> out;
  if (!found) return out;
  if (found->size() % kUuidBytes != 0) return unreadable();
  ByteReader r(*found);
  for (size_t n = found->size() / kUuidBytes; n > 0; n--) out.push_back(r.uuid());
  return out;
}

Status KvCookielessStore::add(kv::WriteBatch& batch, std::map<std::string, std::string>& fresh,
                              const event::CookielessChange& change) const {
  const CookielessVisitor visitor{change.project, change.day, change.visitor};
  std::string key = visitor_key(change.is_identify ? kIdentifies : kSession, visitor);
  std::string value;
  if (const auto it = fresh.find(key); it != fresh.end()) {
    value = it->second;
  } else {
    PENSTOCK_TRY(auto found, kv_->get(key));
    if (found) value = std::move(*found);
  }
  const std::string_view id(reinterpret_cast<const char*>(change.id.bytes.data()), kUuidBytes);
  if (change.is_identify) {
    for (size_t at = 0; at < value.size(); at += kUuidBytes) {
      if (std::string_view(value).substr(at, kUuidBytes) == id) return {};
    }
    value += id;
    if (value.size() > kUuidBytes * kCookielessIdentifiesMax) value.erase(0, kUuidBytes);
  } else {
    const auto before = decode_session(value);
    if (before && before->version >= change.version) return {};
    value.clear();
    ByteWriter w(value);
    w.uuid(change.id);
    w.zigzag(change.last_activity_ms);
    w.varint(change.version);
  }
  batch.put(key, value);
  fresh.insert_or_assign(std::move(key), std::move(value));
  return {};
}

void KvCookielessStore::put_positions(kv::WriteBatch& batch) const {
  for (const auto& [partition, next] : applied_) {
    std::string key(1, kPosition), value;
    put_be(key, static_cast<uint32_t>(partition), 4);
    ByteWriter(value).zigzag(next);
    batch.put(key, value);
  }
}

Status KvCookielessStore::apply(const std::vector<event::CookielessChange>& changes,
                                const std::vector<log::Position>& applied) {
  const std::lock_guard lock(mutex_);
  kv::WriteBatch batch;
  std::map<std::string, std::string> fresh;
  const int64_t now_ms = runtime_.clock().wall_ms();
  for (const event::CookielessChange& change : changes) {
    if (cookieless_day_is_over(change.day, now_ms)) continue;
    PENSTOCK_CHECK(add(batch, fresh, change));
  }
  const auto before = applied_;
  for (const log::Position& p : applied) {
    int64_t& next = applied_[p.partition.value];
    next = std::max(next, p.next.value);
  }
  if (batch.empty()) return {};
  put_positions(batch);
  if (Status s = kv_->write(batch); !s) {
    applied_ = before;
    return s;
  }
  unflushed_ = true;
  return {};
}

Status KvCookielessStore::load() {
  const std::lock_guard lock(mutex_);
  if (loaded_) return {};
  bool bad = false;
  const std::string from(1, kPosition);
  Status s = kv_->scan(from, kv::prefix_end(from), [&](std::string_view key, std::string_view v) {
    ByteReader r(v);
    bad = key.size() != 5;
    if (!bad) applied_[static_cast<int32_t>(be32(key.substr(1)))] = r.zigzag();
    return !(bad = bad || !r.ok());
  });
  if (!s) return s;
  if (bad) return unreadable();
  loaded_ = true;
  return {};
}

void KvCookielessStore::recover(log::Log& log, runtime::Loop& home, Done done) {
  if (Status status = load(); !status) {
    home.post([done = std::move(done), status = std::move(status)]() mutable { done(status); });
    return;
  }
  // Where the log does not reach back any more, those days are over.
  log::replay(log, home, std::string(event::kTopicProcessed),
              {.name = "cookieless",
               .mutex = mutex_,
               .applied = applied_,
               .keep = [this] { return keep_positions(); },
               .apply = [this](const auto& records, const auto& next) -> Status {
                 std::vector<event::CookielessChange> changes;
                 for (const std::string_view bytes : records) {
                   PENSTOCK_TRY(const auto record, event::decode_processed(bytes));
                   const auto* c = std::get_if<event::CookielessChange>(&record);
                   if (c != nullptr) changes.push_back(*c);
                 }
                 return apply(changes, next);
               }},
              std::move(done));
}

Status KvCookielessStore::keep_positions() {
  kv::WriteBatch batch;
  put_positions(batch);
  PENSTOCK_CHECK(kv_->write(batch));
  return kv_->flush();
}

/// The mutex is held.
Status KvCookielessStore::forget_days() {
  const int64_t now_ms = runtime_.clock().wall_ms();
  if (now_ms - forgot_ms_ < kForgetEveryMs) return {};
  std::erase_if(salts_, [&](const auto& s) { return cookieless_day_is_over(s.first, now_ms); });
  std::vector<int32_t> over;
  const std::string from(1, kSalt);
  Status s = kv_->scan(from, kv::prefix_end(from), [&](std::string_view key, std::string_view) {
    const auto day = static_cast<int32_t>(be32(key.substr(1)) ^ 0x8000'0000U);
    if (!cookieless_day_is_over(day, now_ms)) return false;  // later days follow
    over.push_back(day);
    return true;
  });
  if (!s) return s;
  for (const int32_t day : over) {
    if (shared_ != nullptr && !shared_->forget(day)) continue;  // the next time
    for (const char kind : {kSession, kIdentifies}) {
      const std::string first = day_key(kind, day);
      PENSTOCK_CHECK(kv_->erase_range(first, kv::prefix_end(first)));
    }
    kv::WriteBatch batch;
    batch.erase(day_key(kSalt, day));
    PENSTOCK_CHECK(kv_->write(batch));
    unflushed_ = true;
  }
  if (!over.empty())
    diag::info("salts of cookieless visitors were deleted", {{"days", over.size()}});
  forgot_ms_ = now_ms;
  return {};
}

Status KvCookielessStore::checkpoint(log::Log& log) {
  std::vector<log::Position> durable;
  {
    const std::lock_guard lock(mutex_);
    if (!loaded_) return fail(Code::kUnavailable, "cookieless state has not recovered yet");
    PENSTOCK_CHECK(forget_days());
    const int64_t now_ms = runtime_.clock().wall_ms();
    if (!unflushed_ && now_ms - committed_ms_ < kIdleCommitMs) return {};
    kv::WriteBatch batch;
    put_positions(batch);
    if (!batch.empty()) PENSTOCK_CHECK(kv_->write(batch));
    for (const auto& [partition, next] : applied_) durable.push_back({{partition}, {next}});
    unflushed_ = false;
    committed_ms_ = now_ms;
  }
  if (Status s = kv_->flush(); !s) {
    const std::lock_guard lock(mutex_);
    unflushed_ = true;
    return s;
  }
  return log.commit(std::string(event::kGroupCookieless), std::string(event::kTopicProcessed),
                    std::move(durable));
}

}  // namespace penstock::ingest
