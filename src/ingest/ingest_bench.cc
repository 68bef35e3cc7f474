// What ingest costs per event: decide and apply, over the payloads of bench/.
//
//   ingest_bench FILE.raw [rocks DIR]      FILE.raw: u32 length and JSON text, repeated
//
// Prints microseconds of CPU per event for each part; wall clock of one thread, no log in between.
#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "event/raw_record.h"
#include "event/timestamp.h"
#include "ingest/cycle/decider.h"
#include "ingest/steps/text.h"
#include "kv/key_value.h"

namespace penstock::ingest {
namespace {

std::string text_of(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  if (!raw || event::json_type(*raw) != event::JsonType::kString) return {};
  return event::decode_string(*raw);
}

/// Every event of the payloads as capture would have written it.
std::vector<std::string> load(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  const std::string bytes = all.str();
  std::vector<std::string> out;
  for (size_t at = 0; at + 4 <= bytes.size();) {
    uint32_t n = 0;
    std::memcpy(&n, bytes.data() + at, 4);
    const std::string_view body = std::string_view(bytes).substr(at + 4, n);
    at += 4 + n;
    std::vector<std::string_view> events = split_array(body);
    if (events.empty()) {
      const auto top = event::JsonFields::parse(body);
      if (!top) continue;
      const auto batch = top->find("batch");
      events = batch ? split_array(*batch) : std::vector{body};
    }
    for (std::string_view data : events) {
      const auto fields = event::JsonFields::parse(data);
      if (!fields) continue;
      const std::string name = text_of(*fields, "event");
      std::string id = text_of(*fields, "distinct_id");
      if (id.empty()) {
        if (const auto properties = fields->find("properties")) {
          const auto inner = event::JsonFields::parse(*properties);
          if (inner) id = text_of(*inner, "distinct_id");
        }
      }
      event::RawRecord raw;
      raw.uuid = Uuid::parse(text_of(*fields, "uuid")).value_or(Uuid{});
      raw.project = {1};
      raw.now_ms = 1'785'585'600'500;
      raw.sent_at_ms = raw.now_ms;
      raw.timestamp_ms =
          event::parse_timestamp_ms(text_of(*fields, "timestamp")).value_or(raw.now_ms);
      raw.token = "phc_bench";
      raw.distinct_id = id;
      raw.event = name;
      raw.ip = "10.1.2.3";
      raw.data = data;
      out.emplace_back();
      event::encode(raw, out.back());
    }
  }
  return out;
}

double seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

std::unique_ptr<kv::KeyValue> open(const char* dir, const char* name) {
  if (dir == nullptr) return kv::make_memory_kv();
  auto opened = kv::open_rocks_kv(
      {.path = std::string(dir) + "/" + name, .large_values = std::string_view(name) == "persons"});
  return opened ? std::move(*opened) : nullptr;
}

int run(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::vector<std::string> records = load(argv[1]);
  const char* dir = argc >= 4 ? argv[3] : nullptr;
  const auto persons = persons::make_person_store(open(dir, "persons"));
  const auto ledger = ledger::make_ledger(open(dir, "ledger"), {});
  Decider decider(*persons, *ledger, {});
  catalog::Snapshot snapshot;
  catalog::Project project;
  project.id = {1};
  project.token = "phc_bench";
  snapshot.projects.push_back(project);
  snapshot.by_token.emplace(project.token, 0);

  double decide = 0, books = 0, people = 0;
  uint64_t events = 0, in_bytes = 0, out_bytes = 0, accepted = 0, changes = 0;
  int64_t raw_next = 0, next = 0;
  constexpr size_t kCycle = 2000;
  for (size_t at = 0; at < records.size(); at += kCycle) {
    InputSlice slice{{0}, {raw_next}, {}};
    for (size_t i = at; i < std::min(records.size(), at + kCycle); i++) {
      slice.records.push_back(records[i]);
      in_bytes += records[i].size();
    }
    raw_next += static_cast<int64_t>(slice.records.size());
    const double t0 = seconds();
    auto decided = decider.decide(event::Lane::kMain, {slice}, snapshot, 1'785'585'600'900);
    const double t1 = seconds();
    if (!decided) return 1;
    const Output& output = decided->outputs[0];
    const auto out = output.records();
    if (!ledger->apply_processed({0}, {next}, out)) return 1;
    next += static_cast<int64_t>(out.size());
    const double t3 = seconds();
    persons::PersonUpdates updates;
    for (size_t i = output.persons_from; i < out.size(); i++) {
      const auto record = event::decode_processed(out[i]);
      updates.take(*record);
    }
    updates.current = true;
    if (!persons->apply(updates, {{{0}, {next}}})) return 1;
    const double t4 = seconds();
    decide += t1 - t0;
    books += t3 - t1;
    people += t4 - t3;
    events += decided->events;
    accepted += decided->accepted;
    out_bytes += output.text->size();
    changes += updates.persons.size();
  }
  const double n = static_cast<double>(events) / 1e6;
  fmt::print("{} events ({} accepted, {} person changes), {} B in, {} B out per event\n", events,
             accepted, changes, in_bytes / events, out_bytes / events);
  fmt::print(
      "us per event: decide {:.2f}  ledger {:.2f}  persons {:.2f}  "
      "sum {:.2f}\n",
      decide / n, books / n, people / n, (decide + books + people) / n);
  return 0;
}

}  // namespace
}  // namespace penstock::ingest

int main(int argc, char** argv) { return penstock::ingest::run(argc, argv); }
