#include "main/log_engine.h"

#include <algorithm>

#include "event/capture_message.h"
#include "event/lane.h"

namespace penstock::cli {
namespace {

/// The lanes, and what projects redirect events to, hold capture's messages.
class CaptureCodec : public log::MessageCodec {
 public:
  explicit CaptureCodec(const catalog::Catalog* catalog) : catalog_(catalog) {}

  bool is_open(std::string_view topic) const override {
    return topic.starts_with(event::kRedirectPrefix) ||
           std::ranges::find(event::kLanes, topic, event::lane_topic) != event::kLanes.end();
  }

  Status write(std::string_view topic, std::string_view record,
               log::MessageText& out) const override {
    PENSTOCK_TRY(const event::RawRecord raw, event::decode_raw(record));
    const auto lane = std::ranges::find(event::kLanes, topic, event::lane_topic);
    event::CaptureMessage message;
    event::write_capture_message(raw, lane == event::kLanes.end() ? event::Lane::kMain : *lane,
                                 message);
    out.key = std::move(message.key);
    out.value = std::move(message.body);
    out.headers = std::move(message.headers);
    return {};
  }

  void read(const log::MessageView& m, std::string& out) const override {
    event::read_capture_message(
        {m.topic, m.partition.value, m.offset.value, m.time_ms, m.value, m.headers},
        [this](std::string_view token) { return project_of(token); }, out);
  }

 private:
  ProjectId project_of(std::string_view token) const {
    if (catalog_ == nullptr) return {};
    const auto snapshot = catalog_->snapshot();
    const catalog::Project* found = snapshot->find_token(token);
    return found == nullptr ? ProjectId{} : found->id;
  }

  const catalog::Catalog* catalog_;
};

}  // namespace

std::unique_ptr<log::Log> open_log(const Settings& settings, runtime::Runtime& runtime,
                                   runtime::Loop& home, const std::string& data_dir,
                                   const catalog::Catalog* catalog) {
  if (settings.log_engine != "kafka") {
    log::EmbeddedLogOptions options = settings.log;
    options.directory = data_dir + "/log";
    return log::open_embedded_log(runtime, home, options);
  }
  log::KafkaLogOptions options = settings.kafka;
  options.pending_bytes_max = settings.log.pending_bytes_max;
  options.tail_cache_bytes = settings.log.tail_cache_bytes;
  options.codec = std::make_shared<CaptureCodec>(catalog);
  return log::open_kafka_log(runtime, std::move(options));
}

}  // namespace penstock::cli
