#include "ingest/steps/special.h"

#include "base/json_writer.h"

namespace penstock::ingest {

Verdict handle_special(const Item& item, Warnings& warnings) {
  if (item.event != "$$client_ingestion_warning") return {};
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id);
  if (const auto text = item.properties.find("$$client_ingestion_warning_message")) {
    w.key("message").raw(event::replace_lone_surrogates(*text));
  }
  w.field("category", "event")
      .field("severity", "info")
      .field("pipelineStep", "client-emit")
      .end_object();
  warnings.push_back({item.project->id, "client_ingestion_warning", w.take(), item.raw.now_ms});
  return Verdict::drop("client_ingestion_warning");
}

}  // namespace penstock::ingest
