#include <chrono>

#include "base/diag.h"
#include "wire/metrics.h"
#include "wire/tls.h"

namespace penstock::wire {
namespace {

constexpr size_t kFileBytesMax = 1U << 20;

}  // namespace

struct TlsFiles::Look {
  Result<std::string> chain, key;
  bool operator==(const Look&) const = default;
  Status problem() const {
    if (!chain) return fail(chain.error(), "the certificate file");
    if (!key) return fail(key.error(), "the key file");
    return {};
  }
};

TlsFiles::TlsFiles(runtime::Loop& loop, runtime::Runtime& runtime, std::string cert_path,
                   std::string key_path, int64_t look_every_ms)
    : loop_(loop),
      runtime_(runtime),
      cert_path_(std::move(cert_path)),
      key_path_(std::move(key_path)),
      look_every_ms_(look_every_ms) {}

TlsFiles::~TlsFiles() {
  *alive_ = false;
  loop_.cancel(timer_);
}

TlsFiles::Look TlsFiles::read() const {
  return {runtime::read_file(runtime_.files(), cert_path_, kFileBytesMax),
          runtime::read_file(runtime_.files(), key_path_, kFileBytesMax)};
}

Result<std::unique_ptr<TlsFiles>> TlsFiles::start(runtime::Loop& loop, runtime::Runtime& runtime,
                                                  std::string cert_path, std::string key_path,
                                                  int64_t look_every_ms) {
  std::unique_ptr<TlsFiles> out(
      new TlsFiles(loop, runtime, std::move(cert_path), std::move(key_path), look_every_ms));
  out->last_ = std::make_unique<Look>(out->read());
  PENSTOCK_CHECK(out->last_->problem());
  PENSTOCK_TRY(out->identity_, TlsIdentity::make(*out->last_->chain, *out->last_->key));
  out->schedule();
  return out;
}

void TlsFiles::schedule() {
  timer_ = loop_.after(std::chrono::milliseconds(look_every_ms_), [this] { look(); });
}

void TlsFiles::look() {
  struct Job {
    std::string cert_path, key_path;
    Look seen{std::string(), std::string()};
  };
  auto job = std::make_shared<Job>(Job{cert_path_, key_path_, {std::string(), std::string()}});
  runtime::FileSystem& files = runtime_.files();
  const Status given = runtime_.pool().submit(
      [job, &files] {
        job->seen.chain = runtime::read_file(files, job->cert_path, kFileBytesMax);
        job->seen.key = runtime::read_file(files, job->key_path, kFileBytesMax);
      },
      loop_,
      [this, alive = alive_, job] {
        if (!*alive) return;
        compare(std::move(job->seen));
        schedule();
      });
  if (!given) schedule();
}

void TlsFiles::compare(Look seen) {
  const bool same = seen == *last_;
  if (same && settled_) return;
  *last_ = std::move(seen);
  Status taken = last_->problem();
  if (taken) taken = identity_->renew(*last_->chain, *last_->key);
  settled_ = true;
  if (taken) {
    metrics().tls_renewals.add();
    diag::info("certificate renewed", {{"file", cert_path_}});
    return;
  }
  if (!same) {
    // Perhaps the two files are being written right now: they get one more look.
    settled_ = false;
    return;
  }
  metrics().tls_renewal_failures.add();
  diag::warn("renewed certificate cannot be used, the old one stays",
             {{"file", cert_path_}, {"error", taken.error().message}});
}

}  // namespace penstock::wire
