// A capture shard over a log that takes everything at once: for drivers that ask whole requests.
//
// What it holds for every request: one answer, with a status of the contract, and in the log only
// what was accepted, as records that decode again and hold JSON.
#pragma once

#include <simdjson.h>

#include <array>
#include <memory>
#include <vector>

#include "base/codec.h"
#include "capture/capture.h"
#include "capture/testing/append_only_log.h"
#include "event/json_fields.h"
#include "event/lane.h"
#include "event/raw_record.h"
#include "fuzz/fuzz.h"
#include "runtime/sim_runtime.h"
#include "usage/usage.h"

namespace penstock::fuzz {

inline constexpr size_t kDecodedBytesMax = 1U << 20, kMessageBytesMax = 8192;
inline constexpr std::string_view kProjectKey = "phc_fuzz0000000000000000000000000000000000000";

/// What one request has put into the log.
struct Logged {
  std::vector<event::RawRecord> records;  // views into `batches`
  std::vector<std::unique_ptr<std::string>> batches;
};

class EagerLog : public capture::AppendOnlyLog {
 public:
  EagerLog() : AppendOnlyLog(4) {}

  void append(runtime::Loop&, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    std::vector<log::Appended> out;
    for (const log::Batch& batch : batches) {
      out.push_back({batch.partition, Offset{0}, false});
      logged.batches.push_back(std::make_unique<std::string>(batch.data));
      ByteReader in(*logged.batches.back());
      for (uint32_t i = 0; i < batch.count; i++) take(topic, in.bytes());
      hold(in.ok() && in.at_end(), "a batch holds as many records as it says");
    }
    done(std::move(out));
  }

  Logged logged;

 private:
  void take(const std::string& topic, std::string_view bytes) {
    if (topic == event::kTopicRefused) {
      hold(event::decode_refused(bytes).has_value(), "a refusal that was logged decodes");
      return;
    }
    if (topic == event::kTopicRefusalCounts) {
      const auto count = event::decode_refusal_count(bytes);
      hold(count.has_value(), "a count of refusals that was logged decodes");
      hold(count->requests > 0, "refusals that are counted are some");
      return;
    }
    const auto record = event::decode_raw(bytes);
    hold(record.has_value(), "a record that was logged decodes");
    hold(record->project.value != 0 || record->token != kProjectKey,
         "a known token has its project");
    hold(!record->token.empty() && record->token.size() <= 64, "a token is short");
    hold(record->distinct_id.size() <= 4 * 200, "a distinct id is cut");
    hold(is_utf8(record->distinct_id) && is_utf8(record->event), "names are UTF-8");
    if (record->disposition == event::Disposition::kProcess) {
      hold(!record->event.empty() && !record->distinct_id.empty(), "what goes on has its names");
      hold(is_utf8(record->data) && event::JsonFields::parse(record->data).has_value(),
           "what goes on is a JSON object");
    }
    logged.records.push_back(*record);
  }
  static bool is_utf8(std::string_view text) {
    return simdjson::validate_utf8(text.data(), text.size());
  }
};

/// The statuses of the contract's endpoints; 503 only comes of what is not drawn here.
inline constexpr std::array kStatuses{200, 204, 304, 400, 401, 403, 404, 405, 413, 415, 429};

struct CaptureReply {
  int status = 0;
  std::string body;
};

class CaptureWorld {
 public:
  CaptureWorld() {
    const catalog::Principal nobody{std::nullopt, "fuzz", ProjectId{}};
    const auto project = catalog_->create_project(nobody, "fuzz", std::string(kProjectKey));
    hold(project.has_value(), "a project can be made");
    project_ = project->id;
    capture::CaptureOptions options;
    options.decoded_bytes_max = options.v1_decoded_bytes_max = kDecodedBytesMax;
    options.message_bytes_max = kMessageBytesMax;
    service_ = capture::CaptureService::make(loop_, runtime_, log, *catalog_, nullptr,
                                             std::make_shared<usage::Usage>(1), options);
    service_->set_ready(true);
  }
  ~CaptureWorld() { service_.reset(); }

  void set(std::string_view name, std::string_view json) {
    hold(catalog_->set_project_setting({}, project_, name, std::string(json)).has_value(),
         "a project can be set up");
    runtime_.run_for(std::chrono::milliseconds(1));
  }

  CaptureReply ask(std::string_view method, std::string_view target,
                   const std::vector<wire::Header>& headers, std::string_view body) {
    CaptureReply reply;
    log.logged = {};
    body_.assign(body);
    wire::Request request;
    request.method = method;
    request.target = target;
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    request.headers = headers;
    request.body = &body_;
    request.peer_ip = "192.0.2.7";
    request.received_us = runtime_.clock().wall_us();
    service_->handle(request, wire::Responder(std::make_shared<Target>(reply)));
    for (int turns = 0; turns < 100 && reply.status == 0; turns++) {
      runtime_.run_for(std::chrono::milliseconds(1));
    }
    hold(std::ranges::find(kStatuses, reply.status) != kStatuses.end(),
         "a request gets one answer, of a status that the contract has");
    hold(reply.status < 300 || log.logged.records.empty(), "what is refused is not in the log");
    return reply;
  }

  EagerLog log;

 private:
  class Target : public wire::Responder::Target {
   public:
    explicit Target(CaptureReply& reply) : reply_(reply) {}
    void send(wire::Response response) override {
      answer(response.status, response.body);
      for (const auto& [name, value] : response.headers) {
        hold(value.find_first_of("\r\n") == std::string::npos, "no header is split");
      }
    }
    void send_raw(std::string_view text, bool) override {
      hold(text.starts_with("HTTP/1.1 ") && text.size() > 12, "a raw answer begins as HTTP does");
      answer(std::atoi(std::string(text.substr(9, 3)).c_str()),
             text.substr(std::min(text.size(), text.find("\r\n\r\n") + 4)));
    }
    std::shared_ptr<wire::BodyStream> stream(wire::Response) override {
      answer(200, "");
      return nullptr;
    }
    void abandon() override { answer(500, ""); }

   private:
    void answer(int status, std::string_view body) {
      hold(reply_.status == 0, "a request is answered once");
      reply_.status = status;
      reply_.body = body;
    }
    CaptureReply& reply_;
  };

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::unique_ptr<capture::CaptureService> service_;
  ProjectId project_;
  PaddedBuffer body_;
};

/// Lives as long as the process.
inline CaptureWorld& capture_world() {
  static CaptureWorld instance;
  return instance;
}

}  // namespace penstock::fuzz
