#include "wire/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "wire/metrics.h"

namespace penstock::wire {
namespace {

constexpr size_t kPathBytesMax = 300;
constexpr size_t kMethodBytesMax = 20;
constexpr size_t kHandOverBytes = 64U << 10;
constexpr std::string_view kArray = "array";

/// "phc_…", "phx_…", "phs_…", keys of all kinds, wherever in a segment they begin.
bool holds_key(std::string_view segment) {
  for (size_t at = segment.find("ph"); at != std::string_view::npos;
       at = segment.find("ph", at + 1)) {
    if (at + 4 < segment.size() && segment[at + 3] == '_') return true;
  }
  return false;
}

/// Bytes that could break a line are escaped.
void append_visible(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c > ' ' && c < '\x7f') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

/// Without the query, and with keys masked.
void append_path(std::string& out, std::string_view path) {
  path = path.substr(0, path.find('?')).substr(0, kPathBytesMax);
  std::string_view before;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (holds_key(segment) || (before == kArray && !segment.empty())) {
      out += '*';
    } else {
      append_visible(out, segment);
    }
    if (slash == std::string_view::npos) break;
    out += '/';
    before = segment;
    path.remove_prefix(slash + 1);
  }
}

void count_dropped(std::string_view lines) {
  metrics().access_lines_dropped.add(
      static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n')));
}

}  // namespace

void append_access_line(std::string& out, const AccessEntry& e) {
  const auto seconds = static_cast<std::time_t>(e.time_us / 1'000'000);
  fmt::format_to(std::back_inserter(out), "{:%Y-%m-%dT%H:%M:%S}.{:06}Z ", fmt::gmtime(seconds),
                 e.time_us % 1'000'000);
  append_visible(out, e.method.empty() ? "-" : e.method.substr(0, kMethodBytesMax));
  out += ' ';
  if (e.path.empty()) out += '-';
  append_path(out, e.path);
  fmt::format_to(std::back_inserter(out), " {} {} {} {} {}\n", e.status, e.bytes_in, e.bytes_out,
                 e.duration_us, e.peer_ip.empty() ? "-" : e.peer_ip);
}

/// The file and its older ones; one pool job at a time.
class AccessLog::File {
 public:
  File(runtime::FileSystem& files, AccessLogOptions options)
      : files_(files), options_(std::move(options)) {}

  Status open() {
    PENSTOCK_TRY(file_, files_.open(options_.path, {.create = true}));
    PENSTOCK_TRY(size_, file_->size());
    return {};
  }
  /// Lines for the next `write_queued`, whoever calls it: a pool job, or `close` before it.
  void queue(std::string lines) {
    const std::lock_guard lock(mutex_);
    queued_ += lines;
  }
  void drop_queued() {
    const std::lock_guard lock(mutex_);
    count_dropped(std::exchange(queued_, {}));
  }
  void write_queued() {
    const std::lock_guard lock(mutex_);
    const std::string lines = std::exchange(queued_, {});
    std::string_view left = lines;
    if (const Status written = write(left); !written) {
      count_dropped(left);
      diag::warn("access log not written", {{"error", written.error().message}});
    }
  }

 private:
  /// What is not written is left in `lines`.
  Status write(std::string_view& lines) {
    if (!file_) PENSTOCK_CHECK(open());
    while (!lines.empty()) {
      const uint64_t room = options_.file_bytes_max - std::min(size_, options_.file_bytes_max);
      size_t take = lines.size();
      if (take > room) take = lines.substr(0, room).rfind('\n') + 1;  // npos + 1: no line fits
      if (take == 0 && size_ > 0) {
        PENSTOCK_CHECK(rotate());
        continue;
      }
      if (take == 0) take = std::min(lines.find('\n'), lines.size() - 1) + 1;
      PENSTOCK_CHECK(file_->pwrite(lines.substr(0, take), size_));
      size_ += take;
      lines.remove_prefix(take);
    }
    return {};
  }
  std::string older(size_t n) const { return fmt::format("{}.{}", options_.path, n); }
  Status rotate() {
    file_.reset();
    for (size_t n = options_.files_max; n > 0; n--) {
      const std::string from = n == 1 ? options_.path : older(n - 1);
      if (files_.exists(from)) PENSTOCK_CHECK(files_.rename(from, older(n)));
    }
    if (options_.files_max == 0) PENSTOCK_CHECK(files_.remove(options_.path));
    return open();
  }

  std::mutex mutex_;
  runtime::FileSystem& files_;
  AccessLogOptions options_;
  std::unique_ptr<runtime::File> file_;
  uint64_t size_ = 0;
  std::string queued_;
};

AccessLog::AccessLog(runtime::Loop& loop, runtime::Runtime& runtime, AccessLogOptions options)
    : loop_(loop), runtime_(runtime), options_(std::move(options)) {}

Result<std::shared_ptr<AccessLog>> AccessLog::open(runtime::Loop& loop, runtime::Runtime& runtime,
                                                   AccessLogOptions options) {
  std::shared_ptr<AccessLog> out(new AccessLog(loop, runtime, std::move(options)));
  out->self_ = out;
  out->file_ = std::make_shared<File>(runtime.files(), out->options_);
  PENSTOCK_CHECK(out->file_->open());
  out->schedule();
  return out;
}

void AccessLog::add(std::string_view lines) {
  const std::lock_guard lock(mutex_);
  if (closed_) return count_dropped(lines);
  const size_t room = options_.buffer_bytes_max - waiting_.size();
  if (lines.size() > room) {                                   // as many of the first as fit
    const size_t end = lines.substr(0, room).rfind('\n') + 1;  // npos + 1: none
    count_dropped(lines.substr(end));
    lines = lines.substr(0, end);
  }
  waiting_ += lines;
}

std::string AccessLog::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

void AccessLog::schedule() {
  timer_ = loop_.after(std::chrono::milliseconds(options_.write_every_ms), [self = self_] {
    if (const auto log = self.lock()) log->write_out();
  });
}

void AccessLog::write_out() {
  std::string lines = take();
  if (lines.empty()) return schedule();
  file_->queue(std::move(lines));
  const Status given = runtime_.pool().submit([file = file_] { file->write_queued(); }, loop_,
                                              [self = self_] {
                                                const auto log = self.lock();
                                                if (log && log->timer_ != 0) log->schedule();
                                              });
  if (!given) {
    file_->drop_queued();
    schedule();
  }
}

void AccessLog::close() {
  loop_.cancel(timer_);
  timer_ = 0;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  file_->queue(take());
  file_->write_queued();
}

void AccessLines::add(const AccessEntry& entry) {
  append_access_line(lines_, entry);
  if (lines_.size() >= kHandOverBytes) hand_over();
}

void AccessLines::hand_over() {
  if (lines_.empty()) return;
  log_->add(lines_);
  lines_.clear();
}

AccessNote::AccessNote(std::shared_ptr<AccessLines> lines, std::string_view method,
                       std::string_view path, std::string_view peer_ip, uint64_t bytes_in)
    : lines_(std::move(lines)),
      bytes_in_(bytes_in),
      time_us_(lines_->clock().wall_us()),
      began_ns_(lines_->clock().mono_ns()) {
  method = method.substr(0, kMethodBytesMax);
  path = path.substr(0, path.find('?')).substr(0, kPathBytesMax);
  method_bytes_ = static_cast<uint32_t>(method.size());
  path_bytes_ = static_cast<uint32_t>(path.size());
  text_.reserve(method.size() + path.size() + peer_ip.size());
  text_.append(method).append(path).append(peer_ip);
}

AccessNote::~AccessNote() { finish(0, 0); }

void AccessNote::finish(int status, uint64_t bytes_out) {
  const auto lines = std::exchange(lines_, nullptr);
  if (!lines) return;
  const std::string_view text = text_;
  lines->add({time_us_, text.substr(0, method_bytes_), text.substr(method_bytes_, path_bytes_),
              status, bytes_in_, bytes_out, (lines->clock().mono_ns() - began_ns_) / 1000,
              text.substr(method_bytes_ + path_bytes_)});
}

}  // namespace penstock::wire
