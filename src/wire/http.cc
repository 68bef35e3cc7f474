#include "wire/http.h"

namespace penstock::wire {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool same_ignoring_case(std::string_view sent, std::string_view lower) {
  if (sent.size() != lower.size()) return false;
  for (size_t i = 0; i < sent.size(); i++) {
    const char c = sent[i] >= 'A' && sent[i] <= 'Z' ? static_cast<char>(sent[i] + 32) : sent[i];
    if (c != lower[i]) return false;
  }
  return true;
}

std::string_view Request::find(std::string_view lower_name) const {
  for (const Header& h : headers) {
    if (same_ignoring_case(h.name, lower_name)) return h.value;
  }
  return {};
}

std::string url_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += plus && text[i] == '+' ? ' ' : text[i];
  }
  return out;
}

bool query_param(std::string_view query, std::string_view name, std::string& value) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    if (key == name || (key.find('%') != std::string_view::npos && url_decode(key, true) == name)) {
      value = equals == std::string_view::npos ? "" : url_decode(pair.substr(equals + 1), true);
      return true;
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return false;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

}  // namespace penstock::wire
