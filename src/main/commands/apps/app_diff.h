// AppDiff: what two versions of an app make of one event, side by side, for a terminal.
#pragma once

#include <string>

namespace penstock::cli {

struct AppDiff {
  bool same = false;  // the same event, or none, and the same error
  std::string text;   // the event's name and fates, then a row for each member that one changes
};

/// `now` and `then` are answers of `POST /apps/…/test` about the same event; an empty `now`: no
/// version runs, and what was captured is compared with. Marks of having run are no difference.
AppDiff side_by_side(const std::string& uuid, const std::string& now, const std::string& then);

}  // namespace penstock::cli
