#include "base/probe.h"

namespace penstock {
namespace {

constinit std::atomic<const ProbePoint*> newest{nullptr};

}  // namespace

ProbePoint::ProbePoint(std::string_view name) : name_(name), next_(newest.load()) {
  newest.store(this);  // before threads start
}

std::vector<ProbeCount> probe_counts() {
  std::vector<ProbeCount> out;
  for (const ProbePoint* p = newest.load(); p != nullptr; p = p->next()) {
    out.push_back({p->name(), p->count()});
  }
  std::ranges::sort(out, {}, &ProbeCount::name);
  return out;
}

}  // namespace penstock
