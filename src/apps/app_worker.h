// The worker process's side: `app-worker --fd N --page N [--geoip FILE]`, started by make_apps.
//
// Runs until its socket is closed. Does not return to main: it has given up the rights that ending
// orderly would need.
#pragma once

namespace penstock::apps {

int app_worker_main(int argc, char** argv);

}  // namespace penstock::apps
