// What a wallet and its node say, in words. Amounts are BigInt, or text: never a JavaScript number.

/** How often a node is asked whether something has happened, in milliseconds. */
const POLL_MS = 1_500;

/** How many blocks back a transaction is looked for that took the place of ours. */
const LOOK_BACK = 20n;

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
  if (code === 4001 || code === "ACTION_REJECTED") return new Refused("You rejected it in the wallet. Nothing was sent.");
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
    if (error?.code === 4001) throw new Refused(`The wallet is on another chain, and you rejected the change to chain ${id}. Nothing was sent.`);
    throw inWords(error, "wallet_switchEthereumChain");
  }
  if (!(await is())) throw new Refused(`The wallet is still on another chain than ${id}.`);
}

/** Sends a transaction that was tried before, and waits until it is in a block. `tell` is told of each step. */
export async function send(provider, transaction, tell) {
  await ask(provider, "eth_call", [transaction, "latest"]);
  const estimate = BigInt(await ask(provider, "eth_estimateGas", [transaction]));
  // A batch that is paid meanwhile makes a call cost more.
  const gas = hex(estimate + estimate / 5n);
  tell.step("Waiting for you to confirm it in the wallet");
  const from = BigInt(await ask(provider, "eth_blockNumber"));
  const nonce = await ask(provider, "eth_getTransactionCount", [transaction.from, "pending"]);
  const hash = await ask(provider, "eth_sendTransaction", [{ ...transaction, gas }]);
  tell.done(`Sent, transaction ${hash}`);
  tell.step("Pending: waiting for a block to take it");
  return mined(provider, { ...transaction, hash, nonce, from: transaction.from.toLowerCase() }, from, tell);
}

async function mined(provider, sent, since, tell) {
  let { hash, nonce } = sent;
  let gone = 0;
  for (;;) {
    const receipt = await ask(provider, "eth_getTransactionReceipt", [hash]);
    if (receipt) {
      if (BigInt(receipt.status) === 1n) return receipt;
      let why = "it gave no reason";
      try {
        await provider.request({ method: "eth_call", params: [{ from: sent.from, to: sent.to, data: sent.data, value: sent.value }, receipt.blockNumber] });
      } catch (error) {
        why = revert(error) ?? why;
      }
      throw new Refused(`It was mined in L1 block ${BigInt(receipt.blockNumber)}, and the contract reverted it: ${why}. Only gas was spent.`);
    }
    // The wallet may have given it another number than the next one.
    nonce = (await ask(provider, "eth_getTransactionByHash", [hash]))?.nonce ?? nonce;
    if (BigInt(await ask(provider, "eth_getTransactionCount", [sent.from, "latest"])) > BigInt(nonce)) {
      // Its receipt may come a moment later than its number is used up.
      gone += 1;
      if (gone > 2) {
        const other = await inItsPlace(provider, sent, nonce, since);
        if (!other) throw new Refused("Another transaction of the account took its place, with the same number. This one will not be mined.");
        const same = other.to?.toLowerCase() === sent.to.toLowerCase() && other.input === sent.data;
        if (!same) throw new Refused(`It was replaced in the wallet by another transaction, ${other.hash}: it was cancelled, or changed. The call was not made.`);
        tell.done(`Replaced in the wallet by the same call, transaction ${other.hash}`);
        tell.step("Pending: waiting for a block to take it");
        hash = other.hash;
        gone = 0;
      }
    }
    await sleep(POLL_MS);
  }
}

/** The transaction of the same account with the same number that was mined. */
async function inItsPlace(provider, sent, nonce, since) {
  const head = BigInt(await ask(provider, "eth_blockNumber"));
  const first = head - LOOK_BACK > since ? head - LOOK_BACK : since;
  for (let number = head; number >= first && number >= 0n; number -= 1n) {
    const block = await ask(provider, "eth_getBlockByNumber", [hex(number), true]);
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
