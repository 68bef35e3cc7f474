// Public jobs: jobs of an app that people may start, with what they are asked for (`publicJobs` of
// plugin.json: name → {"payload": {key: {title, type, required, default}}}).
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::catalog {

std::vector<std::string> public_job_names(std::string_view public_jobs);

/// What the job gets: `given` (a JSON object) with defaults filled in. A job that asks for nothing
/// takes anything. kNotFound: there is no such job. kInvalid names the field.
Result<std::string> public_job_payload(std::string_view public_jobs, std::string_view job,
                                       std::string_view given);

}  // namespace penstock::catalog
