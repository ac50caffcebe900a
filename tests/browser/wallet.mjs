// The life of a sequencer through the pages, with a wallet that signs with a node's own accounts.
//
//     node wallet.mjs BASE RPC OWNER HEIR PUBKEY
//
// It writes `do WHAT` where the chains have to go on, and waits for a line until they have.

import { context, end, fault, launch } from "./browser.mjs";
import { createInterface } from "node:readline";

const [base, rpc, owner, heir, pubkey] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function chains(what) {
  console.log(`do ${what}`);
  await lines.next();
}

let id = 0;

async function node(method, params) {
  id += 1;
  const answer = await fetch(rpc, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id, method, params }) });
  return answer.json();
}

/** What the wallet does otherwise than a good one. */
const wallet = { account: owner, chain: null, mode: "good", asked: [], token: null, fails: 0 };
const error = (code, message) => ({ error: { code, message } });

async function request(method, params) {
  wallet.asked.push(method);
  switch (method) {
    case "eth_requestAccounts":
      return { result: [wallet.account] };
    case "eth_chainId":
      return wallet.chain ? { result: wallet.chain } : node(method, params);
    case "wallet_switchEthereumChain":
      if (wallet.mode === "stays") return error(4001, "User rejected the request.");
      wallet.chain = null;
      return { result: null };
    case "eth_sendTransaction": {
      if (wallet.mode === "rejects" || (wallet.mode === "approves" && params[0].to.toLowerCase() !== wallet.token)) return error(4001, "User rejected the request.");
      wallet.token ??= params[0].to.toLowerCase();
      if (params[0].chainId !== (await node("eth_chainId", [])).result) return error(-32602, "a transaction of another chain");
      const { result: nonce } = await node("eth_getTransactionCount", [params[0].from, "latest"]);
      const sent = await node(method, [{ ...params[0], nonce, gasPrice: "0x77359400" }]);
      if (wallet.mode === "cancels") await node(method, [{ from: params[0].from, to: params[0].from, nonce, gas: "0x5208", gasPrice: "0xee6b2800" }]);
      if (wallet.mode === "hurries") await node(method, [{ ...params[0], nonce, gasPrice: "0xee6b2800" }]);
      setTimeout(() => node("evm_mine", []), 200);
      return sent;
    }
    case "eth_getTransactionReceipt":
      // A node that is overloaded for a while says nothing of what becomes of a transaction.
      wallet.fails += 1;
      return wallet.fails % 3 === 1 ? error(-32005, "too many requests") : node(method, params);
    default:
      return node(method, params);
  }
}

const browser = await launch();
const visit = await context(browser, base, { viewport: { width: 1200, height: 900 } });
await visit.exposeFunction("askWallet", request);
await visit.addInitScript(() => {
  const provider = {
    async request({ method, params = [] }) {
      const { result, error } = await window.askWallet(method, params);
      if (error) throw Object.assign(new Error(error.message), error);
      return result;
    },
  };
  const info = { uuid: "c0ffee00-0000-4000-8000-000000000000", name: "A <b>wallet</b>", icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>", rdns: "example.wallet" };
  // It comes late, as extensions do.
  setTimeout(() => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) })), 700);
});
const page = await visit.newPage();
const watched = await visit.newPage();

/** Presses the wallet's button on a page, and returns all that was said by the end. */
async function press(path) {
  await page.goto(base + path, { waitUntil: "load" });
  await page.locator("#wallet button").click();
  const said = () => page.locator("#told").innerText();
  try {
    await page.waitForFunction(() => document.querySelector("#told li.failed") || /In the log/.test(document.getElementById("told").textContent));
  } catch {
    throw new Error(`${path} does not come to an end: ${await said()}; the wallet was asked for ${wallet.asked.slice(-12)}`);
  }
  return said();
}

/** Does what a page offers, to its good end. */
async function act(path) {
  const said = await press(path);
  if (!/In the log/.test(said)) fault(path, `it did not end well: ${said}`);
  if (!/Mined in L1 block \d+ \(/.test(said)) fault(path, `it does not say when it was mined: ${said}`);
  return said;
}

/** Has a page refuse, with these words. */
async function refused(path, words) {
  const said = await press(path);
  if (!words.test(said)) fault(path, `it says ${said}, and not ${words}`);
  if (/In the log/.test(said)) fault(path, `it was done: ${said}`);
}

/** Waits until the page that was opened before shows something, by itself. */
async function shows(text) {
  await watched.getByText(text).first().waitFor();
}

// Nobody is in the pool yet.
await watched.goto(`${base}/`, { waitUntil: "load" });
const join = `/join?owner=${owner}&pubkey=${pubkey}&amount=30000`;

// What goes wrong is told in words, and nothing is sent.
wallet.account = heir;
await refused(join, /has to be sent by 0x[0-9a-fA-F]{40}.*choose the other account/);
wallet.account = owner;
[wallet.chain, wallet.mode] = ["0x1", "stays"];
await refused(join, /on another chain, and you rejected the change/);
[wallet.chain, wallet.mode] = ["0x1", "rejects"];
await refused(join, /You rejected it in the wallet\. Nothing was sent\./);
wallet.mode = "cancels";
await refused(join, /replaced in the wallet by another transaction.*cancelled.*The call was not made\.(?! Nothing)/);

// Joining takes an approval of the exact amount first. The wallet is sped up on the way.
wallet.mode = "hurries";
const joined = await act(join);
wallet.mode = "good";
if (!/Approved in L1 block/.test(joined)) fault(join, `METIS was not approved: ${joined}`);
if (!/Replaced in the wallet by the same call/.test(joined)) fault(join, `it was not told to be sped up: ${joined}`);
await shows("1 active");
await chains("check");

await watched.goto(`${base}/sequencers/1`, { waitUntil: "load" });
await chains("produce");
// 40 blocks at 0.000761 METIS.
await shows("0.03044");
await chains("check");

// Nobody gets the rewards yet: the recipient is new, so it is typed twice.
const recipient = `/sequencers/1/recipient?recipient=${heir}`;
await page.goto(base + recipient);
if ((await page.locator("#wallet").count()) > 0) fault(recipient, "it is offered to a wallet though it was typed once");
await page.getByLabel("The recipient once more").fill(owner);
await page.getByRole("button", { name: "It is right" }).click();
await page.getByText("two addresses").waitFor();
await act(`${recipient}&again=${heir}`);
await chains("check");

await refused("/sequencers/1/claim", /Say above how much ETH/);
await refused("/sequencers/1/claim?eth=0.0001", /The contract refuses it: “too little ETH for the bridge”/);
await act("/sequencers/1/claim?eth=0.01");
await shows("there is nothing to claim");
await chains("check");

await act("/sequencers/1/increase?amount=100");
await shows("30,100.0000");
await page.goto(`${base}/sequencers/1/increase?amount=69900.000000000000000001`);
await page.getByText("the contract refuses it now").waitFor();
if ((await page.locator("#wallet").count()) > 0) fault("increase", "more than maxLock is offered to a wallet");

// One wei more than down to the least is refused, with its reason.
await page.goto(`${base}/sequencers/1/withdraw?amount=10100.000000000000000001`);
await page.getByText("the contract refuses it now").waitFor();
const failing = await page.locator("tr:has([data-value=fails])").innerText();
if (!/the stake is minLock at least/.test(failing)) fault("withdraw", `it fails for ${failing}`);
await act("/sequencers/1/withdraw?amount=10100");
await shows("20,000.0000");
await chains("check");

await act("/sequencers/1/unlock?eth=0.01");
await shows("leaving");
await chains("check");
await page.goto(`${base}/sequencers/1/finish?eth=0.01`);
await page.getByText("the exit delay is over").waitFor();
await page.getByText("the contract refuses it now").waitFor();
await chains("wait");
await act("/sequencers/1/finish?eth=0.01");
await shows("gone");
await chains("check");
await browser.close();
end();
