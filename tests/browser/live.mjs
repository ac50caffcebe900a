// An open page follows the log: the test writes to the log while the page is open, and the page shows it by itself, with
// what the reader did to it as it was.
//
//     node live.mjs BASE < (a line each time the log has more)
//
// It writes `open` once the page is open, and `swapped` once the page shows another state.

import { context, end, fault, faults, launch } from "./browser.mjs";
import { createInterface } from "node:readline";

const [base] = process.argv.slice(2);
const browser = await launch();
const page = await (await context(browser, base, { viewport: { width: 1440, height: 600 } })).newPage();
await page.goto(`${base}/`, { waitUntil: "load" });
await page.waitForFunction(() => document.querySelector("th button"));

/** What the page says of the last block that is counted. */
const counted = () => page.locator("#state strong").first().textContent();

// The reader sorts a table, opens the numbers of a chart, scrolls, selects a text, and has the focus on a link.
await page.locator("#sequencers th button").nth(2).click();
await page.locator("#mrr summary").click();
await page.locator("#sequencers tbody a").first().focus();
await page.evaluate(() => {
  scrollTo(0, 300);
  const heading = document.querySelector("#production h2").firstChild;
  getSelection().setBaseAndExtent(heading, 0, heading, 3);
  window.opened = true;
});
const before = await counted();
const focused = await page.evaluate(() => document.activeElement.getAttribute("href"));
console.log("open");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
await lines.next();
await page.waitForFunction((before) => document.querySelector("#state strong")?.textContent !== before, before);
const now = await page.evaluate(() => ({
  focused: document.activeElement?.getAttribute("href"),
  selected: getSelection().toString(),
  scrolled: scrollY,
  isOpen: document.querySelector("#mrr details").open,
  sorted: document.querySelector("#sequencers th[aria-sort]")?.textContent,
  isSame: window.opened === true,
  said: document.getElementById("live").textContent,
}));
console.log("swapped");
if (!now.isSame) fault("/", "the page was loaded anew");
if (now.focused !== focused) fault("/", `the focus went from ${focused} to ${now.focused}`);
if (now.selected !== "Who") fault("/", `the selection became ${JSON.stringify(now.selected)}`);
if (now.scrolled !== 300) fault("/", `the page scrolled to ${now.scrolled}`);
if (!now.isOpen) fault("/", "the numbers of a chart were closed");
if (!now.sorted?.startsWith("Stake")) fault("/", `the table is sorted by ${now.sorted}`);
if (now.said !== "") fault("/", `it says ${now.said}`);

// The server goes: the page says so. The console says, too, that the server cannot be reached, and that is no fault.
const known = faults.length;
await lines.next();
await page.waitForFunction(() => /may be old/.test(document.getElementById("live").textContent));
await browser.close();
faults.splice(known);
end();
