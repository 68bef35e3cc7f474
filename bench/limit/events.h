// From a request's body to framed events in a block: gunzip, one simdjson on-demand pass over every
// event for the fields a capture server must know (token, event, distinct_id, uuid, timestamp),
// header and CRC32C per event. False when the body is not what the bench sends.
#pragma once

#include <libdeflate.h>
#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "bench/limit/log.h"

namespace penstock::bench {

class EventFramer {
 public:
  EventFramer();
  ~EventFramer();
  EventFramer(const EventFramer&) = delete;
  EventFramer& operator=(const EventFramer&) = delete;

  /// `tell`: also writes `results`.
  [[nodiscard]] bool frame(std::string_view body, Block& out, bool tell);
  /// Of the last body, for the protocol that answers for each event: "uuid":{"result":"ok"},…
  [[nodiscard]] const std::string& results() const { return results_; }

 private:
  [[nodiscard]] bool frame_batch(simdjson::ondemand::object batch, Block& out);
  [[nodiscard]] bool frame_array(simdjson::ondemand::array events, Block& out);
  [[nodiscard]] bool frame_event(simdjson::ondemand::value value, Block& out);

  libdeflate_decompressor* inflater_;
  simdjson::ondemand::parser parser_;
  std::vector<char> plain_;
  std::string_view token_;
  std::string results_;
  bool tell_ = false;
};

}  // namespace penstock::bench
