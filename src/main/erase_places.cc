#include "main/erase_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <unordered_set>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/raw_record.h"
#include "event/timestamp.h"

namespace penstock::cli {
namespace {

using Done = ingest::ErasePlace::Done;

constexpr size_t kIdsPerQuery = 500;
constexpr auto kObjectPatience = std::chrono::seconds(60);
constexpr size_t kQuarantinePage = 500;

std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    if (c == '\0') {
      out += "\\0";
    } else {
      out.push_back(c);
    }
  }
  return out + "'";
}

/// Byte ranges of one object, first and last inclusive.
using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

/// Reads `object:<key>?range=bytes=<first>-<last>`.
bool read_url(std::string_view url, std::map<std::string, Ranges>& into) {
  constexpr std::string_view kScheme = "object:", kRange = "?range=bytes=";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const size_t at = url.find(kRange);
  if (at == std::string_view::npos) return false;
  const std::string_view range = url.substr(at + kRange.size());
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos) return false;
  uint64_t first = 0, last = 0;
  const auto number = [](std::string_view text, uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  };
  if (!number(range.substr(0, dash), first) || !number(range.substr(dash + 1), last)) return false;
  into[std::string(url.substr(0, at))].emplace_back(first, last);
  return true;
}

/// Overwrites blocks in place: other sessions' blocks keep theirs.
Result<std::string> blank(objects::ObjectStore& objects,
                          const std::map<std::string, Ranges>& blocks) {
  uint64_t cleared = 0, gone = 0, bytes = 0;
  for (const auto& [key, ranges] : blocks) {
    auto object = objects.get(key, {}, kObjectPatience);
    if (!object && object.error().code == Code::kNotFound) {
      gone++;
      continue;
    }
    if (!object) return std::unexpected(object.error());
    for (const auto& [first, last] : ranges) {
      const uint64_t end = std::min<uint64_t>(last + 1, object->size());
      if (first >= end) continue;
      std::fill(object->begin() + static_cast<std::ptrdiff_t>(first),
                object->begin() + static_cast<std::ptrdiff_t>(end), '\0');
      bytes += end - first;
    }
    PENSTOCK_CHECK(objects.put(key, *object, kObjectPatience));
    cleared++;
  }
  JsonWriter w;
  w.begin_object().field("objects", cleared).field("bytes", bytes);
  return w.field("objects_gone", gone).end_object().take();
}

/// Finds the blocks of a person's recordings, some ids at a time, then clears them.
class Recordings : public std::enable_shared_from_this<Recordings> {
 public:
  Recordings(EraseParts parts, ingest::ErasedPerson person, Done done)
      : parts_(parts), person_(std::move(person)), done_(std::move(done)) {}

  void next() {
    if (at_ >= person_.distinct_ids.size()) return clear();
    std::string list;
    const size_t end = std::min(at_ + kIdsPerQuery, person_.distinct_ids.size());
    for (size_t i = at_; i < end; i++) {
      list += (i == at_ ? "" : ",") + sql_text(person_.distinct_ids[i]);
    }
    store::Query query{
        fmt::format("d{:016x}", parts_.runtime.random().next()),
        "SELECT DISTINCT block_url FROM session_replay_blocks WHERE distinct_id IN (" + list + ")",
        person_.project,
        store::QueryFormat::kJsonCompact,
        {}};
    query.limits.result_rows_max = 1'000'000;
    at_ = end;
    parts_.store.query(
        std::move(query), [self = shared_from_this()](Result<store::QueryResult> result) {
          if (!result) return self->done_(std::unexpected(result.error()));
          const auto fields = event::JsonFields::parse(result->body);
          const auto rows = event::split_array(fields ? fields->find("data").value_or("[]") : "[]");
          for (const std::string_view row : *rows) {
            const auto cells = event::split_array(row);
            if (cells && cells->size() == 1)
              read_url(event::decode_string(cells->front()), self->blocks_);
          }
          self->next();
        });
  }

 private:
  void clear() {
    auto self = shared_from_this();
    const Status submitted = parts_.runtime.pool().submit(
        [self] { self->result_ = blank(self->parts_.objects, self->blocks_); }, parts_.loop,
        [self] { self->done_(std::move(self->result_)); });
    if (!submitted) done_(std::unexpected(submitted.error()));
  }

  EraseParts parts_;
  ingest::ErasedPerson person_;
  Done done_;
  size_t at_ = 0;
  std::map<std::string, Ranges> blocks_;
  Result<std::string> result_ = "{}";
};

Result<std::string> clear_quarantine(ledger::Ledger& ledger, const ingest::ErasedPerson& person) {
  const std::unordered_set<std::string_view> ids(person.distinct_ids.begin(),
                                                 person.distinct_ids.end());
  uint64_t taken = 0;
  std::string after;
  while (true) {
    PENSTOCK_TRY(const auto entries, ledger.quarantined("", after, kQuarantinePage));
    if (entries.empty()) break;
    std::vector<std::string> mine;
    for (const ledger::QuarantineEntry& e : entries) {
      after = e.id;
      const auto raw = event::decode_raw(e.raw);
      if (e.project == person.project && raw && raw->now_ms <= person.time_ms &&
          ids.contains(raw->distinct_id)) {
        mine.push_back(e.id);
      }
    }
    taken += mine.size();
    if (!mine.empty()) PENSTOCK_CHECK(ledger.take_quarantined(mine));
  }
  JsonWriter w;
  return w.begin_object().field("entries", taken).end_object().take();
}

/// Reads the whole index, so that it is the pool's work.
void clear_index(const EraseParts& parts, const ingest::ErasedPerson& person, Done done) {
  struct Job {
    ingest::ErasedPerson person;
    Done done;
    Result<std::string> result = "{}";
  };
  auto job = std::make_shared<Job>(Job{person, std::move(done), "{}"});
  const Status submitted = parts.runtime.pool().submit(
      [job, &ledger = parts.ledger] {
        const auto n =
            ledger.forget_ids(job->person.project, job->person.distinct_ids, job->person.time_ms);
        if (!n) {
          job->result = std::unexpected(n.error());
        } else {
          JsonWriter w;
          job->result = w.begin_object().field("entries", *n).end_object().take();
        }
      },
      parts.loop, [job] { job->done(std::move(job->result)); });
  if (!submitted) job->done(std::unexpected(submitted.error()));
}

/// Tables of the event store, person by person: the ids go with the first.
class Rows : public std::enable_shared_from_this<Rows> {
 public:
  Rows(store::EventStore& store, ingest::ErasedPerson person, Done done)
      : store_(store), person_(std::move(person)), done_(std::move(done)) {}

  void next() {
    if (at_ == person_.persons.size()) {
      JsonWriter w;
      w.begin_object().key("tables").begin_object();
      for (const auto& [table, rows] : rows_) w.field(table, rows);
      return done_(w.end_object().end_object().take());
    }
    store::EraseRequest request;
    request.id = fmt::format("{}-{}", person_.persons[at_].text(), person_.time_ms);
    request.project = person_.project;
    request.person_id = person_.persons[at_];
    if (at_ == 0) request.distinct_ids = person_.distinct_ids;
    at_++;
    store_.erase_person(
        std::move(request), [](const store::ErasedTable&) {},
        [self = shared_from_this()](Result<std::vector<store::ErasedTable>> got) {
          if (!got) return self->done_(std::unexpected(got.error()));
          for (const store::ErasedTable& t : *got) self->rows_[t.table] += t.rows;
          self->next();
        });
  }

 private:
  store::EventStore& store_;
  ingest::ErasedPerson person_;
  Done done_;
  size_t at_ = 0;
  std::map<std::string, uint64_t> rows_;
};

}  // namespace

ingest::PersonCommandOptions person_commands(EraseParts parts) {
  ingest::PersonCommandOptions options;
  options.wait_for_load = parts.loads || parts.loads_elsewhere;
  options.load_is_elsewhere = !parts.loads;
  std::vector<ingest::ErasePlace>& out = options.places;
  out.push_back({"recordings", [parts](const ingest::ErasedPerson& person, Done done) {
                   std::make_shared<Recordings>(parts, person, std::move(done))->next();
                 }});
  out.push_back({"rows", [parts](const ingest::ErasedPerson& person, Done done) {
                   std::make_shared<Rows>(parts.store, person, std::move(done))->next();
                 }});
  out.push_back({"quarantine", [parts](const ingest::ErasedPerson& person, Done done) {
                   done(clear_quarantine(parts.ledger, person));
                 }});
  out.push_back({"event index", [parts](const ingest::ErasedPerson& person, Done done) {
                   clear_index(parts, person, std::move(done));
                 }});
  out.push_back({"log", [parts](const ingest::ErasedPerson& person, Done done) {
                   JsonWriter w;
                   w.begin_object();
                   w.key("kept_until");
                   if (parts.log_retention_ms > 0) {
                     w.string(event::format_rfc3339_ms(person.time_ms + parts.log_retention_ms));
                   } else {
                     w.null();
                   }
                   w.field("note",
                           "the log keeps its bytes until retention deletes them, earlier "
                           "where its size makes it");
                   done(w.end_object().take());
                 }});
  return options;
}

std::vector<admin::PersonCommandStatus> open_person_commands(const ingest::Ingest& ingest) {
  std::vector<admin::PersonCommandStatus> out;
  for (ingest::CommandStatus& s : ingest.commands()) {
    out.push_back({s.id, s.project, std::move(s.kind), std::move(s.who), s.time_ms, s.running,
                   std::move(s.step), s.done, s.total, std::move(s.last_error)});
  }
  return out;
}

}  // namespace penstock::cli
