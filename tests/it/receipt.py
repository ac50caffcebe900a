#!/usr/bin/env python3
"""Recomputes the digests of a receipt from its numbers, with nothing of Tally's: docs/rules.md says how.

Usage: receipt.py RECEIPT [EXPORT]. Prints each digest; exit status 1 where one is not the receipt's, or a sum is not.
With the directory of an export as CSV, every number that blocks sum to is taken from there: the receipt then says only
when epochs begin, their Q and rates, genesis and horizon.
"""

import csv
import json
import pathlib
import struct
import sys

# BLAKE3, as https://github.com/BLAKE3-team/BLAKE3-specs describes it.
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MASK = 0xFFFFFFFF


def compress(chaining, words, counter, length, flags):
    state = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    words = list(words)
    for _ in range(7):
        for index, (a, b, c, d) in enumerate(QUARTERS):
            for word, first, second in ((words[2 * index], 16, 12), (words[2 * index + 1], 8, 7)):
                state[a] = (state[a] + state[b] + word) & MASK
                turned = state[d] ^ state[a]
                state[d] = (turned >> first | turned << (32 - first)) & MASK
                state[c] = (state[c] + state[d]) & MASK
                turned = state[b] ^ state[c]
                state[b] = (turned >> second | turned << (32 - second)) & MASK
        words = [words[index] for index in PERMUTATION]
    return tuple(state[index] ^ state[index + 8] for index in range(8))


def subtree(data, counter, root):
    if len(data) <= 1024:
        blocks = [data[at:at + 64] for at in range(0, len(data), 64)] or [b""]
        chaining = IV
        for index, block in enumerate(blocks):
            flags = (CHUNK_START if index == 0 else 0) | (CHUNK_END | root if block is blocks[-1] else 0)
            words = struct.unpack("<16I", block.ljust(64, b"\0"))
            chaining = compress(chaining, words, counter, len(block), flags)
        return chaining
    # The left part is the largest power of two of whole chunks that leaves something.
    chunks = (len(data) - 1) // 1024
    left = 1024 << (chunks.bit_length() - 1)
    words = subtree(data[:left], counter, 0) + subtree(data[left:], counter + left // 1024, 0)
    return compress(IV, words, 0, 64, PARENT | root)


def blake3(data):
    return struct.pack("<8I", *subtree(data, 0, ROOT))


# What the digests of a ledger are over.
def number(value):
    return value.to_bytes(8, "big")


def amount(text):
    return int(text).to_bytes(32, "big")


def option(value):
    return number(0) if value is None else number(1) + number(value)


def text(value):
    return number(len(value)) + value.encode()


def earned(row):
    return number(row["blocks"]) + amount(row["reward_wei"])


def rows(entries, name):
    return number(len(entries)) + b"".join(number(row[name]) + earned(row) for row in entries)


def fraction(decimal):
    """Numerator and denominator, in lowest powers of ten."""
    whole, _, decimals = decimal.partition(".")
    return number(int(whole + decimals)) + amount(10 ** len(decimals))


def rate(value):
    if value["from"] == "window":
        return number(1) + number(value["window_epoch"]) + fraction(value["mrr"])
    if value["from"] == "operators":
        return number(3) + amount(value["total_locked_wei"]) + number(value["percent"]) + number(value["block_secs"])
    if value["from"] == "fixed":
        return number(4) + amount(value["reward_per_block_wei"])
    return number({"initial": 0, "chain": 2}[value["from"]])


def epoch_digest(epoch):
    head = number(epoch["epoch"]) + number(epoch["start"]) + amount(epoch["stake_seconds"])
    own = earned(epoch) + amount(epoch["stake_blocks"]) + rate(epoch["rate"])
    return blake3(text("tally.epoch.2") + head + own + rows(epoch["rows"], "sequencer"))


def ledger_root(receipt):
    link = bytes(32)
    for epoch in receipt["epochs"]:
        link = blake3(link + bytes.fromhex(epoch["digest"][2:]))
    horizon = receipt["horizon"] or {"l2_block": None, "timestamp": None}
    reasons = ("before_genesis", "no_producer", "unknown_signer", "after_unlock")
    return blake3(b"".join([
        text("tally.ledger.2"),
        option(receipt["genesis"]), option(horizon["l2_block"]), option(horizon["timestamp"]),
        number(len(receipt["epochs"])), link,
        rows([row for row in receipt["sequencers"] if row["blocks"] > 0], "id"),
        *(number(receipt["unrewarded"][reason]) for reason in reasons),
        amount(receipt["total_wei"]),
        number(len(receipt["batches"])),
        *(number(batch["batch"]) + amount(batch["reward_per_block_wei"]) + rows(batch["rows"], "sequencer")
          for batch in receipt["batches"]),
        earned(receipt["pending"]),
    ]))


def add(sums, key, row):
    blocks, reward = sums.get(key, (0, 0))
    sums[key] = (blocks + row["blocks"], reward + int(row["reward_wei"]))


def summed(sums):
    return {"blocks": sums[0], "reward_wei": str(sums[1])}


def from_ledger(receipt, directory):
    """The receipt with the sums of an exported ledger in place of its own."""
    rows, weights, batches, each = {}, {}, {}, {}
    sequencers, pending, unrewarded, running = {}, (0, 0), dict.fromkeys(receipt["unrewarded"], 0), {}
    for path in sorted(pathlib.Path(directory).glob("*.csv"), key=lambda path: (path.stem != "before-genesis", path.stem)):
        with open(path, newline="", encoding="utf-8") as file:
            for block in csv.DictReader(file):
                if block["unrewarded"]:
                    unrewarded[block["unrewarded"]] += 1
                    continue
                epoch, sequencer = int(block["epoch"]), int(block["sequencer"])
                one = {"blocks": 1, "reward_wei": block["reward_wei"]}
                add(rows.setdefault(epoch, {}), sequencer, one)
                add(sequencers, sequencer, one)
                weights[epoch] = weights.get(epoch, 0) + int(block["effective_stake_wei"])
                if block["batch"]:
                    add(batches.setdefault(int(block["batch"]), {}), sequencer, one)
                    each[int(block["batch"])] = block["reward_wei"]
                elif receipt["epochs"][epoch]["rate"]["from"] == "chain":
                    pending = (pending[0] + 1, pending[1] + int(block["reward_wei"]))
                running[sequencer] = running.get(sequencer, 0) + int(block["reward_wei"])
                if running[sequencer] != int(block["running_total_wei"]):
                    sys.exit(f"running total of block {block['block']}: {block['running_total_wei']}, not {running[sequencer]}")

    def table(sums, name):
        return [{name: key, **summed(sums[key])} for key in sorted(sums)]

    epochs = []
    for epoch in receipt["epochs"]:
        own = rows.get(epoch["epoch"], {})
        total = (sum(blocks for blocks, _ in own.values()), sum(reward for _, reward in own.values()))
        epochs.append({**epoch, **summed(total), "stake_blocks": str(weights.get(epoch["epoch"], 0)),
                       "rows": table(own, "sequencer")})
    paid = [{"batch": batch, "reward_per_block_wei": each[batch], "rows": table(batches[batch], "sequencer")}
            for batch in sorted(batches)]
    total = sum(reward for _, reward in sequencers.values())
    return {**receipt, "epochs": epochs, "sequencers": table(sequencers, "id"), "unrewarded": unrewarded,
            "batches": paid, "pending": summed(pending), "total_wei": str(total)}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        receipt = json.load(file)
    if len(sys.argv) > 2:
        receipt = from_ledger(receipt, sys.argv[2])
    found, sums = [], {}
    for epoch in receipt["epochs"]:
        found.append((f"epoch {epoch['epoch']}", "0x" + epoch_digest(epoch).hex(), epoch["digest"]))
        add(sums, "total", epoch)
        own = {}
        for row in epoch["rows"]:
            add(sums, row["sequencer"], row)
            add(own, "rows", row)
        expected = (epoch["blocks"], int(epoch["reward_wei"]))
        found.append((f"rows of epoch {epoch['epoch']}", own.get("rows", (0, 0)), expected))
    found.append(("ledger root", "0x" + ledger_root(receipt).hex(), receipt["ledger_root"]))
    found.append(("total", sums.pop("total", (0, 0))[1], int(receipt["total_wei"])))
    for row in receipt["sequencers"]:
        stated = (row["blocks"], int(row["reward_wei"]))
        found.append((f"sequencer {row['id']}", sums.get(row["id"], (0, 0)), stated))
    for name, computed, stated in found:
        print(f"{name}: {computed}" + ("" if computed == stated else f", but the receipt has {stated}"))
    sys.exit(any(computed != stated for _, computed, stated in found))


if __name__ == "__main__":
    main()
