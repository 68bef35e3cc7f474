// Turn: what one turn of the loop has accepted, on its way into the log.
//
// Events of all requests of a turn are gathered per lane and partition and appended at once; every
// request is answered when all its events are durable. An event that a project redirects is
// appended to its topic and, without its data, to its lane, so that the ledger has it. Bounded by
// CaptureOptions, and shared out by FairShare between projects. Loop thread only.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capture/admit/admission.h"
#include "capture/admit/fair_share.h"
#include "capture/answers.h"
#include "capture/options.h"
#include "catalog/catalog.h"
#include "event/lane.h"
#include "event/raw_record.h"
#include "event/request_id.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "wire/http.h"

namespace penstock::capture {

/// What is answered where a protocol says more than v0's "Ok" or 503.
class Reply {
 public:
  virtual ~Reply() = default;
  /// Bit n of `failed_lanes`: what the request put into event::Lane n is not stored.
  virtual void send(wire::Responder& responder, uint8_t failed_lanes) = 0;
};

/// A request that waits for its events to be durable.
struct Waiting {
  wire::Responder responder;
  AnswerContext context;
  std::unique_ptr<Reply> reply;  // null: v0's answers, with `context`
  uint8_t failed_lanes = 0;
  int64_t received_us = 0;
  ProjectId project;     // whose events these are; 0: an unknown token
  uint32_t weight = 1;   // of the project, in FairShare
  size_t bytes = 0;      // of its events, in the log's form
  uint32_t appends = 0;  // not answered yet
  bool closed = false;   // nothing more will be added
  bool held = false;     // FairShare counts it
  Status status;
};

class Turn {
 public:
  Turn(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, ledger::Ledger* ledger,
       const CaptureOptions& options);
  ~Turn() { *alive_ = false; }

  /// kBusy: too much is waiting already, whoever asks.
  Status room() const;
  /// kBusy: this project (null: any unknown token) has its share of what may wait. `bytes` is about
  /// what the request will need.
  Status room(const catalog::Project* project, size_t bytes) const;
  /// Whether the log takes a record of so many bytes: data, event name and session id together.
  static bool fits(size_t record_bytes);
  void begin(const std::shared_ptr<Waiting>& request, const catalog::Project* project = nullptr);
  /// Hands an event over as admission decided.
  void add(const std::shared_ptr<Waiting>& request, const event::RawRecord& record,
           const Admitted& admitted);
  void add(const std::shared_ptr<Waiting>& request, const event::RawRecord& record,
           event::Lane where) {
    add(request, record, Admitted{where, {}, {}});
  }
  void end(const std::shared_ptr<Waiting>& request);
  void add_refused(const event::RefusedRecord& record);
  /// The same for every uuid that `text`, whatever it is, seems to hold.
  void note_refused(const wire::Request& request, int status, std::string_view tag,
                    std::string_view text, uint32_t number = 0, const Uuid& client = {});
  /// The id of a request that comes now.
  event::RequestId next_request(int64_t now_ms) {
    if (++request_number_ == 0) ++request_number_;
    return {now_ms, request_number_};
  }

  bool idle() const { return requests_waiting_ == 0; }
  void when_idle(runtime::Task done);

 private:
  struct Part {
    std::string data;
    std::vector<uint32_t> ends;
    uint32_t count = 0;
    size_t usual = 0;  // bytes of a flush lately: room for so much is made at once
    uint32_t usual_count = 0;
  };
  struct Lane {
    std::vector<Part> parts;
    size_t bytes = 0;
    std::vector<ledger::Ledger::Received> counts;
    std::vector<std::shared_ptr<Waiting>> requests;
  };
  struct Flight;
  using Redirect = std::pair<std::string, event::Lane>;  // topic, lane of the events' stubs

  static bool overfills(const Lane& lane, const event::RawRecord& record);
  void add_to(Lane& lane, int32_t partition, const std::shared_ptr<Waiting>& request,
              const event::RawRecord& record);
  void redirect(const std::shared_ptr<Waiting>& request, const event::RawRecord& record,
                const Admitted& admitted);
  void schedule();
  void flush_all();
  void flush(event::Lane lane);
  void send(Lane& lane, const std::shared_ptr<Flight>& flight, std::string topic);
  void flush_refused();
  void landed(Flight& flight, Result<std::vector<log::Appended>> result);
  void answer(const std::shared_ptr<Waiting>& request);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  ledger::Ledger* ledger_;
  const CaptureOptions& options_;
  event::Layout layout_{.partitions = 1};
  std::array<Lane, event::kLanes.size()> lanes_;
  std::map<Redirect, Lane> redirects_;
  FairShare share_;
  std::string key_;  // scratch
  std::vector<std::string> refused_;
  int64_t refused_second_ = 0;
  size_t refused_this_second_ = 0;
  size_t requests_waiting_ = 0, bytes_waiting_ = 0;
  uint32_t request_number_ = 0;  // begins anywhere, so that shards differ
  bool scheduled_ = false;
  std::vector<runtime::Task> idle_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::capture
