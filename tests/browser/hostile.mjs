// Names of a registry, and what is asked for, may be markup: they never become any.
//
//     node hostile.mjs BASE

import { context, end, fault, launch } from "./browser.mjs";

const [base] = process.argv.slice(2);
const markup = `<script>window.taken=1</script><img src=x onerror="window.taken=1">"'><svg onload=window.taken=1>`;
const long = "x".repeat(10_000);
const paths = ["/", "/sequencers/1", "/sequencers/1/claim", "/epochs/0"];
for (const text of [markup, "\u202E\u2066evil\u2069", "%00", "javascript:alert(1)", "../../etc/passwd", "{{7*7}}"]) {
  const asked = encodeURIComponent(text);
  paths.push(`/find?for=${asked}`, `/sequencers/${asked}`, `/sequencers/1/${asked}`, `/blocks/${asked}`, `/?policy=${asked}`);
  paths.push(`/what-if?mrr=${asked}`, `/what-if?allocation=${asked}`, `/sequencers/1/increase?amount=${asked}`, `/sequencers/1/statement?from=${asked}`);
  paths.push(`/sequencers/1/recipient?recipient=${asked}&again=${asked}`, `/audit?cursor=${asked}`, `/join?pubkey=${asked}&owner=${asked}`, `/${asked}`);
}
for (const place of ["/find?for=", "/sequencers/", "/what-if?mrr=", "/sequencers/1/increase?amount=", "/?policy="]) paths.push(place + long);

const browser = await launch();
const page = await (await context(browser, base)).newPage();
for (const path of paths) {
  const where = path.slice(0, 120);
  const response = await page.goto(base + path);
  if (response.status() >= 500) fault(where, `it is answered with ${response.status()}`);
  const found = await page.evaluate(() => ({
    taken: window.taken,
    scripts: [...document.scripts].filter((script) => !script.src.includes("/assets/")).length,
    images: [...document.images].filter((image) => !image.src.includes("/assets/")).length,
    handlers: [...document.querySelectorAll("*")].filter((element) => [...element.attributes].some((one) => one.name.startsWith("on"))).length,
    styles: document.querySelectorAll("style, [style]").length,
  }));
  for (const [what, count] of Object.entries(found)) if (count) fault(where, `${count} ${what}`);
}
await browser.close();
end(`${paths.length} pages`);
