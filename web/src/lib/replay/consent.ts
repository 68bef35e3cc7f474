// Consent to load what a recorded page showed from where it was. It is given per recording and tab, by
// hand; an address somebody sent (`?remote=1`) is not consent.
//
// The server gives the document of such an address a wider content security policy (docs/UI.md). So a
// document is either for one such recording or for everything else, and the page moves between the two
// by loading anew.

const key = (session: string): string => `penstock-remote-${session}`;

export function consent_given(session: string): boolean {
  try {
    return sessionStorage.getItem(key(session)) === "1";
  } catch {
    return false;
  }
}

export function set_consent(session: string, given: boolean): void {
  try {
    if (given) sessionStorage.setItem(key(session), "1");
    else sessionStorage.removeItem(key(session));
  } catch {
    // Without storage there is no consent, and nothing is loaded.
  }
}

function wide(url: URL): boolean {
  return url.pathname.startsWith("/replay/") && url.searchParams.get("remote") === "1";
}

/** Was this document loaded from an address with the wider policy? What the router did since does not count. */
export function document_is_wide(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return entry !== undefined && wide(new URL(entry.name));
}

/** The address to load instead, or null when document, address and consent agree. */
export function address_instead(session: string, here: URL, loaded_wide: boolean): string | null {
  if (wide(here) && !consent_given(session)) {
    const plain = new URL(here);
    plain.searchParams.delete("remote");
    return plain.href;
  }
  return wide(here) === loaded_wide ? null : here.href;
}
