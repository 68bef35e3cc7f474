// RowMessage: a message for a ClickHouse topic as a record of a log: its key, its product and its
// text.
//
// A log on Kafka writes it as the contract's message (main/log_engine.cc); the log itself only sees
// bytes. Layout: a byte (1: product analytics, 2: LLM analytics, 0: no header), the key behind its
// length as a varint, the text. Pure functions; views point into what they were made from.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/processed_record.h"

namespace penstock::publish {

struct RowMessage {
  std::string_view product;  // of the header `productTrack`; empty: none
  std::string key;           // empty: none
  std::string_view text;
};

void encode(const RowMessage& message, std::string& out);
/// kCorrupt: these bytes are no such record.
Result<RowMessage> decode_row_message(std::string_view bytes);

/// The header `productTrack` of an event.
std::string_view product_of(std::string_view event);
/// What keeps together what has an order: an event's uuid, a person's id, a distinct id, a group.
std::string key_of(const event::ProcessedRecord& record);

}  // namespace penstock::publish
