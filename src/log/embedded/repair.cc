// Looking at and repairing a topic's segments while the log is not running.
#include <fmt/format.h>

#include <algorithm>

#include "log/embedded/segment.h"
#include "log/embedded_log.h"

namespace penstock::log {
namespace {

struct Opened {
  std::string path;
  std::unique_ptr<runtime::File> file;
  uint64_t bytes = 0;
  Result<SegmentHeader> header = fail(Code::kBug, "not read");
};

Result<std::vector<Opened>> open_all(runtime::Runtime& runtime, const std::string& folder) {
  PENSTOCK_TRY(const auto names, runtime.files().list(folder));
  std::vector<Opened> out;
  for (const std::string& name : names) {
    if (!name.ends_with(".seg")) continue;
    Opened o;
    o.path = folder + "/" + name;
    PENSTOCK_TRY(o.file, runtime.files().open(o.path, {}));
    PENSTOCK_TRY(o.bytes, o.file->size());
    o.header = read_segment_header(*o.file, o.path);
    out.push_back(std::move(o));
  }
  return out;
}

Status copy_file(runtime::FileSystem& files, const runtime::File& from, uint64_t bytes,
                 const std::string& to) {
  PENSTOCK_TRY(const auto out, files.open(to, {.create = true, .truncate = true}));
  std::string chunk;
  for (uint64_t at = 0; at < bytes; at += chunk.size()) {
    chunk.assign(std::min<uint64_t>(1U << 20, bytes - at), '\0');
    PENSTOCK_TRY(const size_t got, from.pread(chunk, at));
    chunk.resize(got);
    if (chunk.empty()) break;
    PENSTOCK_CHECK(out->pwrite(chunk, at));
  }
  return out->sync();
}

/// Puts a skip block over [at, later).
Status write_skip(runtime::File& file, uint64_t epoch, uint64_t number, uint64_t at,
                  uint64_t later, uint64_t later_number) {
  BlockHeader header;
  header.flags = kSkipBlock;
  header.epoch = epoch;
  header.number = number;
  header.time_ms = static_cast<int64_t>(later - at);
  SubBatch next;
  next.count = 0;
  next.sequence = static_cast<int64_t>(later_number);
  AlignedBuffer buffer;
  const size_t padded = build_block(buffer, header, {next});
  PENSTOCK_CHECK(file.pwrite({buffer.data(), padded}, at));
  return file.sync();
}

Result<BlockHeader> header_at(const runtime::File& file, uint64_t at) {
  std::string head(kBlockHeaderBytes, '\0');
  PENSTOCK_TRY(const size_t got, file.pread(head, at));
  const auto header = peek_block(std::string_view(head).substr(0, got));
  if (!header) return fail(Code::kBug, "a block that was sound is not any more");
  return *header;
}

}  // namespace

Result<std::vector<SegmentReport>> inspect_topic(runtime::Runtime& runtime,
                                                 const std::string& directory,
                                                 const std::string& topic) {
  PENSTOCK_TRY(auto segments, open_all(runtime, directory + "/" + topic));
  std::vector<SegmentReport> out;
  for (size_t i = 0; i < segments.size(); i++) {
    Opened& o = segments[i];
    SegmentReport report;
    report.file = o.path;
    if (!o.header) {
      report.problem = o.header.error().message;
      out.push_back(std::move(report));
      continue;
    }
    const SegmentHeader& h = *o.header;
    report.first_block = h.first_block;
    std::vector<int64_t> end = h.base;
    const bool last = i + 1 == segments.size();
    const uint64_t limit = last || !segments[i + 1].header ? UINT64_MAX
                                                           : segments[i + 1].header->valid_before;
    const WalkResult walked = walk_blocks(
        *o.file, h.epoch, kSegmentHeaderBytes, h.first_block, o.bytes, [&](WalkedBlock&& b) {
          if (b.header.number >= limit) return false;
          report.blocks++;
          for (const SubBatch& s : b.subs) {
            end[static_cast<size_t>(s.partition.value)] = s.base.value + s.count;
            report.records += s.count;
          }
          return true;
        });
    report.bytes_used = walked.at;
    for (size_t p = 0; p < end.size(); p++) {
      report.partitions.push_back({Partition{static_cast<int32_t>(p)}, Offset{h.base[p]},
                                   Offset{end[p]}});
    }
    if (walked.end == WalkEnd::kIoError) report.problem = walked.error.message;
    if (walked.end == WalkEnd::kInvalid && walked.next_number < limit) {
      PENSTOCK_TRY(const uint64_t later, find_later_block(*o.file, h.epoch, walked.next_number,
                                                          walked.at + kPage, o.bytes));
      if (later != 0 || !last) report.problem = fmt::format("damaged at byte {}", walked.at);
    }
    out.push_back(std::move(report));
  }
  return out;
}

Result<RepairReport> repair_topic(runtime::Runtime& runtime, const std::string& directory,
                                  const std::string& topic) {
  RepairReport report;
  runtime::FileSystem& files = runtime.files();
  PENSTOCK_TRY(auto segments, open_all(runtime, directory + "/" + topic));
  const std::string damaged = directory + "/damaged";
  PENSTOCK_CHECK(files.create_directories(damaged));
  for (size_t i = 0; i < segments.size(); i++) {
    Opened& o = segments[i];
    const std::string copy = damaged + "/" + topic + "-" + o.path.substr(o.path.rfind('/') + 1);
    const bool last = i + 1 == segments.size();
    if (!o.header) {
      PENSTOCK_CHECK(files.rename(o.path, copy));
      report.actions.push_back(o.path + ": its header is unreadable; moved to " + copy);
      continue;
    }
    const SegmentHeader& h = *o.header;
    const uint64_t limit = last || !segments[i + 1].header ? UINT64_MAX
                                                           : segments[i + 1].header->valid_before;
    std::vector<int64_t> end = h.base;
    bool copied = false;
    uint64_t at = kSegmentHeaderBytes, number = h.first_block;
    for (;;) {
      bool over = false;
      const WalkResult walked =
          walk_blocks(*o.file, h.epoch, at, number, o.bytes, [&](WalkedBlock&& b) {
            over = b.header.number >= limit;
            if (over) return false;
            for (const SubBatch& s : b.subs) {
              int64_t& e = end[static_cast<size_t>(s.partition.value)];
              if (s.base.value > e) report.records_lost += static_cast<uint64_t>(s.base.value - e);
              e = s.base.value + s.count;
            }
            return true;
          });
      if (walked.end == WalkEnd::kIoError) return fail(walked.error, o.path);
      if (walked.end != WalkEnd::kInvalid || over || walked.next_number >= limit) break;
      PENSTOCK_TRY(uint64_t later, find_later_block(*o.file, h.epoch, walked.next_number,
                                                    walked.at + kPage, o.bytes));
      if (later == 0 && last) break;  // a torn tail, which start-up cuts by itself
      uint64_t later_number = limit;
      if (later == 0) {
        later = o.bytes;  // nothing readable follows in this sealed segment
      } else {
        PENSTOCK_TRY(const BlockHeader next, header_at(*o.file, later));
        later_number = next.number;
      }
      if (!copied) {
        PENSTOCK_CHECK(copy_file(files, *o.file, o.bytes, copy));
        copied = true;
      }
      PENSTOCK_CHECK(write_skip(*o.file, h.epoch, walked.next_number, walked.at, later, later_number));
      report.actions.push_back(fmt::format("{}: bytes {} to {} are unreadable and skipped; the "
                                           "original is kept as {}", o.path, walked.at, later, copy));
      at = later;
      number = later_number;
    }
    if (!last && segments[i + 1].header) {
      for (size_t p = 0; p < end.size(); p++) {
        const int64_t next = segments[i + 1].header->base[p];
        if (next > end[p]) report.records_lost += static_cast<uint64_t>(next - end[p]);
      }
    }
  }
  PENSTOCK_CHECK(files.sync_directory(directory + "/" + topic));
  return report;
}

}  // namespace penstock::log
