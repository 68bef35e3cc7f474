// A capture shard over a log that takes everything at once: for drivers that ask whole requests.
//
// What it holds for every request: one answer, with a status capture knows, and raw records that
// decode again.
#pragma once

#include <memory>
#include <vector>

#include "base/codec.h"
#include "capture/capture.h"
#include "event/lane.h"
#include "event/raw_record.h"
#include "fuzz/fuzz.h"
#include "runtime/sim_runtime.h"
#include "usage/usage.h"

namespace penstock::fuzz {

inline constexpr std::string_view kProjectKey = "phc_fuzz0000000000000000000000000000000000000";

class EagerLog : public log::Log {
 public:
  Status start(std::vector<log::TopicSpec>) override { return {}; }
  void stop() override {}
  void append(runtime::Loop&, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    std::vector<log::Appended> out;
    for (const log::Batch& batch : batches) {
      out.push_back({batch.partition, Offset{0}, false});
      if (topic == event::kTopicRefused) continue;
      ByteReader in(batch.data);
      for (uint32_t i = 0; i < batch.count; i++) {
        hold(event::decode_raw(in.bytes()).has_value(), "a record that was logged decodes");
        records++;
      }
    }
    done(std::move(out));
  }
  void fetch(runtime::Loop&, log::FetchRequest, log::FetchDone) override {}
  Result<std::vector<log::PartitionBounds>> bounds(const std::string&) const override {
    return std::vector<log::PartitionBounds>(4);
  }
  int64_t last_sequence(const std::string&, Partition, uint64_t) const override { return -1; }
  Status commit(const std::string&, const std::string&, std::vector<log::Position>) override {
    return {};
  }
  std::vector<log::Position> committed(const std::string&, const std::string&) const override {
    return {};
  }
  log::LogStats stats() const override { return {}; }
  size_t records = 0;
};

struct CaptureReply {
  int status = 0;
  std::string body;
};

class CaptureWorld {
 public:
  CaptureWorld() {
    const catalog::Principal nobody{std::nullopt, "fuzz", ProjectId{}};
    hold(catalog_->create_project(nobody, "fuzz", std::string(kProjectKey)).has_value(),
         "a project can be made");
    capture::CaptureOptions options;
    options.decoded_bytes_max = 1U << 20;
    options.message_bytes_max = 1U << 18;
    service_ = capture::CaptureService::make(loop_, runtime_, log, *catalog_, nullptr,
                                             std::make_shared<usage::Usage>(1), options);
    service_->set_ready(true);
  }
  ~CaptureWorld() { service_.reset(); }

  CaptureReply ask(std::string_view method, std::string_view target,
                   const std::vector<wire::Header>& headers, std::string_view body) {
    CaptureReply reply;
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
    hold(reply.status >= 200 && reply.status < 600 && reply.status != 500,
         "a request gets one answer, and never 500");
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
  PaddedBuffer body_;
};

/// Lives as long as the process.
inline CaptureWorld& capture_world() {
  static CaptureWorld instance;
  return instance;
}

}  // namespace penstock::fuzz
