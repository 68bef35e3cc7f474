#include "event/lane.h"

namespace penstock::event {

std::string_view lane_name(Lane lane) {
  switch (lane) {
    case Lane::kMain: return "main";
    case Lane::kHistorical: return "historical";
    case Lane::kOverflow: return "overflow";
    case Lane::kReplay: return "replay";
    case Lane::kExceptions: return "exceptions";
  }
  return "main";
}

std::string_view lane_topic(Lane lane) {
  switch (lane) {
    case Lane::kMain: return kTopicMain;
    case Lane::kHistorical: return kTopicHistorical;
    case Lane::kOverflow: return kTopicOverflow;
    case Lane::kReplay: return kTopicReplay;
    case Lane::kExceptions: return kTopicExceptions;
  }
  return kTopicMain;
}

}  // namespace penstock::event
