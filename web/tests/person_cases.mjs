// Persons: the list, what narrows it, a profile with all its ids, and the ways between them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

export const person_cases = [];
const test = (name, run) => person_cases.push({ name: `persons: ${name}`, run });

const go = async ({ page, instance }, path, title) => {
  await page.goto(instance.admin_url + path);
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
};
const list = (page) => page.getByRole("list", { name: "Persons" }).getByRole("link");
const search = (page) => page.getByRole("textbox", { name: "Find a person" });

/** The list asks once for what is typed, so they have to be there by then; an email is found when it is stored. */
async function is_found({ page, instance }, text) {
  const url = `${instance.admin_url}/api/projects/1/persons?search=${encodeURIComponent(text)}`;
  for (const late = Date.now() + 30_000; ; await page.waitForTimeout(50)) {
    const answer = await page.request.get(url);
    if (answer.ok() && (await answer.json()).results.length > 0) return;
    if (Date.now() > late) throw new Error(`nobody is found by ${text}: ${answer.status()}`);
  }
}

test("the list finds by the beginning of an id, by email and by property", async (t) => {
  const { page, instance } = t;
  t.person_event = randomUUID();
  await instance.send([
    { event: "cart opened", distinct_id: "browser-of-grace", properties: { $current_url: "https://shop.example/cart", $session_id: randomUUID() } },
    { event: "$identify", distinct_id: "grace@example.com", properties: {
      $anon_distinct_id: "browser-of-grace", $set: { email: "grace@example.com", plan: "enterprise" } } },
    { event: "order placed", uuid: t.person_event, distinct_id: "grace@example.com", properties: {
      total: 42, $groups: { company: "acme" } } },
    { event: "cart opened", distinct_id: "somebody else" },
  ]);
  for (const known of ["browser-of-grace", "GRACE@", "somebody else"]) await is_found(t, known);
  await go(t, "/persons", "Persons");
  await search(page).fill("browser-of-g");
  await list(page).filter({ hasText: "grace@example.com" }).filter({ hasText: "begins like this" }).waitFor();
  assert.equal(await list(page).count(), 1);
  await search(page).fill("GRACE@");
  await list(page).filter({ hasText: "identified" }).waitFor();
  await page.getByRole("button", { name: "Clear the search" }).click();
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.getByRole("combobox", { name: "Property" }).fill("plan");
  await page.getByRole("textbox", { name: "Value" }).fill("enterprise");
  await page.getByRole("button", { name: "Add filter" }).click();
  await page.getByText("plan = enterprise").waitFor();
  await page.waitForFunction(() => document.querySelectorAll("[data-testid^='person-']").length === 1);
  // The address holds it: a reload shows the same.
  await page.reload();
  await page.getByText("plan = enterprise").waitFor();
  await list(page).filter({ hasText: "grace@example.com" }).waitFor();
  await page.getByRole("button", { name: /Remove the filter/ }).click();
  await page.waitForFunction(() => document.querySelectorAll("[data-testid^='person-']").length > 1);
  await search(page).fill("nobody-is-called-like-this");
  await page.getByText("Nobody matches").waitFor();
  await page.getByRole("button", { name: "Show everybody" }).click();
  await list(page).nth(1).waitFor();
});

test("a profile shows properties, ids, events of before the merge, and groups", async (t) => {
  const { page } = t;
  await search(page).fill("grace@");
  await page.waitForURL(/search=grace/);
  await list(page).filter({ hasText: "grace@example.com" }).click();
  await page.getByRole("heading", { level: 1, name: "grace@example.com" }).waitFor();
  assert.match(page.url(), /\/persons\/[0-9a-f-]{36}$/);
  const figures = page.getByTestId("person-figures");
  await figures.getByText("3", { exact: true }).waitFor();
  await page.getByText("enterprise", { exact: true }).waitFor();
  await page.getByRole("tab", { name: /Distinct ids/ }).click();
  await page.getByRole("cell", { name: "browser-of-grace" }).waitFor();
  await page.getByRole("tab", { name: /Groups/ }).click();
  await page.getByRole("cell").getByRole("link", { name: "acme" }).click();
  await page.getByRole("heading", { level: 1, name: "acme" }).waitFor();
  await page.goBack();
  await page.getByRole("cell", { name: "acme" }).waitFor();
  await page.getByRole("tab", { name: /History/ }).click();
  await page.getByRole("list", { name: "History" }).getByText("Person created").waitFor();
  await page.getByRole("tab", { name: /Events/ }).click();
  const events = page.getByRole("list", { name: "Events" });
  await events.getByText("cart opened").click();
  const detail = page.getByTestId("person-event");
  await detail.getByText("https://shop.example/cart").first().waitFor();
  await page.keyboard.press("Escape");
  await detail.waitFor({ state: "detached" });
  await page.reload();
  await events.getByText("order placed").waitFor();
  await page.goBack();
  await list(page).filter({ hasText: "grace@example.com" }).waitFor();
  assert.equal(await search(page).inputValue(), "grace@");
});

test("an event leads to its person, from Trace and from Live", async (t) => {
  const { page, instance } = t;
  await go(t, `/trace/${t.person_event}`, "Trace");
  await page.getByTestId("trace").getByRole("link", { name: "grace@example.com" }).click();
  await page.getByRole("heading", { level: 1, name: "grace@example.com" }).waitFor();
  await go(t, "/live", "Live");
  await page.getByTestId("tail-list").locator("button").filter({ hasText: "order placed" }).first().click();
  await page.getByTestId("event-detail").getByRole("link", { name: "grace@example.com" }).click();
  await page.getByTestId("person-figures").waitFor();
  await page.getByRole("link", { name: "Events in SQL" }).click();
  await page.getByRole("cell", { name: "browser-of-grace", exact: true }).waitFor();
  await page.goto(`${instance.admin_url}/persons/of?distinct_id=${encodeURIComponent("no/body?")}`);
  await page.getByTestId("person-of-nobody").waitFor();
  await page.goto(`${instance.admin_url}/persons/${randomUUID()}`);
  await page.getByTestId("person-gone").waitFor();
});

test("a thousand properties, a huge value and very long ids stay in their frame", async (t) => {
  const { page, instance } = t;
  const long = `${"long-id-".repeat(25)}`.slice(0, 200);
  const $set = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`property_${i}`, i]));
  $set.essay = "x".repeat(300_000);
  await instance.send([{ event: "much", distinct_id: long, properties: { $set } }]);
  for (const [width, height] of [[1440, 900], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await page.goto(`${instance.admin_url}/persons/of?distinct_id=${encodeURIComponent(long)}`);
    await page.getByTestId("person-figures").waitFor({ timeout: 20_000 });
    await page.getByLabel("Find in Properties").fill("essay");
    await page.getByText("more characters").waitFor();
    assert.ok((await page.locator("dd").filter({ hasText: "xxxxx" }).innerText()).length < 3_000);
    for (const tab of ["Distinct ids", "Events", "History"]) {
      await page.getByRole("tab", { name: new RegExp(tab) }).click();
      const wide = await page.evaluate(() => {
        const main = document.getElementById("content");
        return [document.documentElement, main].filter((b) => b.scrollWidth > b.clientWidth).length;
      });
      assert.equal(wide, 0, `${tab} at ${width}`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
});

test("a list that cannot be asked says so and can be tried again", async (t) => {
  const { page } = t;
  await page.route(/\/persons(\?|$)/, (route) =>
    route.request().resourceType() === "fetch" ? route.abort() : route.continue());
  await go(t, "/persons", "Persons");
  await page.getByRole("alert").getByRole("button", { name: "Try again" }).waitFor();
  assert.equal(await page.getByText("Nobody yet").count(), 0);
  await page.unrouteAll();
  await page.getByRole("button", { name: "Try again" }).click();
  await list(page).first().waitFor();
});

test("a wrong merge is undone from the profile", async (t) => {
  const { page, instance } = t;
  await instance.send([
    { event: "seen", distinct_id: "kiosk-7", properties: { $set: { shop: "Oslo" } } },
    { event: "seen", distinct_id: "lin@example.com", properties: { $set: { email: "lin@example.com" } } },
  ]);
  await instance.send([{ event: "$identify", distinct_id: "lin@example.com", properties: { $anon_distinct_id: "kiosk-7" } }]);
  await instance.send([{ event: "$identify", distinct_id: "lin@example.com", properties: { $anon_distinct_id: "lin-tablet" } }]);
  await go(t, "/persons?search=lin@example.com", "Persons");
  await list(page).filter({ hasText: "lin@example.com" }).first().click();
  await page.getByRole("heading", { level: 1, name: "lin@example.com" }).waitFor();
  await page.getByRole("tab", { name: /History/ }).click();
  const merges = page.getByRole("region", { name: "Merges" });
  await merges.getByText("kiosk-7 was merged into lin@example.com").waitFor();
  await merges.getByRole("listitem").filter({ hasText: "kiosk-7" }).getByRole("button", { name: "Undo" }).click();
  await page.getByRole("button", { name: "Undo the merge" }).click();
  const state = page.getByTestId("command-state");
  await state.getByText("Done").waitFor();
  await state.getByRole("link", { name: "The person that is restored" }).waitFor();
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await merges.getByText("undone since").waitFor();
  await page.getByRole("tab", { name: /Distinct ids/ }).click();
  await page.getByRole("cell", { name: "kiosk-7" }).waitFor({ state: "detached" });
});

test("ids are taken off in a dialog and become persons of their own", async (t) => {
  const { page, instance } = t;
  await instance.send([
    { event: "$identify", distinct_id: "rosalind@example.com", properties: {
      $anon_distinct_id: "lab-screen", $set: { email: "rosalind@example.com" } } },
    { event: "$identify", distinct_id: "rosalind@example.com", properties: { $anon_distinct_id: "own-phone" } },
  ]);
  await go(t, "/persons?search=rosalind@example.com", "Persons");
  await list(page).filter({ hasText: "rosalind@example.com" }).first().click();
  await page.getByRole("tab", { name: /Distinct ids/ }).click();
  await page.getByRole("button", { name: "Take ids off…" }).click();
  const group = page.getByRole("group", { name: /becomes a person of its own/ });
  const off = group.getByRole("button", { name: "Take off" });
  assert.ok(await off.isDisabled(), "nothing is chosen");
  await group.getByRole("checkbox", { name: "lab-screen" }).check();
  await off.click();
  const dialog = page.getByRole("dialog", { name: "Take ids off" });
  await dialog.getByText("1 distinct id will be persons of their own: lab-screen").waitFor();
  await dialog.getByRole("button", { name: "Take off" }).click();
  await dialog.getByTestId("command-state").getByText("Done").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("cell", { name: "lab-screen" }).waitFor({ state: "detached" });
  await page.getByRole("cell", { name: "own-phone" }).waitFor();
  await go(t, "/persons?search=lab-screen", "Persons");
  await list(page).filter({ hasText: "lab-screen" }).waitFor();
});

test("a person is deleted from its page, and the dialog says what each place had", async (t) => {
  const { page, instance } = t;
  await instance.send([{ event: "seen", distinct_id: "forget-me", properties: { $set: { email: "forget@example.com" } } }]);
  await go(t, "/persons?search=forget-me", "Persons");
  await list(page).filter({ hasText: "forget@example.com" }).first().click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Delete this person" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await dialog.getByText("forget@example.com").waitFor();
  await dialog.getByRole("button", { name: "Delete for ever" }).click();
  const state = page.getByTestId("command-state");
  await state.getByText("Done", { exact: true }).waitFor({ timeout: 30_000 });
  for (const place of ["persons", "recordings", "rows", "quarantine", "event index", "log"]) {
    await state.getByText(`${place}: done`).waitFor();
  }
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.getByTestId("person-gone").waitFor();
  await go(t, "/persons?search=forget-me", "Persons");
  await page.getByText("Nobody matches").waitFor();
});
