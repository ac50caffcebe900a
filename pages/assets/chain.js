// What a wallet and its node say, in words. Amounts are BigInt, or text: never a JavaScript number.

/** How often a node is asked whether something has happened, in milliseconds. */
const POLL_MS = 1_500;

/** In how many blocks at most a transaction is looked for that took the place of ours. */
const LOOK_BACK = 500n;

/** How often a mined number has to be seen without a receipt before something else is looked for in its place. */
const PATIENCE = 4;

/** Why something was not done, in words for people. */
export class Refused extends Error {}

const PANICS = new Map([
  [0x01n, "an assertion of the contract failed"],
  [0x11n, "an amount is too large or too small for the contract"],
  [0x12n, "the contract divided by zero"],
  [0x32n, "the contract looked beyond the end of a list"],
]);

export const hex = (number) => `0x${BigInt(number).toString(16)}`;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks a wallet; what it refuses becomes words. */
export async function ask(provider, method, params = []) {
  try {
    return await provider.request({ method, params });
  } catch (error) {
    throw inWords(error, method);
  }
}

function inWords(error, method) {
  const code = error?.code ?? error?.data?.code;
  if (code === 4001 || code === "ACTION_REJECTED") return new Refused("You rejected it in the wallet.");
  if (code === 4100) return new Refused("The wallet does not let this page use the account: allow it in the wallet, and try again.");
  if (code === 4900 || code === 4901) return new Refused("The wallet is not connected to the chain: check its network, and try again.");
  if (code === -32002) return new Refused("The wallet has a question open already: answer it there first.");
  const reverted = revert(error);
  if (reverted) return new Refused(`The contract refuses it: ${reverted}.`);
  const text = error?.data?.message ?? error?.message ?? String(error);
  if (/insufficient funds/i.test(text)) return new Refused("The account has too little ETH for the gas and what goes along.");
  return new Refused(`The wallet refused ${method}: ${text}`);
}

/** The reason of a revert, by the bytes that the contract gave; `null` if it is none. */
export function revert(error) {
  const found = [error?.data, error?.data?.data, error?.data?.originalError?.data, error?.error?.data, error?.cause?.data];
  const data = found.find((data) => typeof data === "string" && /^0x[0-9a-f]*$/i.test(data));
  const text = error?.data?.message ?? error?.message ?? "";
  if (data === undefined || data === "0x") return /revert/i.test(text) ? said(text) : null;
  const words = data.slice(10);
  if (data.startsWith("0x08c379a0")) {
    const length = Number(BigInt(`0x${words.slice(64, 128)}`));
    const bytes = words.slice(128, 128 + 2 * length).match(/../g) ?? [];
    return `“${new TextDecoder().decode(Uint8Array.from(bytes, (byte) => parseInt(byte, 16)))}”`;
  }
  if (data.startsWith("0x4e487b71")) return PANICS.get(BigInt(`0x${words}`)) ?? `it panicked with code ${BigInt(`0x${words}`)}`;
  return `its error ${data.slice(0, 10)}${/revert/i.test(text) ? ` (${text})` : ""}`;
}

/** What a message of a node says of a revert. */
function said(text) {
  const reason = /revert(?:ed)?(?: with reason(?: string)?)?:?\s*['"“]?(.+?)['"”]?$/i.exec(text)?.[1];
  return reason ? `“${reason}”` : "it gave no reason";
}

/** The account that has to send: the one that is wanted, or the wallet's first. */
export async function account(provider, wanted) {
  const accounts = (await ask(provider, "eth_requestAccounts")).map((one) => one.toLowerCase());
  if (accounts.length === 0) throw new Refused("The wallet shows no account to this page.");
  if (!wanted) return accounts[0];
  if (!accounts.includes(wanted.toLowerCase())) {
    throw new Refused(`The call has to be sent by ${wanted}. The wallet shows ${accounts.join(", ")}: choose the other account in the wallet, and try again.`);
  }
  return wanted;
}

/** Makes sure that the wallet is on a chain. */
export async function onChain(provider, id) {
  const wanted = hex(id);
  const is = async () => BigInt(await ask(provider, "eth_chainId")) === BigInt(wanted);
  if (await is()) return;
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: wanted }] });
  } catch (error) {
    if (error?.code === 4902) throw new Refused(`The wallet does not know the chain ${id}: add it in the wallet, and try again.`);
    if (error?.code === 4001) throw new Refused(`The wallet is on another chain, and you rejected the change to chain ${id}.`);
    throw inWords(error, "wallet_switchEthereumChain");
  }
  if (!(await is())) throw new Refused(`The wallet is still on another chain than ${id}.`);
}

/** Asks what has to be answered in the end: whatever a node says against it, it is asked again. */
async function insist(provider, method, params, tell) {
  for (let failures = 0; ; failures += 1) {
    try {
      return await provider.request({ method, params });
    } catch (error) {
      if (failures === 1) tell.step(`Pending: the wallet's node does not answer, and is asked again (${error?.message ?? error})`);
    }
    await sleep(POLL_MS);
  }
}

/** Sends a transaction that was tried before, and waits until it is in a block. `tell` is told of each step. */
export async function send(provider, chain, transaction, tell) {
  await ask(provider, "eth_call", [transaction, "latest"]);
  const estimate = BigInt(await ask(provider, "eth_estimateGas", [transaction]));
  // A batch that is paid meanwhile makes a call cost more.
  const gas = hex(estimate + estimate / 5n);
  const since = BigInt(await ask(provider, "eth_blockNumber"));
  const nonce = await ask(provider, "eth_getTransactionCount", [transaction.from, "pending"]);
  // Account and chain may have been changed in the wallet since they were looked at.
  await account(provider, transaction.from);
  await onChain(provider, chain);
  tell.step("Waiting for you to confirm it in the wallet");
  const hash = await ask(provider, "eth_sendTransaction", [{ ...transaction, gas, chainId: hex(chain) }]);
  tell.sent();
  tell.done(`Sent, transaction ${hash}`);
  tell.step("Pending: waiting for a block to take it");
  return mined(provider, chain, { ...transaction, hash, nonce, since, from: transaction.from.toLowerCase() }, tell);
}

/** Waits for the receipt. Only a receipt, or another transaction that is seen in its place, says that it failed. */
async function mined(provider, chain, sent, tell) {
  let { hash, nonce } = sent;
  let gone = 0;
  const get = (method, params) => insist(provider, method, params, tell);
  for (;; await sleep(POLL_MS)) {
    if (BigInt(await get("eth_chainId", [])) !== BigInt(chain)) {
      tell.step(`Pending: the wallet is on another network now; change it back to chain ${chain} to see what becomes of ${hash}`);
      continue;
    }
    const receipt = await get("eth_getTransactionReceipt", [hash]);
    if (receipt) {
      if (BigInt(receipt.status) === 1n) return receipt;
      throw new Refused(`It was mined in L1 block ${BigInt(receipt.blockNumber)}, and the contract reverted it: ${await why(provider, sent, receipt)}. Only gas was spent.`);
    }
    // The wallet may have given it another number than the next one.
    nonce = (await get("eth_getTransactionByHash", [hash]))?.nonce ?? nonce;
    if (BigInt(await get("eth_getTransactionCount", [sent.from, "latest"])) <= BigInt(nonce)) continue;
    // Its receipt may come a moment later than its number is used up.
    gone += 1;
    if (gone < PATIENCE) continue;
    const other = await inItsPlace(get, sent, nonce);
    if (other?.hash === hash) {
      gone = 0;
      continue;
    }
    if (!other) {
      throw new Refused(`What became of ${hash} cannot be told here: its number is used up, and no block since shows by what. Look at the account in an explorer before you send anything again.`);
    }
    const data = other.input ?? other.data;
    const same = other.to?.toLowerCase() === sent.to.toLowerCase() && data === sent.data && BigInt(other.value) === BigInt(sent.value);
    if (!same) throw new Refused(`It was replaced in the wallet by another transaction, ${other.hash}: it was cancelled, or changed. The call was not made.`);
    tell.done(`Replaced in the wallet by the same call, transaction ${other.hash}`);
    tell.step("Pending: waiting for a block to take it");
    hash = other.hash;
    gone = 0;
  }
}

/** Why a transaction was reverted, as far as a call in its block tells. */
async function why(provider, sent, receipt) {
  try {
    await provider.request({ method: "eth_call", params: [{ from: sent.from, to: sent.to, data: sent.data, value: sent.value }, receipt.blockNumber] });
  } catch (error) {
    return revert(error) ?? "it gave no reason";
  }
  return "it gave no reason";
}

/** The transaction of the same account with the same number that was mined since ours was sent; `null` if none is seen. */
async function inItsPlace(get, sent, nonce) {
  const head = BigInt(await get("eth_blockNumber", []));
  const last = head < sent.since + LOOK_BACK ? head : sent.since + LOOK_BACK;
  for (let number = sent.since; number <= last; number += 1n) {
    const block = await get("eth_getBlockByNumber", [hex(number), true]);
    const found = block?.transactions?.find((one) => one.from?.toLowerCase() === sent.from && BigInt(one.nonce) === BigInt(nonce));
    if (found) return found;
  }
  return null;
}

/** Waits until the server's log has an L1 block. */
export async function inLog(block) {
  for (;;) {
    try {
      const answer = await fetch("/v1/status", { headers: { accept: "application/json" } });
      const status = answer.ok ? await answer.json() : null;
      if (status && status.ingest === null) throw new Refused("This server follows no chain, so it does not see it. The chain has it.");
      const head = status?.policies[0].at.log.l1_head;
      if (head && BigInt(head.block) >= block) return;
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    await sleep(POLL_MS);
  }
}
