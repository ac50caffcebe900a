#!/usr/bin/env python3
"""Pays each sequencer by the frozen distributions: payer.py BASE DATABASE CONTRACT

Every distribution is paid, in order of epochs: its root is published, and then each leaf is claimed with its proof. What
is done twice changes nothing, since the contract pays the difference to what it has paid."""

import sys

from client import Client, Problem
from contract import Contract
from store import Store

KIND = "distribution_ready"


def pay(client, contract, fact):
    """Publishes the root of a distribution and claims all its leaves; every part of it may be done again.

    Says whether it was done: a server that has taken the fact back tells nothing or another distribution for that epoch."""
    epoch, root = fact["epoch"], fact["root"]
    try:
        page, leaves = client.whole_list(f"/v1/distributions/{epoch}/leaves", "leaves", at_least=fact["cursor"], wait_secs=25, limit=5)
    except Problem as problem:
        if problem.kind != "gap":
            raise
        return False
    if page["root"] != root:
        return False
    total = sum(int(leaf["cumulative_wei"]) for leaf in leaves)
    if total != int(fact["leaves_wei"]):
        raise SystemExit(f"the leaves of epoch {epoch} have {total} wei, but its fact says {fact['leaves_wei']}")
    contract.publish(epoch, root, fact["cursor"])
    for leaf in leaves:
        amount = contract.claim(leaf["sequencer"], leaf["recipient"], int(leaf["cumulative_wei"]), leaf["proof"])
        print("paid", epoch, leaf["sequencer"], amount, flush=True)
    return True


def unpaid(store, contract):
    """Returns the facts of the distributions to pay: that of the published root, and those after it.

    If the published root is void, these are the ones whose roots were never published. As long as nobody tells a
    distribution of the epoch of the published root, it is not known whether it is void, and nothing is paid."""
    facts = store.facts(KIND)
    current = contract.current()
    if current is None:
        return facts
    _, epoch, root, _ = current
    told = [fact["root"] for fact in facts if fact["epoch"] == epoch]
    if not told:
        return []
    if told == [root]:
        return [fact for fact in facts if fact["epoch"] >= epoch]
    published = {root for _, _, root, _ in contract.roots()}
    return [fact for fact in facts if fact["root"] not in published]


def main():
    """Pays until it is killed."""
    base, database, path = sys.argv[1:]
    client, store, contract = Client(base), Store(database), Contract(path)
    done = wait_secs = None
    while True:
        try:
            page = client.get("/v1/feed", after=store.cursor(), types=KIND, limit=1, wait_secs=wait_secs)
            wait_secs = 2 if page["is_end"] else None
            store.apply(page["facts"], page["cursor"])
            print("page", len(page["facts"]), page["cursor"], flush=True)
            for fact in unpaid(store, contract):
                if fact["cursor"] == done:
                    continue
                if not pay(client, contract, fact):
                    break
                done = fact["cursor"]
        except Problem as problem:
            if problem.kind != "other-feed":
                raise
            store.begin_again()
            print("other-feed", flush=True)


if __name__ == "__main__":
    main()
