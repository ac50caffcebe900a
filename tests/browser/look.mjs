// Looks at pages as people do, with scripts: on small and large screens, light and dark, by keyboard. Nothing may go wrong,
// no barrier may be found, nothing may stick out, and a page may not weigh too much.
//
//     node look.mjs BASE all|two PATH...
//
// With `two` only a small light screen and a large dark one are looked at.

import { barriers, context, end, fault, launch } from "./browser.mjs";

const [base, which, ...paths] = process.argv.slice(2);

const LOOKS = [
  [360, "light"],
  [1440, "dark"],
  [360, "dark"],
  [1440, "light"],
];

/** The most that a page may weigh in all, and its scripts, in bytes before they are compressed. */
const [PAGE_BYTES_MAX, SCRIPT_BYTES_MAX] = [100_000, 40_000];

/** How often Tab is pressed on a page, at most. */
const TABS_MAX = 1_500;

/** How many elements the keyboard has to reach. */
const FOCUSABLE = "a[href], button:not([disabled]), input:not([type=hidden]), select, summary, [tabindex='0']";

/** Presses Tab from the beginning to the end, and says which elements were never reached. */
async function unreached(page) {
  await page.evaluate((selector) => {
    document.activeElement?.blur();
    const isShown = (element) => element.checkVisibility() && !element.closest("details:not([open]) > :not(summary)");
    window.waiting = new Set([...document.querySelectorAll(selector)].filter(isShown));
    document.addEventListener("focusin", (event) => window.waiting.delete(event.target));
  }, FOCUSABLE);
  for (let tabs = 0; tabs < TABS_MAX; tabs += 1) {
    await page.keyboard.press("Tab");
    if (tabs % 25 === 24 && (await page.evaluate(() => window.waiting.size)) === 0) break;
  }
  return page.evaluate(() => [...window.waiting].map((element) => element.outerHTML.slice(0, 120)));
}

const browser = await launch();
for (const [width, colorScheme] of which === "all" ? LOOKS : LOOKS.slice(0, 2)) {
  const looks = await context(browser, base, { viewport: { width, height: 800 }, colorScheme });
  const page = await looks.newPage();
  for (const path of paths) {
    const where = `${path} at ${width}, ${colorScheme}`;
    let [bytes, scripts] = [0, 0];
    const weigh = async (response) => {
      const size = (await response.body().catch(() => Buffer.alloc(0))).length;
      bytes += size;
      if (response.request().resourceType() === "script") scripts += size;
    };
    const weighed = [];
    const onResponse = (response) => {
      if (["document", "script", "stylesheet", "image"].includes(response.request().resourceType())) weighed.push(weigh(response));
    };
    page.on("response", onResponse);
    await page.goto(base + path, { waitUntil: "load" });
    page.off("response", onResponse);
    await Promise.all(weighed);
    if (bytes > PAGE_BYTES_MAX) fault(where, `it weighs ${bytes} bytes`);
    if (scripts > SCRIPT_BYTES_MAX) fault(where, `its scripts weigh ${scripts} bytes`);
    for (const found of await barriers(page)) fault(where, `a barrier: ${found}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) fault(where, `it is ${wide} pixels too wide`);
    if (width === 1440 && colorScheme === "dark") {
      for (const element of await unreached(page)) fault(where, `the keyboard does not reach ${element}`);
    }
  }
  await looks.close();
}
await browser.close();
end(`${paths.length} pages`);
