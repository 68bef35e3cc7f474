#include "ingest/steps/merge_note.h"

namespace penstock::ingest {
namespace {

/// Of a distinct id change and its place in a batch, beside the id.
constexpr size_t kChangeBytes = 40;

}  // namespace

size_t MergeNote::bytes() const {
  size_t out = source.size() + target.size() + event.size();
  for (const auto& id : moved) out += 2 * id.distinct_id.size() + kChangeBytes;
  return out;
}

event::PersonMerge MergeNote::record() const {
  event::PersonMerge out;
  out.project = project;
  out.event_uuid = event_uuid;
  out.event = event;
  out.source_id = source_id;
  out.target_id = target_id;
  out.source = source;
  out.target = target;
  out.result = result;
  for (const auto& id : moved) {
    out.moved.push_back(id.distinct_id);
    out.moved_attached_ms.push_back(id.attached_at_ms);
  }
  return out;
}

std::string snapshot_of(const PersonState* person) {
  std::string out;
  if (person == nullptr) return out;
  std::string stamps;
  event::encode(person->change(stamps), out);
  return out;
}

}  // namespace penstock::ingest
