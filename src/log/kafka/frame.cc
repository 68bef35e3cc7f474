#include "log/kafka/frame.h"

#include "base/codec.h"

namespace penstock::log::kafka {
namespace {

constexpr uint8_t kFrameVersion = 1;

}  // namespace

void encode(const Frame& frame, std::string& out) {
  ByteWriter w(out);
  w.u8(kFrameVersion);
  w.u8(static_cast<uint8_t>(frame.kind));
  w.i64(frame.epoch);
  w.i64(frame.base);
  w.u64(frame.producer);
  w.i64(frame.sequence);
  w.u32(frame.count);
  out.append(frame.data);
}

Result<Frame> decode_frame(std::string_view bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  const uint8_t kind = in.u8();
  Frame f;
  f.epoch = in.i64();
  f.base = in.i64();
  f.producer = in.u64();
  f.sequence = in.i64();
  f.count = in.u32();
  if (!in.ok() || version != kFrameVersion ||
      (kind != static_cast<uint8_t>(FrameKind::kBatch) &&
       kind != static_cast<uint8_t>(FrameKind::kFence))) {
    return fail(Code::kCorrupt, "a message that is no frame of a known version");
  }
  f.kind = static_cast<FrameKind>(kind);
  f.data = bytes.substr(bytes.size() - in.remaining());
  return f;
}

bool FrameOrder::take(const Frame& frame) {
  if (frame.epoch < epoch) return false;
  epoch = frame.epoch;
  if (frame.kind == FrameKind::kFence || frame.base < end) return false;
  end = frame.base + static_cast<int64_t>(frame.count);
  return true;
}

}  // namespace penstock::log::kafka
