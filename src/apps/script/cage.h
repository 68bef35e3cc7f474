// The worker's cage: no files, no sockets, no programs, no environment, no other user's rights.
//
// What an app can do at all is what the worker's functions offer it; this is what holds if a hole
// is found in the script engine. Call once, when everything that has to be opened is open.
#pragma once

#include <cstdint>

namespace penstock::apps {

struct Cage {
  bool user = false;   // runs as nobody; only root can do that
  bool calls = false;  // the system call filter holds
};

/// What the kernel lacks is left out and visible in the answer.
Cage enter_cage();

}  // namespace penstock::apps
