// What a worker knows of an event on its way through its apps. Thread: the worker's only one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/script/patch.h"
#include "apps/script/worker.h"

namespace penstock::apps {

/// What one app did with an event.
struct StepOut {
  uint64_t instance = 0;
  AppStep::Did did = AppStep::Did::kSkipped;
  int64_t cpu_us = 0;
  std::shared_ptr<const std::string> name;  // of the app; null: it was not called
  std::string error, after;
};

/// One event on its way through its apps. Used again for another one: its lists keep their room.
struct EventRun {
  Worker::Batch* batch = nullptr;
  Worker::ProjectQueue* queue = nullptr;
  size_t index = 0;
  int64_t project = 0;
  bool diffs = false, changed = false;
  bool elsewhere = false;
  bool cancelled = false;     // nobody waits for it: no further app is asked
  std::string_view original;  // as it came, in the batch's text
  std::string_view text;      // as it is now: `original`, or `own`
  std::string own;
  NewText last;         // of `changed`: what became of `text`, where nobody needed all of it
  bool is_new = false;  // there is a `last`
  struct Link {
    uint64_t instance = 0;
    ConfigId config = 0;
  };
  std::vector<Link> chain;
  size_t at = 0;
  uint64_t asked = 0;         // the instance that has it; 0: none
  int64_t ran_ns = 0;         // of `asked`, until it waited for something
  size_t properties_end = 0;  // NewText's, 0 also where nobody knows
  Fate fate = Fate::kUnchanged;
  uint64_t dropped_by = 0;
  std::vector<StepOut> steps;  // by place in `chain`
};

struct Worker::Batch {
  uint64_t id = 0;
  std::string text;  // the frame that it came in, where it did not come through the room
  std::vector<std::unique_ptr<EventRun>> runs;
  size_t left = 0;
};

}  // namespace penstock::apps
