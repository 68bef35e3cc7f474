// UTF-8 as browsers of the first years wrote it before base64: each half of a surrogate pair as
// three bytes of its own (CESU-8). posthog-js did so until its 1.2xx releases for what it sends
// before it knows the server's compressions, so an emoji in a first pageview arrives in this form.
//
// Pure; owns nothing.
#pragma once

#include <string>

namespace penstock::capture {

/// Joins such halves to the character they mean, in place; a half alone becomes U+FFFD. Everything
/// else stays as it is, well-formed or not. The text gets no longer.
void join_surrogates(std::string& text);

}  // namespace penstock::capture
