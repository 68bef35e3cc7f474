#include "capture/admit/quota.h"

#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using catalog::Pipeline;
using catalog::QuotaResource;

bool is_survey(std::string_view event) {
  return event == "survey sent" || event == "survey shown" || event == "survey dismissed";
}

/// A tour's own surveys are not counted as surveys. Only surveys pay for reading their properties.
bool has_product_tour(std::string_view data) {
  const auto top = event::JsonFields::parse(data);
  if (!top) return false;
  const auto raw = top->find("properties");
  if (!raw) return false;
  const auto properties = event::JsonFields::parse(*raw);
  return properties && properties->contains("$product_tour_id");
}

}  // namespace

QuotaResource resource_of(const event::RawRecord& record, Endpoint endpoint) {
  if (endpoint == Endpoint::kRecordings) return QuotaResource::kRecordings;
  const std::string_view event = record.event;
  if (event.empty()) return QuotaResource::kEvents;
  if (event.front() == '$') {
    if (event.starts_with("$ai_")) return QuotaResource::kLlmEvents;
    if (event == "$exception") return QuotaResource::kExceptions;
    return QuotaResource::kEvents;
  }
  if (event.front() == 's' && is_survey(event) && !has_product_tour(record.data)) {
    return QuotaResource::kSurveys;
  }
  return QuotaResource::kEvents;
}

Pipeline pipeline_of(std::string_view event, Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kRecordings: return Pipeline::kRecordings;
    case Endpoint::kAi: return Pipeline::kAi;
    case Endpoint::kEvents: break;
  }
  if (event.starts_with("$ai_")) return Pipeline::kAi;
  if (event == "$exception") return Pipeline::kErrorTracking;
  return Pipeline::kAnalytics;
}

}  // namespace penstock::capture
