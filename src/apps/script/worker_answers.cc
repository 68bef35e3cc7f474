// The worker's answers: an event's lists of apps, and what goes back of a batch.
#include <algorithm>

#include "apps/plugin_lists.h"
#include "apps/script/patch.h"
#include "apps/script/worker_run.h"
#include "base/codec.h"

namespace penstock::apps {
namespace {

constexpr size_t kSpareRunsMax = 512;

}  // namespace

/// The lists of apps for the event, as JSON members; the last one's are usually the next one's.
const std::string& Worker::lists_of(const EventRun& run) {
  std::string& key = lists_sought_;
  key.clear();
  for (size_t i = 0; i < run.steps.size(); i++) {
    const StepOut& step = run.steps[i];
    if (step.did != AppStep::Did::kSucceeded && step.did != AppStep::Did::kFailed) continue;
    ByteWriter w(key);
    w.u8(static_cast<uint8_t>(step.did));
    w.u64(step.instance);
    w.i64(run.chain[i].config);
  }
  if (key == lists_key_) return lists_;
  std::vector<std::string> succeeded, failed;
  for (size_t i = 0; i < run.steps.size(); i++) {
    const StepOut& step = run.steps[i];
    const bool ok = step.did == AppStep::Did::kSucceeded;
    if ((!ok && step.did != AppStep::Did::kFailed) || step.name == nullptr) continue;
    const std::string label = *step.name + " (" + std::to_string(run.chain[i].config) + ")";
    (ok ? succeeded : failed).push_back(label);
  }
  lists_ = plugin_lists(succeeded, failed);
  std::swap(lists_key_, key);
  return lists_;
}

void Worker::put_lists(EventRun& run, std::string_view lists) {
  if (!run.is_new && run.properties_end != 0) {
    run.last = {run.properties_end, run.text.size() - run.properties_end, {}, run.properties_end};
    run.is_new = true;
  }
  if (run.properties_end != 0) return run.last.put_members(run.text, lists);
  run.own = with_plugin_lists(run.is_new ? run.last.whole(run.text) : std::string(run.text), lists);
  run.text = run.own;
  run.is_new = false;
}

void Worker::event_done(EventRun& run) {
  run.queue->waiting--;
  if (run.fate != Fate::kDropped && !run.elsewhere) {
    const std::string& lists = lists_of(run);
    if (!lists.empty()) put_lists(run, lists);
    if (!lists.empty() || run.changed) run.fate = Fate::kChanged;
  }
  if (--run.batch->left == 0) batch_done(*run.batch);
}

void Worker::batch_done(Batch& batch) {
  std::string frame(1, static_cast<char>(FromWorker::kBatchDone));
  ByteWriter w(frame);
  w.u64(batch.id);
  w.varint(batch.runs.size());
  for (const auto& done : batch.runs) {
    w.u8(done->elsewhere ? kElsewhere : static_cast<uint8_t>(done->fate));
    if (done->fate == Fate::kChanged && !done->elsewhere) {
      if (done->is_new && done->text.data() == done->original.data()) {
        put_patch(w, done->last);
      } else {
        put_patch(w, done->original, done->is_new ? done->last.whole(done->text) : done->own);
      }
    }
    if (done->fate == Fate::kDropped || done->elsewhere) w.u64(done->dropped_by);
    w.varint(done->steps.size());
    for (const StepOut& step : done->steps) {
      w.u64(step.instance);
      w.u8(static_cast<uint8_t>(step.did));
      w.varint(static_cast<uint64_t>(std::max<int64_t>(step.cpu_us, 0)));
      w.bytes(step.error);
      w.bytes(step.after);
    }
  }
  size_t memory = 0;
  for (const auto& [id, instance] : instances_) {
    if (instance->vm) memory += instance->vm->memory_bytes();
  }
  w.u64(memory);
  send(std::move(frame));
  for (auto& run : batch.runs) {
    if (spare_.size() < kSpareRunsMax) spare_.push_back(std::move(run));
  }
  batches_.erase(batch.id);
}

}  // namespace penstock::apps
