// Slices of the projects as the settings have them: which there are, and which are looked at here.
#include <fmt/format.h>

#include <charconv>

#include "main/stages.h"

namespace penstock::cli {
namespace {

constexpr int32_t kPartitionsMax = 16'384;  // of one topic

}  // namespace

Result<Settings::SliceRange> Settings::slice_range() const {
  if (slices_here.empty()) return SliceRange{0, slices - 1};
  SliceRange out;
  const char* const end = slices_here.data() + slices_here.size();
  const auto from = std::from_chars(slices_here.data(), end, out.from);
  const bool dash = from.ec == std::errc() && from.ptr != end && *from.ptr == '-';
  const auto to = dash ? std::from_chars(from.ptr + 1, end, out.to) : from;
  if (!dash || to.ec != std::errc() || to.ptr != end || out.from < 0 || out.to < out.from ||
      out.to >= slices) {
    return fail(Code::kInvalid,
                fmt::format("process.slices is '{}'; it is FROM-TO, of the slices 0 to {}",
                            slices_here, slices - 1));
  }
  return out;
}

std::string Settings::range_name() const {
  const auto range = slice_range();
  if (!looks_at_some_slices() || !range) return "";
  return fmt::format("-{}-{}", range->from, range->to);
}

Status check_slices(const Settings& s) {
  if (s.slices > 1 && s.log_engine != "kafka") {
    return fail(Code::kInvalid, "ingest.slices above 1 needs log.engine = kafka");
  }
  if (s.slice_lanes && s.slices == 1) {
    return fail(Code::kInvalid, "ingest.slice_lanes needs ingest.slices above 1");
  }
  if (s.layout().of_processed() > kPartitionsMax) {
    return fail(Code::kInvalid,
                fmt::format("log.partitions times ingest.slices is above {}", kPartitionsMax));
  }
  PENSTOCK_CHECK(s.slice_range());
  if (!s.looks_at_some_slices()) return {};
  if (!s.layout().apart) return fail(Code::kInvalid, "process.slices needs ingest.slice_lanes");
  // Everything else is about projects, and nothing of a project lies in another slice's partitions.
  if (!s.runs("capture")) return {};
  return fail(Code::kInvalid,
              "process.slices: capture writes to the lanes of all slices; give it a process of its "
              "own");
}

}  // namespace penstock::cli
