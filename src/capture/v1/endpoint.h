// Capture V1: POST /i/v1/analytics/events and /i/v1/ai/events (contract section 7).
//
// Unlike v0, a request answers for each of its events. All of them become records, the dropped ones
// too, so that the ledger counts them; the answer leaves when the log has answered. An
// EventsEndpoint belongs to one shard's service and shares its turn and its admission. Loop thread
// only.
#pragma once

#include <string_view>

#include "base/padded.h"
#include "capture/admit/admission.h"
#include "capture/admit/quota.h"
#include "capture/options.h"
#include "capture/refusal_tally.h"
#include "capture/turn.h"
#include "capture/v1/answer.h"
#include "capture/v1/batch.h"
#include "capture/v1/record.h"
#include "catalog/catalog.h"
#include "wire/http.h"
#include "wire/inflate.h"

namespace penstock::capture::v1 {

/// What the service knows about a request.
struct Arrival {
  bool ready = false;
  std::string_view origin;  // to be allowed to read the answer; empty: none
  std::string_view ip;      // the client's
  const catalog::Snapshot& projects;
  Endpoint endpoint = Endpoint::kEvents;
  uint32_t request = 0;  // event::RequestId::number
};

class EventsEndpoint {
 public:
  EventsEndpoint(const CaptureOptions& options, Turn& turn, Admission& admission,
                 RefusalTally& refusals)
      : options_(options), turn_(turn), admission_(admission), refusals_(refusals) {}

  void handle(wire::Request& request, wire::Responder responder, const Arrival& arrival);

 private:
  std::expected<std::string_view, Refusal> body_text(const wire::Request& request,
                                                     const Head& head);
  void accept(const wire::Request& request, wire::Responder responder, const Arrival& arrival,
              const Head& head, const Batch& batch, RequestEcho echo);
  std::string_view problem_of(const event::RawRecord& record, Endpoint endpoint) const;
  void decide(const BatchEvent& event, const RequestFacts& facts,
              const std::shared_ptr<Waiting>& waiting, EventResult& result);
  void refuse(const wire::Request& request, wire::Responder& responder, const RequestEcho& echo,
              const catalog::Project* project, const Refusal& refusal, std::string_view text);

  const CaptureOptions& options_;
  Turn& turn_;
  Admission& admission_;
  RefusalTally& refusals_;
  wire::Inflater inflater_;
  PaddedBuffer plain_;
  BatchParser parser_;
  RecordMaker maker_;
};

}  // namespace penstock::capture::v1
