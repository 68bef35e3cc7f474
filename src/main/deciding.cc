#include "main/deciding.h"

#include "main/topics.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kMemberPath = "/state/member";
constexpr size_t kMemberBytesMax = 64;
/// For a process that loses slices of the projects to end what is under way.
constexpr int64_t kGiveBackMs = 20'000;

std::string member_path(const Settings& settings, const std::string& data_dir) {
  return data_dir + std::string(kMemberPath) + settings.range_name();
}

}  // namespace

Result<std::string> member_name(runtime::Runtime& runtime, const std::string& path) {
  if (runtime.files().exists(path)) {
    return runtime::read_file(runtime.files(), path, kMemberBytesMax);
  }
  Uuid fresh;
  runtime.random().fill(fresh.bytes);
  const std::string name = "penstock-" + fresh.text();
  PENSTOCK_CHECK(runtime::write_file_atomic(runtime.files(), path, name));
  return name;
}

bool has_asked_to_decide(const Settings& settings, const runtime::FileSystem& files,
                         const std::string& data_dir) {
  return files.exists(member_path(settings, data_dir));
}

Result<std::unique_ptr<log::KafkaLease>> ask_to_decide(const Settings& settings,
                                                       runtime::Runtime& runtime,
                                                       const std::string& data_dir) {
  PENSTOCK_TRY(const std::string member, member_name(runtime, member_path(settings, data_dir)));
  PENSTOCK_TRY(const auto range, settings.slice_range());
  return log::KafkaLease::join(settings.kafka,
                               {.group = "decides" + settings.range_name(),
                                .topic = lease_topic(settings),
                                .member = member,
                                .give_back_ms = settings.slices > 1 ? kGiveBackMs : 0,
                                .first = range.from});
}

}  // namespace penstock::cli
