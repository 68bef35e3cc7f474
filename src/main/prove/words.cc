#include "main/prove/words.h"

namespace penstock::cli::prove {

Words words_of(Blow blow) {
  switch (blow) {
    case Blow::kWhileStarting: return {"while_starting", "killed while it was starting"};
    case Blow::kSoonAfterStart: return {"soon_after_start", "killed soon after it had started"};
    case Blow::kAtWork: return {"at_work", "killed in the middle of its work"};
    case Blow::kEngineAlone:
      return {"engine_alone", "its database process alone killed, Penstock left running"};
    case Blow::kEngineAway:
      return {"engine_away", "killed soon after its database process had been"};
    case Blow::kAfterStanding: return {"after_standing_still", "killed after it had been frozen"};
    case Blow::kStoodStill:
      return {"stood_still", "frozen for up to a second, and let go on (not a kill)"};
    case Blow::kAskedToStop:
      return {"asked_to_stop", "asked to stop, as an administrator does (not a kill)"};
  }
  return {};
}

std::string_view words_of(Kind kind) {
  switch (kind) {
    case Kind::kMain: return "ordinary events";
    case Kind::kHistorical: return "events of the past, sent in bulk";
    case Kind::kHotKey: return "far too many events of one visitor";
    case Kind::kException: return "reports of errors";
    case Kind::kIdentity: return "logins, and two visitors found to be one";
    case Kind::kV1: return "events by the newer protocol";
    case Kind::kRecording: return "parts of screen recordings";
    case Kind::kEarly: return "events for a project that was only made afterwards";
  }
  return "";
}

Question words_of(Check check) {
  switch (check) {
    case Check::kStarts:
      return {"starts", "Did it start again by itself, and run until it was told to end?",
              "starts"};
    case Check::kAnswers:
      return {"answers", "Did senders get \"received\" or \"try again later\", and nothing else?",
              "answers"};
    case Check::kRests:
      return {"rests", "Was everything it had taken in worked off afterwards?", "times"};
    case Check::kKept:
      return {"kept", "Is every event there that it had said \"received\" to, or a stated reason?",
              "events"};
    case Check::kOnce: return {"once", "Is every event stored only once?", "rows"};
    case Check::kRecordings:
      return {"recordings", "Is every part of a recording there, and only once?", "parts"};
    case Check::kPersons:
      return {"persons", "Does every visitor belong to exactly one person?", "visitors"};
    case Check::kBooks:
      return {"books", "Does its own bookkeeping say what is really stored?", "booked"};
    case Check::kNoticed:
      return {"noticed", "Was an event missed that had never been sent? (a test of this test)",
              "times"};
  }
  return {};
}

std::string grouped(uint64_t n) {
  std::string out = std::to_string(n);
  for (size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, 1, ',');
  return out;
}

}  // namespace penstock::cli::prove
