#!/usr/bin/env python3
"""Makes a recording of another history: histories.py RECORDING TARGET L1_BLOCK L2_BLOCK

From L1_BLOCK on all blocks have other hashes, and who names a recipient names another one. From L2_BLOCK on all blocks
have other hashes, and nobody signed them, so that they are attributed as their spans say."""

import gzip
import hashlib
import json
import pathlib
import shutil
import sys

RECIPIENT_CHANGED = "0x357bb123cabaf224688e3d8de5feb37d685dc3a27012a7bce1201c49bc369cb6"
HASHES = ("hash", "parentHash", "blockHash")


def other(text):
    """Returns another hash instead of a hash, always the same."""
    return "0x" + hashlib.sha256(text.encode()).hexdigest()


def lines(path):
    """Yields the objects of a file of a recording."""
    with gzip.open(path, "rt") as packed:
        yield from map(json.loads, packed)


def rewrite(source, target, name, change):
    """Copies a file of a recording with each object changed."""
    with gzip.open(target / f"{name}.jsonl.gz", "wt", compresslevel=1) as packed:
        for thing in lines(source / f"{name}.jsonl.gz"):
            packed.write(json.dumps(change(thing)) + "\n")


def make(source, target, l1_block, l2_block):
    """Makes the recording."""
    source, target = pathlib.Path(source), pathlib.Path(target)
    shutil.copytree(source, target)
    hashes = {
        block["hash"]: other(block["hash"])
        for chain, start in (("l1", l1_block), ("l2", l2_block))
        for block in lines(source / f"{chain}_blocks.jsonl.gz")
        if int(block["number"], 16) >= start
    }

    def rehash(thing):
        thing.update({name: hashes.get(thing[name], thing[name]) for name in HASHES if name in thing})
        return thing

    def l1_log(log):
        if log["topics"][0] == RECIPIENT_CHANGED and int(log["blockNumber"], 16) >= l1_block and int(log["data"][66:], 16):
            log["data"] = log["data"][:90] + other(log["data"])[2:42]
        return rehash(log)

    def l2_made(block):
        if int(block["number"], 16) >= l2_block:
            for transaction in block["transactions"]:
                transaction.update(seqR=None, seqS=None, seqV=None)
        return rehash(block)

    rewrite(source, target, "l1_blocks", rehash)
    rewrite(source, target, "l1_logs", l1_log)
    rewrite(source, target, "l1_failed_txs", rehash)
    rewrite(source, target, "l2_blocks", l2_made)
    rewrite(source, target, "l2_logs", rehash)


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
