#include "main/scrub/data_scrub.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <sstream>

#include "base/diag.h"
#include "base/metrics.h"

namespace penstock::cli::scrub {
namespace {

Counter bytes_total{"penstock_scrub_bytes_total",
                    "Bytes of state, objects and the store's parts whose checksums were compared."};
Counter passes_total{"penstock_scrub_passes_total",
                     "Passes over state, objects and the store's parts ended."};
Gauge state_gauge{"penstock_scrub_damaged_state_files",
                  "Damaged files of the state engines; above 0: runbook log_damage_found."};
Gauge objects_gauge{"penstock_scrub_damaged_objects",
                    "Damaged objects (recordings); above 0: runbook log_damage_found."};
Gauge store_gauge{"penstock_scrub_damaged_store_parts",
                  "Damaged parts of the embedded store; above 0: runbook log_damage_found."};
Gauge last_pass_gauge{"penstock_scrub_last_pass_ended_seconds",
                      "When the last full pass ended, in seconds since 1970; 0: none yet."};

constexpr std::string_view kVersion = "data-scrub-1";
constexpr size_t kStateBytesMax = 1U << 20;
constexpr size_t kDamageMax = 1000, kToldMax = 10, kProblemBytesMax = 500;
constexpr int64_t kLookMs = 1000, kKeepNs = 10'000'000'000;
constexpr int kFailuresMax = 5;

/// One word of the kept file.
std::string line_of(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
  if (text.size() > kProblemBytesMax) text.resize(kProblemBytesMax);
  return text;
}

}  // namespace

DataScrub::DataScrub(runtime::Loop& loop, runtime::Runtime& runtime,
                     std::vector<std::unique_ptr<Place>> places, DataScrubOptions options)
    : loop_(loop), runtime_(runtime), places_(std::move(places)), options_(std::move(options)) {}

std::unique_ptr<DataScrub> make_data_scrub(const Settings& settings, runtime::Loop& loop,
                                           runtime::Runtime& runtime, const std::string& data_dir,
                                           store::EventStore& store) {
  std::vector<std::unique_ptr<Place>> places;
  places.push_back(make_state_place(loop, runtime, data_dir + "/state"));
  if (settings.objects_engine == "embedded") {
    // Its own eyes: a job that reads may outlast the store that others write to.
    places.push_back(make_objects_place(
        loop, runtime, objects::make_directory_objects(runtime, data_dir + "/objects")));
  }
  if (auto parts = make_store_place(store); parts && settings.store_engine != "clickhouse") {
    places.push_back(std::move(parts));
  }
  DataScrubOptions options = settings.data_scrub;
  options.state_path = data_dir + "/state/data_scrub";
  return std::make_unique<DataScrub>(loop, runtime, std::move(places), options);
}

void DataScrub::start() {
  if (options_.bytes_per_second == 0) return;
  read_kept();
  tell();
  running_ ? next() : look();
}

admin::DataScrubStatus DataScrub::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void DataScrub::after(int64_t us, void (DataScrub::*step)()) {
  loop_.after(std::chrono::microseconds(us), [this, alive = alive_, step] {
    if (*alive) (this->*step)();
  });
}

void DataScrub::look() {
  const int64_t now = runtime_.clock().wall_ms();
  const bool due = began_ms_ == 0 || now < began_ms_ || now - began_ms_ >= options_.every_ms;
  if (!due) return after(kLookMs * 1000, &DataScrub::look);
  running_ = true;
  began_ms_ = now;
  place_ = 0;
  after_.clear();
  items_.clear();
  pass_bytes_ = pass_items_ = 0;
  for (auto& [where, d] : damage_) d.seen = false;
  next();
}

void DataScrub::next() {
  tell();
  if (place_ >= places_.size()) return pass_ended();
  Place& place = *places_[place_];
  if (items_.empty()) {
    return place.list(after_, [this, alive = alive_](Result<std::vector<Item>> items) {
      if (*alive) listed(std::move(items));
    });
  }
  place.check(items_.front(),
              [this, alive = alive_, item = items_.front()](Result<std::string> problem) {
                if (*alive) checked(item, std::move(problem));
              });
}

void DataScrub::listed(Result<std::vector<Item>> items) {
  if (!items) return failed(items.error(), true);
  failures_ = 0;
  if (items->empty()) return next_place();
  items_.assign(std::make_move_iterator(items->begin()), std::make_move_iterator(items->end()));
  after(0, &DataScrub::next);
}

void DataScrub::next_place() {
  place_++;
  after_.clear();
  items_.clear();
  failures_ = 0;
  doubted_ = false;
  keep(true);
  after(0, &DataScrub::next);
}

/// A store that starts again, an object store that is away. In vain: the next pass tries again.
void DataScrub::failed(const Error& error, bool listing) {
  if (last_error_ != error.message) {
    diag::warn("the check of stored data waits", {{"error", error.message}});
  }
  last_error_ = error.message;
  tell();
  if (++failures_ <= kFailuresMax) return after(options_.again_ms * 1000, &DataScrub::next);
  failures_ = 0;
  for (auto& [where, d] : damage_) {
    const bool of_place = where.first == places_[place_]->name();
    if (of_place && (listing || where.second == items_.front().name)) d.seen = true;
  }
  if (listing) return next_place();
  after_ = items_.front().name;
  items_.pop_front();
  after(options_.again_ms * 1000, &DataScrub::next);
}

void DataScrub::checked(const Item& item, Result<std::string> problem) {
  const Where where{std::string(places_[place_]->name()), item.name};
  const bool gone = !problem && problem.error().code == Code::kNotFound;
  if (!problem && !gone) return failed(problem.error(), false);
  failures_ = 0;
  last_error_.clear();
  if (problem && !problem->empty() && !doubted_) {
    doubted_ = true;
    return after(options_.again_ms * 1000, &DataScrub::next);
  }
  doubted_ = false;
  if (problem && !problem->empty()) {
    found(item, *problem);
  } else {
    damage_.erase(where);
  }
  const uint64_t bytes = gone ? 0 : item.bytes;
  bytes_total.add(bytes);
  checked_ += bytes;
  pass_bytes_ += bytes;
  pass_items_ += gone ? 0 : 1;
  after_ = item.name;
  items_.pop_front();
  keep(false);
  after(static_cast<int64_t>(bytes * 1'000'000 / options_.bytes_per_second), &DataScrub::next);
}

void DataScrub::found(const Item& item, const std::string& problem) {
  const Where where{std::string(places_[place_]->name()), item.name};
  if (!damage_.contains(where)) {
    diag::error("stored data is damaged",
                {{"place", where.first}, {"item", where.second}, {"problem", problem}});
    if (damage_.size() >= kDamageMax) return;
  }
  Damage& d = damage_[where];
  if (d.found_ms == 0) d.found_ms = runtime_.clock().wall_ms();
  d.problem = line_of(problem);
  d.seen = true;
}

void DataScrub::pass_ended() {
  // What was not met is not there any more.
  std::erase_if(damage_, [](const auto& entry) { return !entry.second.seen; });
  running_ = false;
  ended_ms_ = runtime_.clock().wall_ms();
  last_bytes_ = pass_bytes_;
  last_items_ = pass_items_;
  passes_total.add();
  tell();
  keep(true);
  after(kLookMs * 1000, &DataScrub::look);
}

/// At most now and then: without it a restart only reads again what was read before.
void DataScrub::keep(bool now) {
  const int64_t ns = runtime_.clock().mono_ns();
  if (!now && ns - kept_ns_ < kKeepNs) return;
  kept_ns_ = ns;
  std::string text = fmt::format("{}\n{} {} {} {} {} {} {} {}\n{}\n", kVersion, running_ ? 1 : 0,
                                 began_ms_, ended_ms_, place_, pass_bytes_, pass_items_,
                                 last_bytes_, last_items_, line_of(after_));
  for (const auto& [where, d] : damage_) {
    text += fmt::format("{}\t{}\t{}\t{}\t{}\n", d.found_ms, d.seen ? 1 : 0, where.first,
                        line_of(where.second), d.problem);
  }
  (void)runtime_.pool().submit(
      [&files = runtime_.files(), path = options_.state_path, text = std::move(text)] {
        (void)runtime::write_file_atomic(files, path, text);
      },
      loop_, [] {});
}

void DataScrub::read_kept() {
  if (!runtime_.files().exists(options_.state_path)) return;
  const auto text = runtime::read_file(runtime_.files(), options_.state_path, kStateBytesMax);
  std::istringstream in(text ? *text : "");
  std::string version, numbers;
  const bool whole = std::getline(in, version) && version == kVersion &&
                     std::getline(in, numbers) && std::getline(in, after_);
  std::istringstream of(numbers);
  if (!whole || !(of >> running_ >> began_ms_ >> ended_ms_ >> place_ >> pass_bytes_ >>
                  pass_items_ >> last_bytes_ >> last_items_)) {
    running_ = false;
    began_ms_ = 0;
    return diag::warn("the last check of stored data is not known",
                      {{"file", options_.state_path}});
  }
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string found, seen, where, item, problem;
    std::getline(fields, found, '\t') && std::getline(fields, seen, '\t') &&
        std::getline(fields, where, '\t') && std::getline(fields, item, '\t') &&
        std::getline(fields, problem);
    if (!item.empty()) {
      damage_[{where, item}] = {problem, std::strtoll(found.c_str(), nullptr, 10), seen == "1"};
    }
  }
}

void DataScrub::tell() {
  const auto of = [this](std::string_view place) {
    return std::ranges::count_if(damage_, [&](const auto& d) { return d.first.first == place; });
  };
  state_gauge.set(of("state"));
  objects_gauge.set(of("objects"));
  store_gauge.set(of("store"));
  last_pass_gauge.set(ended_ms_ / 1000);
  const std::lock_guard lock(mutex_);
  status_.running = running_;
  status_.bytes_checked = checked_;
  status_.pass_began_ms = began_ms_;
  status_.last_ended_ms = ended_ms_;
  status_.last_bytes = last_bytes_;
  status_.last_items = last_items_;
  status_.damaged_items = damage_.size();
  status_.last_error = last_error_;
  status_.damage.clear();
  for (const auto& [where, d] : damage_) {
    if (status_.damage.size() >= kToldMax) break;
    status_.damage.push_back({where.first, where.second, d.problem, d.found_ms});
  }
}

}  // namespace penstock::cli::scrub
