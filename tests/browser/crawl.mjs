// Goes through all pages of a server without scripts, and compares every value with the API's: the exact one, and what is
// shown of it. A page that has a number without saying where it comes from is told, too.
//
//     node crawl.mjs BASE

import { context, end, fault, launch } from "./browser.mjs";

const [base] = process.argv.slice(2);

/** How many pages of each kind are looked at: there is one for each block. */
const KIND_MAX = 15;

const answers = new Map();

async function answer(url) {
  if (!answers.has(url)) {
    const response = await fetch(base + url, { headers: { accept: "application/json" } });
    answers.set(url, response.ok ? await response.json() : null);
  }
  return answers.get(url);
}

/** The member of an answer that a pointer names. */
function member(json, pointer) {
  return pointer.split("/").reduce((value, name) => (value === null || value === undefined ? value : value[name]), json);
}

/** An amount in wei as METIS, with all its decimals. */
function metis(wei) {
  const digits = wei.padStart(19, "0");
  return `${digits.slice(0, -18)}.${digits.slice(-18)}`;
}

/** Whether a number is an amount in METIS, rounded down, with nothing that matters left out. */
function cut(wei, plain) {
  return wei === "0" ? plain === "0" : metis(wei).startsWith(plain) && plain.includes(".") && /[1-9]/.test(plain);
}

/** Whether a value is shown as it should be. */
function isRight(kind, value, shown) {
  if (kind.includes("amount") && /^-?\d+$/.test(value)) {
    const [sign, digits] = value.startsWith("-") ? ["-", value.slice(1)] : ["", value];
    // A difference has its sign in any case.
    const plain = shown.replaceAll(",", "").trim().replace(/^\+/, "");
    if (!plain.startsWith(sign)) return false;
    return cut(digits, plain.slice(sign.length));
  }
  const plain = shown.replaceAll(",", "").trim();
  if (kind.includes("time")) return Date.parse(shown.trim().replace(" ", "T")) === Number(value) * 1000;
  if (kind.includes("percent")) {
    const [whole, decimals = ""] = value.split(".");
    const digits = BigInt(whole + decimals.padEnd(18, "0").slice(0, 18)) / 10n ** 13n;
    const text = digits.toString().padStart(4, "0");
    return plain === `${text.slice(0, -3)}.${text.slice(-3)} %`;
  }
  return true;
}

/** Everything on the page that shows a member of an answer, and the numbers that show none. */
function read() {
  const fields = [...document.querySelectorAll("main [data-field]")].map((element) => {
    const parts = [element.dataset.field];
    let source = null;
    for (let at = element; at; at = at.parentElement) {
      if (at !== element && at.dataset.at !== undefined) parts.unshift(at.dataset.at);
      if (at.dataset.source !== undefined) {
        source = at.dataset.source;
        // What lies between the answer and the element, and not what is further out.
        if (at !== element && at.dataset.at !== undefined) parts.shift();
        break;
      }
    }
    const text = element.textContent;
    const value = element.dataset.value ?? text.replaceAll(",", "");
    const kind = [element.tagName === "TIME" ? "time" : "", ...element.classList, /%$/.test(text.trim()) ? "percent" : ""].join(" ");
    const isNull = "null" in element.dataset;
    return { pointer: parts.join("/"), source, value, text, kind, isNull };
  });
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const loose = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    const known = "[data-field], h1, h2, thead, caption, svg, summary, label, .hint, .beside, .below, .legend, figcaption, .answers, .seq, pre, code, .small, .lead, .note, option, dt, .fact dt";
    // The names of the chains have digits, and are no numbers.
    const text = walker.currentNode.data.replace(/\bL[12]\b|more than 0/g, "").trim();
    if (/\d/.test(text) && !parent.closest(known)) loose.push(text);
  }
  const links = [...document.querySelectorAll("a[href]")].map((link) => link.getAttribute("href"));
  return { fields, loose, links };
}

/** What kind of page an address is of. */
const kindOf = (path) => path.split("?")[0].replace(/\d+/g, "N") + (path.includes("?") ? "?" : "");

const browser = await launch();
const page = await (await context(browser, base, { javaScriptEnabled: false })).newPage();
const queue = ["/", "/what-if?mrr=0.15&cap=80000", "/?policy=locking-pool", "/sequencers/1?policy=locking-pool", "/sequencers/1/increase?amount=1", "/sequencers/1/withdraw?amount=0.5", "/sequencers/1/claim?eth=0.01", "/sequencers/1/recipient?recipient=0x00000000000000000000000000000000000000aa"];
const seen = new Set(queue);
const kinds = new Map();
let [pages, values] = [0, 0];
while (queue.length > 0) {
  const path = queue.shift();
  const response = await page.goto(base + path);
  pages += 1;
  if (response.status() >= 500) fault(path, `it is answered with ${response.status()}`);
  if (response.status() !== 200) continue;
  const { fields, loose, links } = await page.evaluate(read);
  for (const { pointer, source, value, text, kind, isNull } of fields) {
    values += 1;
    if (!source) {
      fault(path, `${pointer} says not of which answer it is`);
      continue;
    }
    const json = await answer(source);
    const found = json && member(json, pointer);
    if (isNull) {
      if (found !== null) fault(path, `${source} ${pointer} is ${JSON.stringify(found)}, and shown as nothing`);
    } else if (found === undefined || found === null || String(found) !== value) {
      fault(path, `${source} ${pointer} is ${JSON.stringify(found)}, and the page has ${value}`);
    } else if (!isRight(kind, value, text)) {
      fault(path, `${source} ${pointer} is ${value}, and shown as ${text}`);
    }
  }
  for (const text of loose) fault(path, `a number comes from nowhere: ${text}`);
  for (const link of links) {
    const isPage = link.startsWith("/") && !/^\/(v1|assets|openapi)/.test(link);
    const kind = kindOf(link);
    if (!isPage || seen.has(link) || (kinds.get(kind) ?? 0) >= KIND_MAX) continue;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    seen.add(link);
    queue.push(link);
  }
}
await browser.close();
end(`${values} values on ${pages} pages`);
