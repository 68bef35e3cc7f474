// Tail: one open live view, a reader of the processed topic that never skips.
//
// It reads the log at its client's pace: when unread bytes pile up it waits for the socket to
// drain, and the log keeps what comes meanwhile. The event id carries the position of every
// partition, so a client that reconnects goes on exactly where it was. Admin loop only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/admin.h"
#include "event/processed_record.h"

namespace penstock::admin {

struct TailFilter {
  ProjectId project;  // 0: all
  std::string event;  // exact name; empty: all
  std::string distinct_id;
  std::string outcome;   // "accepted", …; empty: all
  int64_t since_ms = 0;  // received at or after
  std::string topic;     // of event/messages.h: its messages instead of outcomes
  bool follow = true;    // false: ends where the log ended at the start
};

class Tail : public std::enable_shared_from_this<Tail> {
 public:
  Tail(AdminService::Parts& parts, const AdminOptions& options, TailFilter filter,
       std::vector<log::Position> from, std::shared_ptr<wire::BodyStream> stream);

  void start();
  void stop();
  bool finished() const { return finished_; }

  /// "12-0-7": next offset of each partition in order; nullopt when malformed.
  static std::optional<std::vector<log::Position>> parse_cursor(std::string_view text,
                                                                int32_t partitions);
  static std::string cursor_text(const std::vector<log::Position>& positions);

 private:
  void fetch();
  void on_fetched(Result<log::FetchResult> result);
  void write_batch(const log::ReadBatch& batch);
  void write_record(std::string_view record, Offset offset, Partition partition, std::string& out);
  void write_messages(const event::ProcessedRecord& record, std::string& out) const;
  bool reached_end() const;
  void progress();
  void finish();

  AdminService::Parts& parts_;
  const AdminOptions& options_;
  TailFilter filter_;
  std::vector<log::Position> positions_;
  std::vector<log::PartitionBounds> until_;  // without `follow`
  std::shared_ptr<wire::BodyStream> stream_;
  int64_t last_progress_ms_ = 0;
  bool finished_ = false;
};

}  // namespace penstock::admin
