#include "admin/api/recording_stream.h"

#include <chrono>

#include "base/diag.h"
#include "base/json_writer.h"

namespace penstock::admin {
namespace {

constexpr size_t kWriteBytes = 128U << 10;
constexpr std::chrono::seconds kReadPatience{30};
constexpr int64_t kRetryMs = 100;

std::vector<int64_t> firsts_of(const std::vector<RecordedBlock>& blocks) {
  std::vector<int64_t> out;
  out.reserve(blocks.size());
  for (const RecordedBlock& b : blocks) out.push_back(b.first_timestamp_ms);
  return out;
}

Result<std::string> fetch_block(objects::ObjectStore& objects, const std::string& url) {
  const auto place = recording::parse_block_url(url);
  if (!place) return fail(Code::kCorrupt, "a block's address cannot be read");
  PENSTOCK_TRY(const std::string bytes,
               objects.get(place->key, {place->from, place->size}, kReadPatience));
  if (bytes.size() != place->size) return fail(Code::kCorrupt, "a recording's object is cut off");
  return recording::read_block(bytes);
}

}  // namespace

RecordingStream::RecordingStream(AdminService::Parts& parts, const AdminOptions& options,
                                 std::vector<RecordedBlock> blocks,
                                 std::shared_ptr<wire::BodyStream> stream)
    : parts_(parts),
      options_(options),
      blocks_(std::move(blocks)),
      merge_(firsts_of(blocks_), options.recording_open_bytes_max),
      stream_(std::move(stream)) {}

void RecordingStream::stop() {
  if (!stream_) return;
  stream_->finish();
  stream_.reset();
}

bool RecordingStream::write(std::string_view bytes) {
  if (stream_ && stream_->write(bytes)) return true;
  stream_.reset();  // the client has gone
  return false;
}

void RecordingStream::go_on() {
  std::string out;
  while (stream_) {
    if (merge_.done()) {
      if (write(out)) stop();
      return;
    }
    if (merge_.wants_block()) {
      if (write(out)) read_block();
      return;
    }
    out += merge_.pop();
    out += '\n';
    if (out.size() < kWriteBytes) continue;
    if (!write(out)) return;
    out.clear();
    if (stream_->pending() > options_.recording_pending_bytes_max) {
      return stream_->on_drained([self = shared_from_this()] { self->go_on(); });
    }
  }
}

void RecordingStream::read_block() {
  auto text = std::make_shared<Result<std::string>>(std::string());
  auto job = [text, &objects = parts_.objects, url = blocks_[merge_.next_block()].url] {
    *text = fetch_block(objects, url);
  };
  const Status submitted = parts_.runtime.pool().submit(
      std::move(job), parts_.loop,
      [self = shared_from_this(), text] { self->took_block(std::move(*text)); });
  if (submitted) return;
  parts_.loop.after(std::chrono::milliseconds(kRetryMs), [self = shared_from_this()] {
    if (self->stream_) self->read_block();
  });
}

void RecordingStream::took_block(Result<std::string> text) {
  if (!stream_) return;
  Status taken;
  if (text) {
    taken = merge_.open(std::move(*text));
  } else {
    merge_.skip();
    taken = std::unexpected(std::move(text).error());
  }
  if (!taken) {
    diag::warn("a block of a recording was left out", {{"error", taken.error().message}});
    JsonWriter w;
    w.begin_object().key("error").begin_object().field("code", code_name(taken.error().code));
    w.field("message", taken.error().message).end_object().end_object();
    if (!write(w.take() + "\n")) return;
  }
  go_on();
}

}  // namespace penstock::admin
