// What tests of the log on Kafka share: one broker for the process, and options for topics of one's
// own on it.
#pragma once

#include <memory>
#include <string>

#include "log/kafka_log.h"
#include "tests/contract/kafka_server.h"

namespace penstock::testing {

/// Started when it is first asked for.
inline KafkaServer& shared_kafka() {
  static KafkaServer server;
  return server;
}

}  // namespace penstock::testing

namespace penstock::log {

/// Messages that are records, as they are.
class PlainCodec : public MessageCodec {
 public:
  bool is_open(std::string_view /*topic*/) const override { return true; }
  Status write(std::string_view /*topic*/, std::string_view record,
               MessageText& out) const override {
    out.value = record;
    return {};
  }
  void read(const MessageView& message, std::string& out) const override {
    out.append(message.value);
  }
  /// Of records whose text begins so.
  bool read_head(const MessageView& message, std::string& out) const override {
    if (message.value.find("theirs:") == std::string_view::npos) return false;
    out.append("head");
    return true;
  }
};

inline KafkaLogOptions kafka_options(testing::KafkaServer& server) {
  KafkaLogOptions out;
  out.brokers = server.addresses();
  out.topic_prefix = server.new_prefix();
  out.group_prefix = out.topic_prefix;
  out.linger_ms = 1;
  out.start_ms_max = 180'000;  // a broker comes up while a busy machine does other things
  return out;
}

}  // namespace penstock::log
