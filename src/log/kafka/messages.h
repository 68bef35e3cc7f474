// Messages: records of an open topic as the bytes that go into a request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/kafka_log.h"

namespace penstock::log::kafka {

/// Each is a record of Kafka's second format from its key on: key, value and headers, with their
/// lengths (RD_KAFKA_MSG_F_RECORD). docs/decisions/0040-records-written-whole.md
struct Messages {
  std::string text;
  std::vector<uint32_t> ends;
};

/// Appends one.
void append_message(const MessageText& message, Messages& out);

/// All of them; `bytes` is about how long they will be. False: the codec knows one for no record.
bool write_messages(const MessageCodec& codec, std::string_view topic,
                    std::span<const std::string_view> records, size_t bytes, Messages& out);

}  // namespace penstock::log::kafka
