#include "capture/testing/fixture.h"

#include <libdeflate.h>

#include <algorithm>

#include "base/codec.h"

namespace penstock::capture::testing {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

class Target : public wire::Responder::Target {
 public:
  explicit Target(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
  void send(wire::Response response) override {
    answer_->status = response.status;
    answer_->headers["content-type"] = response.content_type;
    for (const auto& [name, value] : response.headers) answer_->headers[lower(name)] = value;
    answer_->body = std::move(response.body);
  }
  void send_raw(std::string_view text, bool) override {
    answer_->status = std::stoi(std::string(text.substr(9, 3)));
    answer_->body = text.substr(text.find("\r\n\r\n") + 4);
    for (size_t at = text.find("\r\n") + 2; text.substr(at, 2) != "\r\n";) {
      const size_t colon = text.find(": ", at), end = text.find("\r\n", at);
      answer_->headers[lower(text.substr(at, colon - at))] =
          text.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
  }
  std::shared_ptr<wire::BodyStream> stream(wire::Response) override { return nullptr; }
  void abandon() override { answer_->status = -1; }

 private:
  std::shared_ptr<Answer> answer_;
};

}  // namespace

std::string gzip(std::string_view text) {
  libdeflate_compressor* packer = libdeflate_alloc_compressor(6);
  std::string out(libdeflate_gzip_compress_bound(packer, text.size()), '\0');
  out.resize(libdeflate_gzip_compress(packer, text.data(), text.size(), out.data(), out.size()));
  libdeflate_free_compressor(packer);
  return out;
}

void ServiceTest::make(const CaptureOptions& options) {
  service_ = CaptureService::make(loop_, runtime_, log_, *catalog_, nullptr,
                                  std::make_shared<usage::Usage>(1), options);
  service_->set_ready(true);
}

std::shared_ptr<Answer> ServiceTest::ask(std::string_view method, std::string_view path,
                                         std::string_view body, const Headers& headers) {
  auto answer = std::make_shared<Answer>();
  body_.clear();
  body_.append(body);
  wire::Request request;
  request.method = method;
  request.target = path;
  const size_t question = path.find('?');
  request.path = path.substr(0, question);
  if (question != std::string_view::npos) request.query = path.substr(question + 1);
  for (const auto& [name, value] : headers) request.headers.push_back({name, value});
  request.body = &body_;
  request.peer_ip = peer_;
  request.received_us = runtime_.clock().wall_us();
  request.body_too_large = body_too_large_;
  service_->handle(request, wire::Responder(std::make_shared<Target>(answer)));
  return answer;
}

std::vector<event::RawRecord> ServiceTest::held_records() const {
  std::vector<event::RawRecord> out;
  for (const HeldLog::Append& append : log_.held) {
    if (append.topic == event::kTopicRefused) continue;
    for (const log::Batch& batch : append.batches) {
      ByteReader in(batch.data);
      for (uint32_t i = 0; i < batch.count; i++) out.push_back(*event::decode_raw(in.bytes()));
    }
  }
  return out;
}

void ServiceTest::land() {
  turn();
  while (!log_.held.empty()) log_.answer({});
}

}  // namespace penstock::capture::testing
