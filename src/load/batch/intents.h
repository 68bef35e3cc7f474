// Intents: where the batches under way are written down before they are sent, and how far the store
// is.
//
// In a file of the data directory where one process loads alone; in a topic that all of them read
// where several share the partitions (intent_book.h), so that whoever has a partition next repeats
// the same batch under the same id. Home loop only; every callback runs on it. `stop` forgets
// callbacks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "load/batch/intent.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::load {

class Intents {
 public:
  virtual ~Intents() = default;

  /// `at`: what the log says of each partition: committed, or its start. `changed` is called when
  /// `ready`, `ends`, `stored`, `open` or `trouble` may answer something else without our doing.
  virtual Status start(std::vector<Offset> at, std::function<void()> changed) = 0;
  virtual void stop() = 0;
  virtual bool ready() const = 0;
  /// Why nothing goes on, for good; empty: it does.
  virtual std::string trouble() const { return {}; }

  /// Where each partition's next batch begins, and below what everything is stored.
  virtual std::vector<Offset> ends() const = 0;
  virtual std::vector<Offset> stored() const = 0;
  /// A batch that has to be repeated by whoever has these partitions. Only of partitions that are
  /// `read` here: of others nobody here has the records.
  virtual std::optional<Intent> open(const std::vector<bool>& mine,
                                     const std::vector<bool>& read) = 0;
  /// Such a batch that waits for somebody who reads all of it; empty: there is none.
  virtual std::string waits() const { return {}; }
  /// Records below `start` are gone from the log.
  virtual void lost(Partition partition, Offset start) = 0;

  /// A new one, not written yet.
  virtual Intent next(const std::vector<Range>& ranges) = 0;
  /// True: it is written and counts. False: another's came first, begin anew at `ends`.
  using Written = std::move_only_function<void(Result<bool>)>;
  virtual void write(const Intent& intent, Written done) = 0;
  /// Its split goes on.
  virtual void note(const Intent& intent, std::move_only_function<void(Status)> done) = 0;
  virtual void note_stored(const Intent& intent) = 0;

  /// Asks all loaders where the partitions end that each reads, until all are answered: behind all
  /// that was acknowledged to anybody before the call. kInvalid: nobody else is there to be asked.
  using Ends = std::move_only_function<void(Result<std::vector<log::Position>>)>;
  virtual void ask(Ends done) { done(fail(Code::kInvalid, "one process loads here")); }
  /// A question of somebody's that was not taken from here yet.
  virtual std::optional<Intent> asked() { return std::nullopt; }
  virtual void answer(const Intent& question, const std::vector<log::Position>& ends) {
    (void)question;
    (void)ends;
  }
};

std::unique_ptr<Intents> make_file_intents(runtime::Loop& loop, runtime::Runtime& runtime,
                                           std::string path);

struct TopicIntentsOptions {
  std::string topic;
  /// Of a process that loaded alone here before: what it left is taken along.
  std::string file;
  int64_t adopt_ms = 1000;  // until a batch that another one left is repeated here
  int64_t retry_ms = 100;
  int64_t snapshot_records = 256;  // as many are read again at a start
  int64_t ask_again_ms = 3000;     // until a question is asked once more
};
std::unique_ptr<Intents> make_topic_intents(runtime::Loop& loop, runtime::Runtime& runtime,
                                            log::Log& log, TopicIntentsOptions options);

/// What the file of a process that loads alone says; nothing if there is none.
Result<std::optional<Intent>> read_intent_file(runtime::FileSystem& files, const std::string& path,
                                               size_t partitions);

}  // namespace penstock::load
