// The engine child's cage: it may write in its own directory, read what a program needs, and
// nothing else; it opens no internet sockets and starts no programs.
//
// Queries are checked before they come here and run read-only; this is what holds if a check has a
// hole. Landlock for files where the kernel has it (5.13), seccomp for the rest. Call once, before
// threads are started.
#pragma once

#include <string>

namespace penstock::store {

struct Cage {
  bool files = false;    // Landlock holds
  bool network = false;  // the system call filter holds
};

/// `library` stays readable. What the kernel lacks is left out and visible in the answer.
Cage enter_cage(const std::string& directory, const std::string& library);

}  // namespace penstock::store
