#include "main/doctor/doctor.h"

namespace penstock::cli::doctor {

Findings examine(const std::string& data_dir) {
  Findings out;
  if (const auto instance = find_instance(data_dir)) {
    out.good("running", "Penstock " + instance->version + " runs on " + data_dir);
    examine_running(*instance, out);
  } else {
    examine_stopped(data_dir, out);
  }
  return out;
}

}  // namespace penstock::cli::doctor
