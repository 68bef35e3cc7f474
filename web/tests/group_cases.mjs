// Groups: types, the list, a group's profile with its events and persons; and the setting beside them.
import assert from "node:assert/strict";

export const group_cases = [];
const test = (name, run) => group_cases.push({ name: `groups: ${name}`, run });

const open = async ({ page, instance }, path, title) => {
  await page.goto(instance.admin_url + path);
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
};

test("a group is found by its name and shows what it is, what happened and who belongs to it", async (t) => {
  const { page, instance } = t;
  await instance.send([
    { event: "$groupidentify", distinct_id: "mary@wollstonecraft.example", properties: {
      $group_type: "guild", $group_key: "w/o.s&c", $group_set: { name: "Writers of Somers Town", members: 7 } } },
    { event: "essay printed", distinct_id: "mary@wollstonecraft.example", properties: { $groups: { guild: "w/o.s&c" } } },
    { event: "essay read", distinct_id: "somebody", properties: { $groups: { guild: "another" } } },
  ]);
  await open(t, "/groups", "Groups");
  const type = page.getByRole("radiogroup", { name: "Type" });
  if (await type.count()) await type.getByText("guild").click();
  const row = page.getByRole("list", { name: "Groups" }).getByRole("link").filter({ hasText: "Writers of Somers Town" });
  await page.getByRole("textbox", { name: "Find a group" }).fill("somers");
  await row.click({ timeout: 30_000 });
  await page.getByRole("heading", { level: 1, name: "Writers of Somers Town" }).waitFor();
  await page.getByText("members", { exact: true }).waitFor();
  await page.getByRole("tab", { name: /Events/ }).click();
  await page.getByRole("cell", { name: "essay printed" }).waitFor({ timeout: 30_000 });
  assert.equal(await page.getByRole("cell", { name: "essay read" }).count(), 0);
  await page.reload();
  await page.getByRole("cell", { name: "essay printed" }).waitFor();
  await page.getByRole("tab", { name: /Persons/ }).click();
  await page.getByRole("cell").getByRole("link", { name: "mary@wollstonecraft.example" }).click();
  await page.getByTestId("person-figures").waitFor();
});

test("a group nobody described is no error, and a search without a hit says so", async (t) => {
  const { page } = t;
  await open(t, "/groups/0/of?key=never-described", "never-described");
  await page.getByText("Nothing is said about this group yet").waitFor();
  await open(t, "/groups", "Groups");
  await page.getByRole("textbox", { name: "Find a group" }).fill("no group is called like this");
  await page.getByText("No group matches").waitFor();
});

test("an event filter is written, drops what matches, and the setting comes back", async (t) => {
  const { page, instance } = t;
  await open(t, "/settings", "Settings");
  const section = page.getByRole("region", { name: "Ingestion", exact: true });
  await section.getByText("Drop", { exact: true }).click();
  await section.getByRole("button", { name: "Add a condition" }).click();
  await section.getByRole("textbox", { name: "Text" }).fill("heartbeat of nothing");
  await section.getByRole("button", { name: "Save ingestion" }).click();
  await section.getByText("Saved.").waitFor();
  await page.reload();
  assert.equal(await section.getByRole("textbox", { name: "Text" }).inputValue(), "heartbeat of nothing");
  const uuid = crypto.randomUUID();
  await instance.send([{ event: "heartbeat of nothing", uuid, distinct_id: "machine" }]);
  await open(t, `/trace/${uuid}`, "Trace");
  await page.getByText("This project's event filter drops such events.").waitFor({ timeout: 30_000 });
  await open(t, "/settings", "Settings");
  await section.getByRole("button", { name: "Remove condition 1" }).click();
  await section.getByText("Off", { exact: true }).click();
  await section.getByRole("button", { name: "Save ingestion" }).click();
  await section.getByText("Saved.").waitFor();
});
