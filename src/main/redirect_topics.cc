#include "main/redirect_topics.h"

#include <fmt/format.h>

#include "base/diag.h"
#include "event/lane.h"

namespace penstock::cli {

Status RedirectTopics::open(const std::string& topic) {
  if (open_.contains(topic)) return {};
  if (open_.size() >= kTopicsMax) {
    return fail(Code::kExhausted, fmt::format("there are {} topics already", kTopicsMax));
  }
  log::TopicSpec spec = like_;
  spec.name = topic;
  PENSTOCK_CHECK(log_.ensure_topic(std::move(spec)));
  open_.insert(topic);
  return {};
}

Status RedirectTopics::open_existing(const runtime::FileSystem& files,
                                     const std::string& log_directory) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_TRY(const auto names, files.list(log_directory));
  for (const std::string& name : names) {
    if (name.starts_with(event::kRedirectPrefix)) PENSTOCK_CHECK(open(name));
  }
  return {};
}

void RedirectTopics::ensure(const catalog::Snapshot& snapshot) {
  const std::lock_guard lock(mutex_);
  for (const catalog::Project& project : snapshot.projects) {
    for (const catalog::EventRestriction& r : project.settings->admission.restrictions) {
      if (r.type != catalog::RestrictionType::kRedirectTopic) continue;
      const std::string topic = std::string(event::kRedirectPrefix) + r.topic;
      const Status done = open(topic);
      if (done) {
        refused_.erase(topic);
      } else if (refused_.insert(topic).second) {
        diag::warn("a topic for redirected events cannot be opened; they are answered 503",
                   {{"topic", topic}, {"error", done.error().message}});
      }
    }
  }
}

}  // namespace penstock::cli
