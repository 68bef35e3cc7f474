#include "apps/script/cage.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" char** environ;

namespace penstock::apps {
namespace {

constexpr uid_t kNobody = 65534;

/// Not only forgotten: overwritten where the kernel put it.
void forget_environment() {
  for (char** at = environ; at != nullptr && *at != nullptr; at++) {
    std::memset(*at, 0, std::strlen(*at));
  }
  ::clearenv();
}

bool become_nobody() {
  if (::geteuid() != 0) return false;
  const bool done = ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                    ::setresuid(kNobody, kNobody, kNobody) == 0;
  // The kernel forgets this with every change of user.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return done;
}

/// What a process needs that computes, waits, and talks over what is open already.
[[maybe_unused]] constexpr std::array kAllowed{
    SYS_read,           SYS_write,
    SYS_readv,          SYS_writev,
    SYS_recvfrom,       SYS_sendto,
    SYS_recvmsg,        SYS_sendmsg,
    SYS_ppoll,          SYS_close,
    SYS_mmap,           SYS_munmap,
    SYS_mremap,         SYS_mprotect,
    SYS_madvise,        SYS_brk,
    SYS_futex,          SYS_clock_gettime,
    SYS_clock_getres,   SYS_clock_nanosleep,
    SYS_nanosleep,      SYS_gettimeofday,
    SYS_getrandom,      SYS_exit,
    SYS_exit_group,     SYS_rt_sigreturn,
    SYS_rt_sigprocmask, SYS_rt_sigaction,
    SYS_sigaltstack,    SYS_sched_yield,
    SYS_getpid,         SYS_gettid,
    SYS_tgkill,         SYS_restart_syscall,
    SYS_setitimer,      SYS_getrusage,
#if defined(__x86_64__)
    SYS_poll,           SYS_time,
#endif
};

[[maybe_unused]] constexpr uint32_t refuse(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA);
}

bool filter_calls() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;  // sanitizers look around in ways that a filter cannot tell from an attack
#else
#if defined(__x86_64__)
  constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#endif
  std::vector<sock_filter> filter{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, refuse(ENOSYS)),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (const auto call : kAllowed) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, refuse(EPERM)));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
#endif
}

}  // namespace

Cage enter_cage() {
  Cage cage;
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  forget_environment();
  cage.user = become_nobody();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return cage;
  cage.calls = filter_calls();
  return cage;
}

}  // namespace penstock::apps
