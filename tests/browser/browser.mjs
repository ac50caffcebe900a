// A browser on the pages of a server: whatever goes wrong in it is told.

import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What went wrong so far, each in a line. */
export const faults = [];

export const fault = (where, what) => faults.push(`${where}: ${what}`);

/** What has not come after so long will not: a machine is never busy for that long. */
const PATIENCE_MS = 600_000;

export async function launch() {
  return chromium.launch({ timeout: PATIENCE_MS, executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
}

/** A context of which every message, foreign request and breach of the policy is a fault. */
export async function context(browser, base, options) {
  const made = await browser.newContext(options);
  made.setDefaultTimeout(PATIENCE_MS);
  made.on("page", (page) => watch(page, base));
  return made;
}

function watch(page, base) {
  page.on("console", (message) => {
    // A page of an error is loaded with that status on purpose, and Chromium says so.
    const own = /status of 4\d\d/.test(message.text()) && message.location().url === page.url();
    if (!own && message.type() !== "log") fault(page.url(), `the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => fault(page.url(), `a script failed: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) fault(page.url(), `it asks for ${request.url()}`);
  });
}

/** What axe-core finds on a page. It runs in a world of its own, so that the page's policy stays as it is. */
export async function barriers(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const world = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const run = async (expression) => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, contextId: world.executionContextId, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await run(AXE);
  const found = await run("axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => `${id} at ${nodes.map((node) => node.target).join(', ')}`))");
  await session.detach();
  return found;
}

/** Ends the process: with a line for each fault, if there are any. */
export function end(said = "") {
  if (said) console.log(said);
  for (const line of faults) console.log(line);
  process.exit(faults.length === 0 ? 0 : 1);
}
