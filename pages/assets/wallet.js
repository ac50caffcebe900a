// Sends the call of a page with a wallet in the browser: exactly what the page shows, after the chain itself was asked.
// Wallets are found by EIP-6963, also those that announce themselves late, and spoken to by EIP-1193.

import { Refused, account, ask, hex, inLog, onChain, send } from "./chain.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** How long to wait before a wallet that announces nothing is looked for, in milliseconds. */
const LATE_MS = 300;

/** Puts wallets into the part's place for them, if it has one. */
export function wallet(part) {
  const place = part.querySelector("#wallet:not([data-found])");
  if (!place) return;
  place.dataset.found = "";
  const list = element("ul", "wallets");
  const said = document.getElementById("told");
  const note = element("p", "note", "Looking for wallets in this browser …");
  place.replaceChildren(note, list);
  const known = new Map();

  const add = (info, provider) => {
    if (!provider?.request || known.has(info.uuid)) return;
    known.set(info.uuid, provider);
    note.textContent = "Choose the wallet. Each step is shown, and nothing is sent before you confirm it in the wallet.";
    const button = element("button", null);
    button.type = "button";
    if (/^data:image\//.test(info.icon ?? "")) {
      const icon = element("img");
      icon.alt = "";
      icon.src = info.icon;
      button.append(icon);
    }
    button.append(element("bdi", null, String(info.name).slice(0, 60)));
    button.addEventListener("click", () => run(place, list, said, provider));
    const item = element("li");
    item.append(button);
    list.append(item);
  };

  addEventListener("eip6963:announceProvider", (event) => add(event.detail?.info ?? {}, event.detail?.provider));
  dispatchEvent(new Event("eip6963:requestProvider"));
  setTimeout(() => {
    if (known.size > 0) return;
    if (globalThis.ethereum) add({ uuid: "window.ethereum", name: "The wallet of this browser" }, globalThis.ethereum);
    else note.textContent = "There is no wallet in this browser yet. Copy the calldata, or use the file for a Safe; a wallet that is started later shows up here.";
  }, LATE_MS);
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Tells of steps, each with its time, and of what was sent if one fails. */
function teller(list) {
  let open = null;
  let sent = "Nothing was sent.";
  const put = (text, className) => {
    const item = open ?? list.appendChild(element("li"));
    open = null;
    item.className = className;
    item.textContent = `${text} (${CLOCK.format(new Date())})`;
    return item;
  };
  return {
    step: (text) => (open = put(`${text} …`, "")),
    done: (text) => put(text, "done"),
    sent: () => (sent = ""),
    approved: (text) => (sent = text),
    failed: (text) => put(`${text} ${sent}`.trimEnd(), "failed"),
  };
}

async function run(place, list, said, provider) {
  const buttons = list.querySelectorAll("button");
  const tell = teller(said);
  said.replaceChildren();
  place.dataset.busy = "";
  for (const button of buttons) button.disabled = true;
  try {
    await go(place.dataset, provider, tell);
  } catch (error) {
    tell.failed(error instanceof Refused ? error.message : `Something went wrong: ${error.message}`);
  } finally {
    for (const button of buttons) button.disabled = false;
    delete place.dataset.busy;
  }
}

async function go(call, provider, tell) {
  if ("paysBridge" in call && !call.value) {
    throw new Refused("Say above how much ETH goes along for the bridge: the call is tried with it before anything is sent.");
  }
  tell.step("Asking the wallet for its account");
  const from = await account(provider, call.from);
  tell.done(`The wallet has the account ${from}`);
  tell.step("Looking whether the wallet is on the right chain");
  await onChain(provider, call.chain);
  tell.done(`The wallet is on chain ${call.chain}`);
  await askConditions(call, provider, tell);
  const transaction = { from, to: call.to, data: call.data, value: hex(call.value ?? 0) };
  if (call.approveTo) await approve(call, provider, from, tell);
  tell.step("Trying the call, without sending it");
  const receipt = await send(provider, call.chain, transaction, tell);
  const block = BigInt(receipt.blockNumber);
  tell.done(`Mined in L1 block ${block}`);
  tell.step("Waiting until the log of this server has that block");
  await inLog(block);
  tell.done("In the log: the pages show it");
}

/** The exact value of an element. */
const value = (element) => element?.dataset.value ?? element?.textContent;

/** Asks the chain what the log does not know: the questions of the page's conditions. */
async function askConditions(call, provider, tell) {
  for (const mark of document.querySelectorAll('[data-condition][data-value="unknown"]')) {
    const row = mark.closest("tr");
    const field = (name) => value(row.querySelector(`[data-field="${name}"]`));
    if (field("method") !== "eth_call" || field("chain_id") !== call.chain) continue;
    const about = row.querySelector("th").firstChild.textContent;
    const found = judgement(mark.dataset.condition);
    if (!found) continue;
    tell.step(`Asking the chain: ${about}`);
    const answer = await ask(provider, "eth_call", [{ to: field("to"), data: field("data") }, "latest"]);
    const wanted = field("wanted/value");
    if (!found(BigInt(answer), wanted && BigInt(wanted))) throw new Refused(`The chain says that it is not so: ${about}.`);
    tell.done(`The chain says: ${about}`);
  }
}

/** How an answer decides a condition. What approves METIS, and what only the call itself tells, is asked for later. */
function judgement(condition) {
  switch (condition) {
    case "on_white_list":
    case "new_owner_on_white_list":
      return (answer) => answer !== 0n;
    case "metis_balance":
      return (answer, wanted) => answer >= wanted;
    default:
      return null;
  }
}

/** Approves exactly the amount of METIS, unless so much is approved already. */
async function approve(call, provider, from, tell) {
  const word = (text) => text.toLowerCase().replace("0x", "").padStart(64, "0");
  const amount = BigInt(call.approveAmount);
  tell.step("Asking METIS how much is approved to the escrow");
  const data = `0xdd62ed3e${word(from)}${word(call.approveSpender)}`;
  const approved = BigInt(await ask(provider, "eth_call", [{ to: call.approveTo, data }, "latest"]));
  if (approved >= amount) {
    tell.done("So much METIS is approved already");
    return;
  }
  tell.step("Approving exactly this amount of METIS to the escrow");
  const receipt = await send(provider, call.chain, { from, to: call.approveTo, data: call.approveData, value: "0x0" }, tell);
  const block = BigInt(receipt.blockNumber);
  tell.done(`Approved in L1 block ${block}`);
  tell.approved(`The approval in L1 block ${block} stands: the escrow may take that much METIS from this account. The call itself was not made.`);
}
