#include "capture/admit/admission.h"

namespace penstock::capture {

Admitted Admission::admit(const catalog::Project*, event::RawRecord& record) {
  return {record.historical ? event::Lane::kHistorical : event::Lane::kMain, {}};
}

}  // namespace penstock::capture
