#include "main/move/log_move.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "definitions/definitions.h"
#include "deliver/deliver.h"
#include "event/lane.h"
#include "main/log_engine.h"
#include "main/on_loop.h"
#include "main/topics.h"
#include "publish/publish.h"

namespace penstock::cli::move {
namespace {

std::vector<std::string> all_groups() {
  std::vector<std::string> out;
  for (const std::string_view group :
       {event::kGroupIngest, event::kGroupReplay, event::kGroupLedger, event::kGroupPersons,
        event::kGroupCookieless, event::kGroupLoad, definitions::kConsumerGroup,
        deliver::kConsumerGroup, publish::kConsumerGroup}) {
    out.emplace_back(group);
  }
  return out;
}

std::vector<uint64_t> all_producers() {
  std::vector<uint64_t> out{event::kRefusalCountsProducer, event::kPersonCommandsProducer};
  for (const event::Lane lane : event::kLanes) out.push_back(event::ingest_producer(lane));
  return out;
}

std::vector<std::string> names_of(const std::vector<log::TopicSpec>& topics) {
  std::vector<std::string> out;
  for (const log::TopicSpec& t : topics) out.push_back(t.name);
  return out;
}

}  // namespace

LogMove::LogMove(const Settings& settings, runtime::Runtime& runtime, std::string data_dir,
                 log::Log& source, const catalog::Catalog& catalog)
    : settings_(settings),
      out_(settings.log_engine == "embedded"),
      runtime_(runtime),
      data_dir_(std::move(data_dir)),
      source_(source),
      catalog_(catalog) {
  settings_.log_engine = out_ ? "kafka" : "embedded";
  answers_.start();
}

LogMove::~LogMove() {
  copy_.reset();
  close_target();
  answers_.stop();
  answers_.join();
}

/// With those that projects redirect events to, or did.
Result<std::vector<log::TopicSpec>> LogMove::topics() const {
  std::vector<log::TopicSpec> out = topics_of(settings_);
  std::set<std::string> redirects;
  const std::string directory = data_dir_ + "/log";
  if (runtime_.files().exists(directory)) {
    PENSTOCK_TRY(const auto names, runtime_.files().list(directory));
    for (const std::string& name : names) {
      if (name.starts_with(event::kRedirectPrefix)) redirects.insert(name);
    }
  }
  const auto snapshot = catalog_.snapshot();
  for (const catalog::Project& project : snapshot->projects) {
    for (const catalog::EventRestriction& r : project.settings->admission.restrictions) {
      if (r.type != catalog::RestrictionType::kRedirectTopic) continue;
      redirects.insert(std::string(event::kRedirectPrefix) + r.topic);
    }
  }
  for (const std::string& name : redirects) {
    if (!source_.bounds(name)) continue;  // of the target's, in earlier times
    out.push_back({name,
                   settings_.partitions,
                   settings_.log_retention_bytes,
                   settings_.log_retention_ms,
                   {}});
  }
  return out;
}

Status LogMove::open_target(const log::Begins& begins) {
  Settings settings = settings_;
  settings.log.begins = settings.kafka.begins = begins;
  target_ = open_log(settings, runtime_, answers_.loop(), data_dir_, &catalog_, /*follows=*/false);
  return target_->start(topics_);
}

void LogMove::close_target() {
  if (!target_) return;
  target_->stop();
  on_loop(answers_, [this] { target_.reset(); });  // behind what it still answered
}

/// Groups stand still meanwhile. Some stages know where they are from nothing else, so what the
/// target has kept is looked at by a log that has just been opened.
Status LogMove::keep_positions(const std::vector<std::string>& names, const log::Begins& begins) {
  PENSTOCK_CHECK(copy_->copy_positions(all_groups()));
  close_target();
  PENSTOCK_CHECK(open_target(begins));
  copy_->go_on_with(*target_);
  for (const std::string& group : all_groups()) {
    for (const std::string& topic : names) {
      auto wanted = source_.committed(group, topic);
      if (wanted.empty()) continue;
      auto kept = target_->committed(group, topic);
      const auto by_partition = [](const log::Position& p) { return p.partition.value; };
      std::ranges::sort(wanted, {}, by_partition);
      std::ranges::sort(kept, {}, by_partition);
      const auto same = [](const log::Position& a, const log::Position& b) {
        return a.partition == b.partition && a.next.value == b.next.value;
      };
      if (std::ranges::equal(wanted, kept, same)) continue;
      return fail(Code::kUnavailable,
                  fmt::format("the positions of the group {} in {} did not reach the target", group,
                              topic));
    }
  }
  return {};
}

Status LogMove::begin(std::function<bool(const log::CopyProgress&)> on_piece, size_t piece_bytes) {
  PENSTOCK_TRY(topics_, topics());
  const std::vector<std::string> names = names_of(topics_);
  PENSTOCK_TRY(const log::Begins begins,
               log::begins_of(source_, answers_.loop(), names, all_producers()));
  PENSTOCK_CHECK(open_target(begins));
  copy_ = std::make_unique<log::LogCopy>(
      source_, *target_, answers_.loop(),
      log::CopyOptions{
          .topics = names, .piece_bytes = piece_bytes, .on_piece = std::move(on_piece)});
  // First whether it is a copy at all: positions would be somebody else's otherwise.
  PENSTOCK_CHECK(copy_->begin());
  return keep_positions(names, begins);
}

Status LogMove::finish() {
  PENSTOCK_TRY(const auto now, topics());
  if (names_of(now) != names_of(topics_)) {
    return fail(Code::kConflict, "the log has got another topic meanwhile: move again");
  }
  for (const log::TopicSpec& topic : topics_) {
    PENSTOCK_TRY(const auto from, source_.bounds(topic.name));
    PENSTOCK_TRY(const auto to, target_->bounds(topic.name));
    for (size_t p = 0; p < from.size(); p++) {
      if (from[p].end.value == to[p].end.value) continue;
      return fail(Code::kConflict,
                  fmt::format("{}, partition {}: the source ends at {} and the target at {}",
                              topic.name, p, from[p].end.value, to[p].end.value));
    }
    for (const uint64_t producer : all_producers()) {
      for (const log::PartitionBounds& b : from) {
        const int64_t was = source_.last_sequence(topic.name, b.partition, producer);
        const int64_t is = target_->last_sequence(topic.name, b.partition, producer);
        if (was == is) continue;
        return fail(Code::kConflict,
                    fmt::format("{}, partition {}: producer {} is at {} in the source and at {} in "
                                "the target",
                                topic.name, b.partition.value, producer, was, is));
      }
    }
  }
  close_target();
  return {};
}

std::string LogMove::summary() const {
  return fmt::format("{} records in {} topics, checksum {:016x}", copy_->progress().records,
                     topics_.size(), copy_->checksum());
}

}  // namespace penstock::cli::move
