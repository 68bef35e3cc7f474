// Capture V1: any headers, encoding and body give one answer; a 200 names every event of the batch
// once and in order, each is a record in the log, and what is stored of it is JSON.
//
// Input: four bytes of choices, then the body as JSON (or anything), which the driver may pack. The
// mutator works on tokens.
#include <simdjson.h>

#include <array>

#include "capture/v1/batch.h"
#include "capture/v1/head.h"
#include "capture/v1/record.h"
#include "event/json_fields.h"
#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"
#include "fuzz/packing.h"

namespace {

using penstock::fuzz::hold;
using penstock::wire::Header;

constexpr size_t kChoices = 4;
constexpr size_t kEventsMax = 50'000;

constexpr std::array<std::string_view, 3> kPaths{"/i/v1/analytics/events", "/i/v1/ai/events/",
                                                 "/i/v1/analytics/events/?x=1"};
constexpr std::array<std::string_view, 6> kEncodings{"", "gzip", "deflate", "br", "zstd", "lz4"};
/// The usual headers, each with others that may come in its place.
constexpr std::array<std::array<std::string_view, 4>, 7> kHeaders{{
    {"Authorization", "Bearer phc_fuzz0000000000000000000000000000000000000", "Bearer phx_1", ""},
    {"Content-Type", "application/json", "application/json; charset=utf-8", "text/plain"},
    {"PostHog-Sdk-Info", "posthog-python/7.0.0", "a/b/\"\\\xff", "none"},
    {"PostHog-Attempt", "1", "0", "99999999999999999999"},
    {"PostHog-Request-Id", "3f1c0a52-4f6e-4c59-9d42-0f2b6a1e7c11", "x", ""},
    {"PostHog-Request-Timestamp", "2026-11-25T10:00:00Z", "0000-01-01T00:00:00+23:59", "now"},
    {"User-Agent", "fuzz", "", "x"},
}};

/// Which header differs, and how, from one byte: mostly none.
std::vector<Header> headers_of(uint8_t choice) {
  std::vector<Header> out;
  for (size_t i = 0; i < kHeaders.size(); i++) {
    const bool other = choice % 16 == i + 1;
    const std::string_view value = kHeaders[i][other ? 2U + choice / 128U : 1U];
    if (!value.empty()) out.push_back({kHeaders[i][0], value});
  }
  return out;
}

struct Expected {
  int status = 200;                // of the refusal; 200 when it is accepted
  std::vector<std::string> uuids;  // of the batch, in order
};

/// The parser and the maker of records on their own, where more can be held than an answer says.
Expected parse(const std::vector<Header>& headers, std::string_view body) {
  namespace v1 = penstock::capture::v1;
  static v1::BatchParser parser;
  static v1::RecordMaker maker;
  static const penstock::capture::CaptureOptions options;
  penstock::wire::Request request;
  request.headers = headers;
  const auto head = v1::read_head(request, 64);
  hold(head || (head.error().status >= 400 && head.error().status < 500), "a refusal is a 4xx");
  if (!head) return {head.error().status, {}};
  if (body.empty() || !simdjson::validate_utf8(body.data(), body.size())) return {400, {}};
  const auto batch = parser.parse(body, kEventsMax);
  if (!batch) {
    hold(batch.error().status == 400 || batch.error().status == 413, "a refusal is a 4xx");
    hold(!batch.error().message.empty(), "a refusal has words");
    parser.clear();
    return {batch.error().status, {}};
  }
  hold(!(*batch)->events.empty(), "a batch that is taken has events");
  maker.begin(*head);
  Expected out;
  v1::RequestFacts facts;
  facts.now_ms = facts.client_ms = 1'764'064'800'000;
  for (const v1::BatchEvent& event : (*batch)->events) {
    const penstock::event::RawRecord record = maker.make(event, facts, options);
    out.uuids.push_back(event.uuid.text());
    hold(record.distinct_id.size() <= v1::kDistinctIdBytesMax, "a distinct id is short");
    if (!event.drop.empty()) {
      hold(record.reason == event.drop && record.data.empty(), "a drop is a record without data");
      continue;
    }
    hold(!record.event.empty() && !record.distinct_id.empty(), "what goes on has its names");
    hold(penstock::event::validate_json(record.data).has_value(), "what is stored is JSON");
    const auto fields = penstock::event::JsonFields::parse(record.data);
    hold(fields && fields->fields().size() == 5, "an event has its five members");
    hold(penstock::event::decode_string(*fields->find("event")) == record.event,
         "the record's name is the stored one");
  }
  parser.clear();
  return out;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_request(data, size, size_max, seed, kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  constexpr std::array kPacked{Packing::kNone,   Packing::kGzip, Packing::kDeflate,
                               Packing::kBrotli, Packing::kZstd, Packing::kLz64};
  Choices choices(text_of(data, size));
  const auto path = choices.pick(kPaths);
  const uint8_t headers_choice = choices.byte();
  const uint8_t encoded = choices.byte();  // low: named but not done; high: both
  const uint8_t encoding_choice = choices.byte();
  const size_t n = encoding_choice % kEncodings.size();
  std::vector<Header> headers = headers_of(headers_choice);
  if (encoded < 64 || encoded >= 192) headers.push_back({"Content-Encoding", kEncodings[n]});
  const std::string body = packed(encoded >= 192 ? kPacked[n] : Packing::kNone, choices.rest());
  const Expected expected = parse(headers, choices.rest());
  const CaptureReply reply = capture_world().ask("POST", path, headers, body);
  const auto answer = penstock::event::JsonFields::parse(reply.body);
  hold(answer.has_value(), "an answer is a JSON object");
  const bool as_it_is = n == 0 || (encoded >= 64 && encoded < 192) || encoded >= 192;
  if (as_it_is) hold(reply.status == expected.status, "the status is that of the parser");
  if (reply.status != 200) {
    hold(answer->contains("error") && answer->contains("error_description"), "a refusal has a tag");
    return 0;
  }
  const auto results = penstock::event::JsonFields::parse(answer->find("results").value_or(""));
  const auto& records = capture_world().log.logged.records;
  hold(results && results->fields().size() == records.size(), "every record has its result");
  if (!as_it_is) return 0;
  hold(records.size() == expected.uuids.size(), "every event is a record");
  for (size_t i = 0; i < records.size(); i++) {
    hold(results->fields()[i].key == expected.uuids[i], "results are in the order of the events");
  }
  return 0;
}
