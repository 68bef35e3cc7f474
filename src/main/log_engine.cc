#include "main/log_engine.h"

#include <algorithm>
#include <array>

#include "event/capture_message.h"
#include "event/lane.h"
#include "event/messages.h"
#include "event/slice.h"
#include "load/loader.h"
#include "main/stages.h"
#include "main/topics.h"
#include "publish/row_message.h"
#include "wire/inflate.h"

namespace penstock::cli {
namespace {

/// What several processes write beside each other, a record a message, and others do not read.
constexpr std::array kPlainTopics{event::kTopicRefused, event::kTopicRefusalCounts,
                                  event::kTopicPersonCommands, load::kIntentsTopic};

constexpr std::string_view kGzipMagic = "\x1f\x8b\x08";

bool is_plain(std::string_view topic) {
  return std::ranges::find(kPlainTopics, topic) != kPlainTopics.end() ||
         topic.starts_with(kSlicesPrefix);
}

/// What PostHog's ClickHouse reads.
bool is_published(std::string_view topic) {
  return std::ranges::find(event::kMessageTopics, topic) != event::kMessageTopics.end();
}

/// What a topic's messages hold.
struct Content {
  explicit Content(std::string name)
      : topic(std::move(name)), plain(is_plain(topic)), published(is_published(topic)) {
    const auto* found = std::ranges::find(event::kLanes, topic, event::lane_topic);
    if (found != event::kLanes.end()) lane = *found;
  }

  std::string topic;
  bool plain, published;
  event::Lane lane = event::Lane::kMain;
};

Status write_published(std::string_view record, log::MessageText& out) {
  PENSTOCK_TRY(publish::RowMessage message, publish::decode_row_message(record));
  out.keyed = !message.key.empty();
  out.key = std::move(message.key);
  out.value = message.text;
  if (!message.product.empty()) {
    out.notes = message.product;
    out.headers.emplace_back("productTrack", out.notes);
  }
  return {};
}

/// The lanes, and what projects redirect events to, hold capture's messages.
class CaptureCodec : public log::MessageCodec {
 public:
  /// `slices`: those that are decided here.
  CaptureCodec(const catalog::Catalog* catalog, std::vector<int32_t> slices,
               const event::Layout& layout)
      : catalog_(catalog), slices_(std::move(slices)), layout_(layout) {}

  bool is_open(std::string_view topic) const override {
    return is_plain(topic) || is_published(topic) || topic.starts_with(event::kRedirectPrefix) ||
           std::ranges::find(event::kLanes, topic, event::lane_topic) != event::kLanes.end();
  }

  Status write(std::string_view topic, std::string_view record,
               log::MessageText& out) const override {
    // Record after record is of one topic.
    thread_local Content content{std::string(topic)};
    if (content.topic != topic) content = Content(std::string(topic));
    if (content.plain) {
      out.value = record;
      return {};
    }
    if (content.published) return write_published(record, out);
    PENSTOCK_TRY(const event::RawRecord raw, event::decode_raw(record));
    // Its buffers and those of `out` change places.
    thread_local event::CaptureMessage message;
    event::write_capture_message(raw, content.lane, message);
    out.keyed = message.keyed;
    out.key.swap(message.key);
    out.value.swap(message.body);
    out.headers.swap(message.headers);
    out.notes.swap(message.notes);
    return {};
  }

  void read(const log::MessageView& m, std::string& out) const override {
    if (is_plain(m.topic)) {
      out.append(m.value);
      return;
    }
    // Newer captures of PostHog's compress large envelopes.
    std::string_view body = m.value;
    PaddedBuffer inflated;
    if (body.starts_with(kGzipMagic) &&
        inflater().gunzip(body, inflated, log::kRecordBytesMax / 2)) {
      body = inflated.view();
    }
    event::read_capture_message(
        {m.topic, m.partition.value, m.offset.value, m.time_ms, body, m.headers},
        [this](std::string_view token) { return project_of(token); }, out);
  }

  bool read_head(const log::MessageView& m, std::string& out) const override {
    // Recordings are taken by one process, whoever's they are; lanes that are apart by who reads.
    if (slices_.empty() || layout_.slices == 1 || layout_.apart || is_plain(m.topic) ||
        is_published(m.topic) || m.topic == event::lane_topic(event::Lane::kReplay)) {
      return false;
    }
    return event::read_capture_head(
        {m.topic, m.partition.value, m.offset.value, m.time_ms, m.value, m.headers},
        [this](std::string_view token) {
          return std::ranges::find(slices_, event::slice_of(token, layout_.slices)) !=
                 slices_.end();
        },
        out);
  }

 private:
  /// Of the thread: several read.
  static wire::Inflater& inflater() {
    thread_local wire::Inflater one;
    return one;
  }

  ProjectId project_of(std::string_view token) const {
    if (catalog_ == nullptr) return {};
    const auto snapshot = catalog_->snapshot();
    const catalog::Project* found = snapshot->find_token(token);
    return found == nullptr ? ProjectId{} : found->id;
  }

  const catalog::Catalog* catalog_;
  const std::vector<int32_t> slices_;
  const event::Layout layout_;
};

}  // namespace

std::function<bool(std::string_view, Partition)> outcomes_of(const Settings& settings,
                                                             const std::vector<int32_t>& slices) {
  return [slices, layout = settings.layout()](std::string_view topic, Partition p) {
    return topic != event::kTopicProcessed ||
           std::ranges::find(slices, layout.slice_of_outcomes(p)) != slices.end();
  };
}

namespace {

/// Of lanes that have partitions for each slice, those of the slices that are decided here; what
/// others received is counted when they have decided it. Of what is decided, and where nothing is
/// decided here, those of `process.slices`. Recordings go with the first slice.
std::function<bool(std::string_view, Partition)> looked_at(const Settings& settings,
                                                           const std::vector<int32_t>& slices,
                                                           bool follows) {
  const auto given = settings.slice_range();
  const Settings::SliceRange range = given ? *given : Settings::SliceRange{0, settings.slices - 1};
  return [slices, range, follows, layout = settings.layout()](std::string_view topic, Partition p) {
    if (topic == event::kTopicProcessed) return range.has(layout.slice_of_outcomes(p));
    const auto* lane = std::ranges::find(event::kLanes, topic, event::lane_topic);
    if (lane == event::kLanes.end()) return true;
    if (!layout.is_apart(*lane)) return range.has(0);
    const int32_t slice = layout.slice_of_outcomes(p);  // the lane's partitions lie as those do
    return follows ? range.has(slice) : std::ranges::find(slices, slice) != slices.end();
  };
}

}  // namespace

std::unique_ptr<log::Log> open_log(const Settings& settings, runtime::Runtime& runtime,
                                   runtime::Loop& home, const std::string& data_dir,
                                   const catalog::Catalog* catalog, bool follows,
                                   std::function<void()> on_shut_out,
                                   const std::vector<int32_t>& slices) {
  if (settings.log_engine != "kafka") {
    log::EmbeddedLogOptions options = settings.log;
    options.directory = data_dir + "/log";
    return log::open_embedded_log(runtime, home, options);
  }
  log::KafkaLogOptions options = settings.kafka;
  options.pending_bytes_max = settings.log.pending_bytes_max;
  options.tail_cache_bytes = settings.log.tail_cache_bytes;
  options.codec = std::make_shared<CaptureCodec>(catalog, follows ? std::vector<int32_t>{} : slices,
                                                 settings.layout());
  options.follows = follows;
  options.on_shut_out = std::move(on_shut_out);
  if (settings.slices > 1 && !follows) options.owns = outcomes_of(settings, slices);
  if (settings.layout().apart) options.looks_at = looked_at(settings, slices, follows);
  if (!settings.runs("load")) options.followed_groups.emplace_back(event::kGroupLoad);
  return log::open_kafka_log(runtime, std::move(options));
}

}  // namespace penstock::cli
