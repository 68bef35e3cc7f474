#include "main/object_engine.h"

#include <thread>

#include "base/diag.h"
#include "objects/retrying_objects.h"

namespace penstock::cli {

Result<std::unique_ptr<objects::ObjectStore>> open_objects(const Settings& settings,
                                                           runtime::Runtime& runtime,
                                                           const std::string& data_dir) {
  if (settings.objects_engine != "s3") {
    auto out = objects::make_directory_objects(runtime, data_dir + "/objects");
    PENSTOCK_CHECK(out->start());
    return out;
  }
  objects::S3Options options = settings.s3;
  PENSTOCK_CHECK(objects::read_s3_url(settings.s3_url, options));
  auto out = objects::make_retrying_objects(
      objects::make_s3_objects(runtime, std::move(options)), runtime,
      [](runtime::Duration pause) { std::this_thread::sleep_for(pause); });
  const Status started = out->start();
  if (started) return out;
  const Code code = started.error().code;
  if (code == Code::kUnavailable || code == Code::kBusy || code == Code::kTimeout) {
    // Capture and the log need no object store, and what does goes on when it is back.
    diag::warn("the object store is not there yet", {{"error", started.error().message}});
    return out;
  }
  return fail(started.error(), "objects.s3_url");
}

}  // namespace penstock::cli
