import { describe, expect, it } from "vitest";

import { find_uuid, random_uuid } from "./uuid";

describe("find_uuid", () => {
  it("finds a uuid in whatever was pasted", () => {
    const uuid = "0198a3c4-7d2e-7b10-8f3a-5c6d7e8f9a0b";
    expect(find_uuid(` "${uuid.toUpperCase()}", `)).toBe(uuid);
    expect(find_uuid(uuid.replaceAll("-", ""))).toBe(uuid);
    expect(find_uuid(`event ${uuid} was lost`)).toBe(uuid);
    expect(find_uuid("not a uuid")).toBeNull();
  });

  it("makes uuids of its own form", () => {
    const uuid = random_uuid();
    expect(find_uuid(uuid)).toBe(uuid);
    expect(uuid[14]).toBe("4");
  });
});
