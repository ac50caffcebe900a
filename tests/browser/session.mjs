// Logs in and out of a server that asks for a token.
//
//     node session.mjs BASE TOKEN

import { barriers, context, end, fault, launch } from "./browser.mjs";

const [base, token] = process.argv.slice(2);
const browser = await launch();
const visit = await context(browser, base, { viewport: { width: 360, height: 700 } });
const page = await visit.newPage();

const expect = async (what, is) => {
  if (!(await is)) fault(page.url(), what);
};

const first = await page.goto(`${base}/sequencers/1`);
await expect("without a session it is not answered with 401", first.status() === 401);
for (const found of await barriers(page)) fault("the form", `a barrier: ${found}`);
await page.getByLabel("Token").fill("tally_wrong");
await page.getByRole("button", { name: "Log in" }).click();
await page.getByText("That token is not known.").waitFor();
await page.getByLabel("Token").fill(token);
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "The pool" }).waitFor();
const [cookie] = await visit.cookies();
await expect("scripts can read the cookie", cookie.httpOnly && cookie.sameSite === "Strict");
// The stream of changes and the API are let in by the session, too.
const inner = await page.evaluate(async () => (await fetch("/v1/status")).status);
await expect("the API is not open to the session", inner === 200);
await page.getByRole("button", { name: "Log out" }).click();
await page.getByRole("heading", { name: "Log in" }).waitFor();
await expect("the cookie stays", (await visit.cookies()).length === 0);
await browser.close();
end();
