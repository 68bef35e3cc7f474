// IntentBook: which batches of several loaders count, by the order of one log.
//
// Loaders that share a topic write down what they are about to store as a record of one partition
// (docs/formats/store.md); everybody reads the same records in the same order and so knows the
// same. A batch counts if each of its ranges begins at or behind the end of all that counted
// before it; of two that overlap the first one counts. It is open until somebody says that it is
// stored, and whoever has one of its partitions may repeat it: its rows and its id are the same
// for all. Whoever has to know where all partitions end asks in the same place, and each loader
// answers for those that it reads: a question has no rows and changes nothing. Plain data. Failure:
// kCorrupt or kInvalid, a record that this version cannot read.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "load/batch/intent.h"

namespace penstock::load {

/// Records, as they are appended.
std::string intent_record(const Intent& intent);
std::string split_record(const Intent& intent);
std::string stored_record(const Intent& intent);
/// Of a question, which has an id and no ranges; the answer has a range for each partition: from
/// where all is stored below, to where it ends.
std::string question_record(const Intent& question);
std::string answer_record(const Intent& question, const std::vector<Range>& partitions);

class IntentBook {
 public:
  explicit IntentBook(size_t partitions = 0) : ends_(partitions) {}

  /// Records in order, beginning at one that `snapshot` made or at the log's first.
  Status apply(Offset at, std::string_view record);

  /// Behind everything that is in a batch; nothing where no batch had the partition yet.
  std::optional<Offset> end(size_t partition) const { return ends_[partition]; }
  /// Batches that count and are not stored, oldest first.
  const std::vector<Intent>& open() const { return open_; }
  /// As it stands now, with its split.
  const Intent* find(const Intent& intent) const;

  /// Of the newest questions: what has been answered so far.
  struct Question {
    Intent id;
    uint64_t asked = 0;  // counted over all questions; it grows when it is asked again
    std::vector<std::optional<Range>> partitions;
  };
  const std::deque<Question>& questions() const { return questions_; }
  const Question* question(const Intent& id) const;

  Offset next() const { return next_; }    // of the log
  Offset begin() const { return begin_; }  // the newest snapshot: who starts begins there
  /// What says all of this at once; counts if nothing came between, at `next`.
  std::string snapshot() const;

 private:
  Status take_intent(Intent intent);
  bool has(Partition partition) const;
  void take_question(Intent id);
  Status take_answer(const Intent& answer);
  Status take_snapshot(Offset at, std::string_view body, bool first);

  std::vector<std::optional<Offset>> ends_;
  std::vector<Intent> open_;
  std::deque<Question> questions_;
  uint64_t asked_ = 0;
  Offset next_, begin_;
  bool begun_ = false;
};

}  // namespace penstock::load
