import { beforeEach, describe, expect, it } from "vitest";

import { address_instead, consent_given, set_consent } from "./consent";

const kPlain = "http://admin/replay/s1?t=5";
const kWide = "http://admin/replay/s1?t=5&remote=1";

describe("consent to load what lies with others", () => {
  beforeEach(() => {
    const kept = new Map<string, string>();
    Object.assign(globalThis, {
      sessionStorage: {
        getItem: (k: string) => kept.get(k) ?? null,
        setItem: (k: string, v: string) => kept.set(k, v),
        removeItem: (k: string) => kept.delete(k),
      },
    });
  });

  it("is given for one recording", () => {
    set_consent("s1", true);
    expect([consent_given("s1"), consent_given("s2")]).toEqual([true, false]);
    set_consent("s1", false);
    expect(consent_given("s1")).toBe(false);
  });

  it("an address alone is none: the page goes back to the narrow policy", () => {
    expect(address_instead("s1", new URL(kWide), true)).toBe(kPlain);
    expect(address_instead("s1", new URL(kWide), false)).toBe(kPlain);
  });

  it("document, address and consent must agree", () => {
    expect(address_instead("s1", new URL(kPlain), false)).toBeNull();
    expect(address_instead("s1", new URL(kPlain), true)).toBe(kPlain);
    set_consent("s1", true);
    expect(address_instead("s1", new URL(kWide), true)).toBeNull();
    expect(address_instead("s1", new URL(kWide), false)).toBe(kWide);
  });
});
