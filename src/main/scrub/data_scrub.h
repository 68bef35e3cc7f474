// DataScrub: reads what Penstock keeps beside its log again and again, slowly, and tells what is
// damaged: tables of the state engines, objects, parts of the embedded store (the log's own check
// is log/scrub.h).
//
// A pass reads the items of all places in turn, each whole, and rests after each so that the rate
// holds; a day after its begin comes the next. What looks damaged is read a second time before it
// counts. How far a pass is and what was found is kept in a small file, so that a restart goes on
// there. Nothing is repaired: which copy is the right one is for a person to say, and the runbook
// (log_damage_found.md) says how for each place.
//
// Threads: made, started and destroyed on the loop; `status` from any. Failure: a place that cannot
// be asked is asked again, and passed over in this pass when that does not help.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "admin/admin.h"
#include "main/scrub/options.h"
#include "main/scrub/places.h"
#include "main/settings.h"
#include "runtime/runtime.h"

namespace penstock::cli::scrub {

class DataScrub {
 public:
  DataScrub(runtime::Loop& loop, runtime::Runtime& runtime,
            std::vector<std::unique_ptr<Place>> places, DataScrubOptions options);
  ~DataScrub() { *alive_ = false; }
  DataScrub(const DataScrub&) = delete;
  DataScrub& operator=(const DataScrub&) = delete;

  void start();
  admin::DataScrubStatus status() const;

 private:
  using Where = std::pair<std::string, std::string>;  // place, item
  struct Damage {
    std::string problem;
    int64_t found_ms = 0;
    bool seen = false;  // in this pass
  };

  void after(int64_t us, void (DataScrub::*step)());
  void look();
  void next();
  void listed(Result<std::vector<Item>> items);
  void checked(const Item& item, Result<std::string> problem);
  void found(const Item& item, const std::string& problem);
  void failed(const Error& error, bool listing);
  void next_place();
  void pass_ended();
  void keep(bool now);
  void read_kept();
  void tell();

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  const std::vector<std::unique_ptr<Place>> places_;
  const DataScrubOptions options_;
  bool running_ = false, doubted_ = false;
  int64_t began_ms_ = 0, ended_ms_ = 0, kept_ns_ = 0;
  size_t place_ = 0;   // of this pass
  std::string after_;  // the item that was read last in it
  std::deque<Item> items_;
  int failures_ = 0;  // in a row
  uint64_t checked_ = 0, pass_bytes_ = 0, pass_items_ = 0, last_bytes_ = 0, last_items_ = 0;
  std::map<Where, Damage> damage_;
  std::string last_error_;
  mutable std::mutex mutex_;
  admin::DataScrubStatus status_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Of everything that lies in the data directory; S3 and servers look after what they keep.
std::unique_ptr<DataScrub> make_data_scrub(const Settings& settings, runtime::Loop& loop,
                                           runtime::Runtime& runtime, const std::string& data_dir,
                                           store::EventStore& store);

}  // namespace penstock::cli::scrub
