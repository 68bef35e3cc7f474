#include "main/move/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "base/json_writer.h"

namespace penstock::cli::move {
namespace {

constexpr auto kBetweenBars = std::chrono::milliseconds(200);
constexpr auto kBetweenLines = std::chrono::milliseconds(500);
constexpr size_t kBarWidth = 20;

std::string size_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    unit++;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string time_text(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
}

void print_line(const std::string& text) {
  std::fputs((text + '\n').c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

Progress::Progress(bool json, uint64_t bytes_per_second)
    : json_(json), bar_(!json && ::isatty(STDERR_FILENO) != 0), pace_(bytes_per_second) {}

void Progress::begin(const std::string& part, const std::string& what, uint64_t items_total,
                     uint64_t bytes_total, uint64_t items_done, uint64_t bytes_done) {
  part_ = part;
  what_ = what;
  items_total_ = items_total;
  bytes_total_ = bytes_total;
  items_ = items_before_ = items_done;
  bytes_ = bytes_before_ = bytes_done;
  begun_ = Clock::now();
  shown_ = begun_ - kBetweenLines;
  show(false);
}

void Progress::add(uint64_t items, uint64_t bytes) {
  items_ += items;
  bytes_ += bytes;
  show(false);
  if (pace_ == 0 || what_ != "copying") return;
  const auto due =
      begun_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                   static_cast<double>(bytes_ - bytes_before_) / static_cast<double>(pace_)));
  std::this_thread::sleep_until(due);
}

void Progress::show(bool last) {
  const auto now = Clock::now();
  if (!last && now - shown_ < (json_ ? kBetweenLines : kBetweenBars)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const auto here = static_cast<double>(items_ - items_before_);
  const double rate = seconds > 0 ? here / seconds : 0;
  const double byte_rate = seconds > 0 ? static_cast<double>(bytes_ - bytes_before_) / seconds : 0;
  const uint64_t left = items_total_ > items_ ? items_total_ - items_ : 0;
  const double seconds_left = rate > 0 ? static_cast<double>(left) / rate : 0;
  if (json_) {
    JsonWriter w;
    w.begin_object().field("part", part_).field("step", what_).field("items", items_);
    w.field("items_total", std::max(items_total_, items_)).field("bytes", bytes_);
    w.field("bytes_total", std::max(bytes_total_, bytes_));
    w.key("items_per_second").real(rate, 1);
    w.key("bytes_per_second").real(byte_rate, 0);
    w.key("seconds_left").real(last ? 0 : seconds_left, 1).end_object();
    print_line(w.take());
    return;
  }
  if (!bar_) return;
  const double share =
      items_total_ == 0
          ? 0
          : std::min(1.0, static_cast<double>(items_) / static_cast<double>(items_total_));
  const auto full = static_cast<size_t>(share * kBarWidth);
  fmt::print(stderr, "\r\033[K{:9} {:9} [{}{}] {:3.0f} %  {} of {}  {}  {}/s  {} left", part_,
             what_, std::string(full, '#'), std::string(kBarWidth - full, '.'), share * 100, items_,
             std::max(items_total_, items_), size_text(static_cast<double>(bytes_)),
             size_text(byte_rate), time_text(seconds_left));
  std::fflush(stderr);
}

void Progress::clear_line() {
  if (bar_) fmt::print(stderr, "\r\033[K");
}

void Progress::end(const std::string& summary) {
  if (json_) {
    show(true);
    return note(part_ + ": " + summary);
  }
  clear_line();
  const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
  print_line(fmt::format("{}: {} ({})", part_, summary, time_text(seconds)));
}

void Progress::note(const std::string& text) {
  if (json_) {
    JsonWriter w;
    w.begin_object().field("note", text).end_object();
    return print_line(w.take());
  }
  clear_line();
  print_line(text);
}

}  // namespace penstock::cli::move
