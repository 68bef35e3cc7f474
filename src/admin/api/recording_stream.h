// RecordingStream: one session's rrweb events on their way to a client, in the order of time.
//
// Blocks are read from the object store on the pool, merged with bounded memory, and written at the
// client's pace. A block that is gone or damaged is told by a line `{"error":…}` and skipped, for
// the answer has begun. Admin loop only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/admin.h"
#include "recording/merge.h"

namespace penstock::admin {

struct RecordedBlock {
  int64_t first_timestamp_ms = 0;
  std::string url;
};

class RecordingStream : public std::enable_shared_from_this<RecordingStream> {
 public:
  /// `blocks` in the order of their first timestamps.
  RecordingStream(AdminService::Parts& parts, const AdminOptions& options,
                  std::vector<RecordedBlock> blocks, std::shared_ptr<wire::BodyStream> stream);

  void start() { go_on(); }
  void stop();
  bool finished() const { return stream_ == nullptr; }

 private:
  void go_on();
  void read_block();
  void took_block(Result<std::string> text);
  bool write(std::string_view bytes);

  AdminService::Parts& parts_;
  const AdminOptions& options_;
  std::vector<RecordedBlock> blocks_;
  recording::BlockMerge merge_;
  std::shared_ptr<wire::BodyStream> stream_;
};

}  // namespace penstock::admin
