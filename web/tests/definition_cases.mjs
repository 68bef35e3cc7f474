// Definitions: what was sent, what type it has, where it appears, and what was too much.
import assert from "node:assert/strict";

export const definition_cases = [];
const test = (name, run) => definition_cases.push({ name: `definitions: ${name}`, run });

const go = async ({ page, instance }, path) => {
  await page.goto(instance.admin_url + path);
  await page.getByRole("heading", { level: 1, name: "Definitions" }).waitFor();
};

test("an event shows its volume and properties, a property its type and events", async (t) => {
  const { page, instance } = t;
  await instance.send([
    { event: "parcel sent", distinct_id: "d", properties: { weight_kg: 2.5, express: true, picked_up_at: "2026-08-01T12:00:00Z", label: null, $set: { home_country: "NO" } } },
    { event: "parcel lost", distinct_id: "d", properties: { weight_kg: 1, "$feature/insurance": "on" } },
    { event: "$groupidentify", distinct_id: "d", properties: { $group_type: "carrier", $group_key: "post", $group_set: { vans: 12 } } },
  ]);
  await go(t, "/definitions");
  await page.getByRole("textbox", { name: "Find a name" }).fill("PARCEL");
  const sent = page.getByTestId("event-parcel sent");
  await page.reload();
  await page.getByRole("textbox", { name: "Find a name" }).fill("PARCEL");
  await sent.waitFor({ timeout: 20_000 });
  await sent.getByText("less than 2 h ago").waitFor();
  await sent.getByRole("img", { name: "1 event in 14 days" }).waitFor({ timeout: 40_000 });
  await sent.getByRole("button", { name: "parcel sent" }).click();
  for (const [name, type] of [["weight_kg", "Number"], ["express", "Yes or no"], ["picked_up_at", "Time"], ["label", "No type yet"]]) {
    await sent.getByRole("button", { name: `${name} ${type}` }).waitFor();
  }
  await sent.getByRole("button", { name: "weight_kg" }).click();
  const weight = page.getByTestId("property-weight_kg");
  await weight.getByRole("button", { name: "weight_kg" }).click();
  await weight.getByRole("button", { name: "parcel lost" }).click();
  await page.getByTestId("event-parcel lost").waitFor();
  // The search settles a moment after the list has changed.
  await page.getByTestId("event-parcel sent").waitFor({ state: "detached" });
  assert.equal(await page.getByTestId("event-parcel sent").count(), 0);
});

test("properties of persons and groups have lists of their own", async (t) => {
  const { page } = t;
  await go(t, "/definitions?view=person");
  await page.getByTestId("property-home_country").getByText("Text").waitFor();
  await page.getByText("Group properties").click();
  const vans = page.getByTestId("property-vans");
  await vans.getByText("carrier").waitFor();
  await page.reload();
  await vans.waitFor();
  await page.getByRole("textbox", { name: "Find a name" }).fill("no such thing");
  await page.getByText("No group property is called like").waitFor();
  assert.equal(await page.getByTestId("left-out").count(), 0);
});

test("an event and a property are described, tagged and vouched for", async (t) => {
  const { page } = t;
  await go(t, "/definitions?search=parcel");
  const sent = page.getByTestId("event-parcel sent");
  await sent.getByRole("button", { name: "parcel sent" }).click();
  const form = sent.getByRole("form", { name: "About parcel sent" });
  assert.ok(await form.getByRole("button", { name: "Save" }).isDisabled(), "nothing was said");
  await form.getByLabel("Description").fill("Left the warehouse.");
  await form.getByLabel("Tags").first().fill("logistics");
  await page.keyboard.press("Enter");
  await form.getByRole("checkbox", { name: /Verified/ }).check();
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  await page.reload();
  await sent.getByText("Left the warehouse.").waitFor();
  await sent.getByText("logistics").waitFor();
  await sent.getByLabel("Verified", { exact: true }).waitFor();
  await go(t, "/definitions?view=group");
  const vans = page.getByTestId("property-vans");
  await vans.getByRole("button", { name: "vans" }).click();
  await vans.getByLabel("Description").fill("How many it has.");
  await vans.getByRole("button", { name: "Save" }).click();
  await vans.getByText("Saved.").waitFor();
});

test("names that had no room are told with their number", async (t) => {
  const { page } = t;
  await page.route(/\/api\/projects\/\d+\/definitions$/, async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    body.left_out.properties = 123_456;
    await route.fulfill({ json: body });
  });
  await go(t, "/definitions");
  await page.getByTestId("left-out").getByText("123,456 values under property names beyond the first 20,000").waitFor();
  await page.unrouteAll();
});
