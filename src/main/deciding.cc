#include "main/deciding.h"

#include "event/lane.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kMemberPath = "/state/member";
constexpr size_t kMemberBytesMax = 64;
/// For a process that loses slices of the projects to end what is under way.
constexpr int64_t kGiveBackMs = 20'000;

/// The data directory's own name among those that may decide: after a restart it is the same one.
Result<std::string> member_of(runtime::Runtime& runtime, const std::string& data_dir) {
  const std::string path = data_dir + std::string(kMemberPath);
  if (runtime.files().exists(path)) {
    return runtime::read_file(runtime.files(), path, kMemberBytesMax);
  }
  Uuid fresh;
  runtime.random().fill(fresh.bytes);
  const std::string name = "penstock-" + fresh.text();
  PENSTOCK_CHECK(runtime::write_file_atomic(runtime.files(), path, name));
  return name;
}

}  // namespace

bool has_asked_to_decide(const runtime::FileSystem& files, const std::string& data_dir) {
  return files.exists(data_dir + std::string(kMemberPath));
}

Result<std::unique_ptr<log::KafkaLease>> ask_to_decide(const Settings& settings,
                                                       runtime::Runtime& runtime,
                                                       const std::string& data_dir) {
  PENSTOCK_TRY(const std::string member, member_of(runtime, data_dir));
  return log::KafkaLease::join(settings.kafka,
                               {.group = "decides",
                                .topic = std::string(event::kTopicPersonCommands),
                                .member = member,
                                .give_back_ms = settings.slices > 1 ? kGiveBackMs : 0});
}

}  // namespace penstock::cli
