// Layout (RocksDB's integrated BlobDB, numbers little-endian): a header of 30 bytes; records of
// lengths, checksums, key and value; a footer of 32 bytes that counts them.
#include <fmt/format.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <memory>

#include "base/codec.h"
#include "base/hash.h"
#include "kv/rocks/values_apart.h"
#include "kv/table_file.h"

namespace penstock::kv {
namespace {

constexpr uint32_t kMagic = 2395959, kVersion = 1;
constexpr size_t kHeaderBytes = 30;
constexpr size_t kRecordHeaderBytes = 32;  // of key, of value, expiry, checksums of these and those
constexpr size_t kLengthsBytes = 24;       // what the first checksum is of
constexpr size_t kFooterSummed = 28;       // magic, count, two times; its checksum
constexpr size_t kPieceBytes = 1U << 20;

/// Checksums that are stored are turned, so that one of bytes with a checksum in them differs.
uint32_t turned(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

class ValueFile {
 public:
  ValueFile(std::unique_ptr<rocksdb::SequentialFile> file, uint64_t bytes)
      : file_(std::move(file)), left_(bytes), piece_(kPieceBytes, '\0') {}

  Status check() {
    PENSTOCK_TRY(const std::string header, take(kHeaderBytes));
    // It has no checksum, but all of it is known: one column family, nothing expires.
    std::string known;
    ByteWriter out(known);
    out.u32(kMagic);
    out.u32(kVersion);
    out.u32(0);
    out.u8(0);
    out.u8(kValuesCompression);
    out.u64(0);
    out.u64(0);
    if (header != known) return damaged(0, "no file of values begins like that");
    for (uint64_t records = 0;; records++) {
      const uint64_t at = at_;
      // A footer is as long.
      PENSTOCK_TRY(const std::string head, take(kRecordHeaderBytes));
      RecordHeader of;
      if (!decode(head, of)) return check_footer(head, at, records);
      PENSTOCK_CHECK(check_values(of, at));
    }
  }

 private:
  struct RecordHeader {
    uint64_t key_bytes = 0, value_bytes = 0;
    uint32_t crc = 0;  // of both
  };

  static std::unexpected<Error> damaged(uint64_t at, std::string_view what) {
    return fail(Code::kCorrupt, fmt::format("damaged at byte {}: {}", at, what));
  }

  /// Whether it is one.
  static bool decode(std::string_view bytes, RecordHeader& out) {
    ByteReader in(bytes);
    out.key_bytes = in.u64();
    out.value_bytes = in.u64();
    (void)in.u64();
    const bool right = turned(crc32c(bytes.substr(0, kLengthsBytes))) == in.u32();
    out.crc = in.u32();
    return right;
  }

  Status check_footer(std::string_view footer, uint64_t at, uint64_t records) const {
    if (left_ > 0) return damaged(at, "lengths are not what was written");
    ByteReader in(footer);
    const bool magic = in.u32() == kMagic;
    const uint64_t counted = in.u64();
    ByteReader crc(footer.substr(kFooterSummed));
    if (!magic || turned(crc32c(footer.substr(0, kFooterSummed))) != crc.u32()) {
      return damaged(at, "the end is not what was written");
    }
    if (counted == records) return {};
    return damaged(at, fmt::format("{} values of {}", records, counted));
  }

  Status check_values(const RecordHeader& of, uint64_t at) {
    if (of.key_bytes > left_ || of.value_bytes > left_ - of.key_bytes) return no_end();
    uint32_t crc = 0;
    for (uint64_t to_read = of.key_bytes + of.value_bytes; to_read > 0;) {
      PENSTOCK_TRY(const std::string piece, take(std::min<uint64_t>(to_read, kPieceBytes)));
      crc = crc32c(piece, crc);
      to_read -= piece.size();
    }
    if (turned(crc) == of.crc) return {};
    return damaged(at, "a key or its value is not what was written");
  }

  static std::unexpected<Error> no_end() { return fail(Code::kBusy, "it has no end"); }

  Result<std::string> take(size_t n) {
    if (n > left_) return no_end();
    std::string out;
    while (out.size() < n) {
      rocksdb::Slice got;
      const rocksdb::Status s = file_->Read(n - out.size(), &got, piece_.data());
      if (!s.ok()) return fail(Code::kUnavailable, s.ToString());
      if (got.empty()) return no_end();
      out.append(got.data(), got.size());
    }
    at_ += n;
    left_ -= n;
    return out;
  }

  std::unique_ptr<rocksdb::SequentialFile> file_;
  uint64_t left_, at_ = 0;
  std::string piece_;
};

}  // namespace

Status check_value_file(const std::string& path) {
  rocksdb::Env* env = rocksdb::Env::Default();
  uint64_t bytes = 0;
  std::unique_ptr<rocksdb::SequentialFile> file;
  rocksdb::Status s = env->GetFileSize(path, &bytes);
  if (s.ok()) s = env->NewSequentialFile(path, &file, rocksdb::EnvOptions());
  if (s.ok()) return ValueFile(std::move(file), bytes).check();
  if (env->FileExists(path).IsNotFound()) return fail(Code::kNotFound, path + " is gone");
  return fail(Code::kUnavailable, s.ToString());
}

}  // namespace penstock::kv
