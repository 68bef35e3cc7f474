#include "log/log.h"

#include "base/codec.h"

namespace penstock::log {

void encode_record(std::string& data, std::string_view record) { ByteWriter(data).bytes(record); }

void begin_record(std::string& data, size_t size) { ByteWriter(data).varint(size); }

namespace {

constexpr size_t kUsualPrefix = 2;  // of the length of a record between 128 bytes and 16 KiB

}  // namespace

size_t open_record(std::string& data) {
  data.append(kUsualPrefix, '\0');
  return data.size() - kUsualPrefix;
}

size_t close_record(std::string& data, size_t opened) {
  const size_t size = data.size() - opened - kUsualPrefix;
  const size_t prefix = varint_size(size);
  if (prefix > kUsualPrefix) data.insert(opened, prefix - kUsualPrefix, '\0');
  if (prefix < kUsualPrefix) data.erase(opened, kUsualPrefix - prefix);
  uint64_t left = size;
  for (size_t i = 0; i < prefix; i++, left >>= 7) {
    const auto more = static_cast<uint8_t>(i + 1 < prefix ? 0x80 : 0);
    data[opened + i] = static_cast<char>((left & 0x7f) | more);
  }
  return opened + prefix;
}

void Log::ends(runtime::Loop& home, std::string topic, EndsDone done) {
  // Of a log that one process writes: it knows.
  home.post([known = bounds(topic), done = std::move(done)]() mutable {
    if (!known) return done(std::unexpected(std::move(known).error()));
    std::vector<Position> out;
    for (const PartitionBounds& b : *known) out.push_back({b.partition, b.end});
    done(std::move(out));
  });
}

}  // namespace penstock::log
