#!/usr/bin/env python3
"""Compares what was paid with what `tally serve` says is owed: reconciler.py BASE CONTRACT [--once]

With --once it prints each finding as a line of JSON and ends with 1 if there is any."""

import argparse
import json
import sys

from client import Client, Problem
from contract import Contract
from keccak import root_of


def distributions(client, cursor):
    """Returns the `at` of the distributions that contain a cursor, and for each epoch its head and its leaves."""
    page, heads = client.whole_list("/v1/distributions", "distributions", at_least=cursor, wait_secs=25, limit=3)
    found, cursor = {}, page["at"]["feed"]["cursor"]
    for head in heads:
        _, leaves = client.whole_list(f"/v1/distributions/{head['epoch']}/leaves", "leaves", at_least=cursor, wait_secs=25, limit=100)
        found[head["epoch"]] = (head, {leaf["sequencer"]: leaf for leaf in leaves})
    return page["at"], found


def of_payments(contract, found):
    """Finds what is wrong with single payments, by the distributions that are told now."""
    later_roots, seen = {}, set()
    valid = {head["root"]: epoch for epoch, (head, _) in found.items()}
    for number, _, root, _ in contract.roots():
        if root in valid:
            later_roots[number] = valid[root]
    for payment in contract.payments():
        about = {name: payment[name] for name in ("number", "epoch", "sequencer", "recipient", "amount_wei")}
        key = (payment["root"], payment["sequencer"])
        if key in seen:
            yield {"finding": "paid_twice", **about}
        seen.add(key)
        if root_of(payment["sequencer"], payment["recipient"], payment["cumulative_wei"], payment["proof"]) != payment["root"]:
            yield {"finding": "wrong_proof", **about}
        if payment["root"] not in valid:
            yield {"finding": "void_root", **about}
        elif any(epoch > payment["epoch"] for number, epoch in later_roots.items() if number < payment["after_root"]):
            yield {"finding": "too_late", **about}
        head_leaves = found.get(payment["epoch"])
        leaf = head_leaves and head_leaves[1].get(payment["sequencer"])
        if leaf and leaf["recipient"] != payment["recipient"]:
            yield {"finding": "other_recipient", "wanted": leaf["recipient"], **about}


def of_sums(client, contract, at, found, payments):
    """Finds what is wrong with what each sequencer was paid in all."""
    cursor = at["feed"]["cursor"]
    current = contract.current()
    if current and current[1] in found:
        head, leaves = found[current[1]]
        accounts = client.get("/v1/accounts", at_time=head["epoch_end"] - 1, at_least=cursor, wait_secs=25)
        accrued = {row["sequencer"]: int(row["accrued_wei"]) for row in accounts["policies"][0]["sequencers"]}
        for sequencer, leaf in leaves.items():
            owed = int(leaf["cumulative_wei"])
            if accrued.get(sequencer) != owed:
                yield {"finding": "accounts_differ", "sequencer": sequencer, "leaf_wei": owed, "accrued_wei": accrued.get(sequencer)}
            paid = sum(payment["amount_wei"] for payment in payments if payment["sequencer"] == sequencer)
            if paid != owed:
                yield {"finding": "too_much" if paid > owed else "unpaid", "sequencer": sequencer, "paid_wei": paid, "owed_wei": owed}
    _, sequencers = client.whole_list("/v1/sequencers", "sequencers", at_least=cursor, wait_secs=25, limit=5)
    settled = {row["sequencer"]: int(row["policy"]["settled_wei"]) for row in sequencers}
    for sequencer in {payment["sequencer"] for payment in payments}:
        paid = sum(payment["amount_wei"] for payment in payments if payment["sequencer"] == sequencer)
        if paid > settled.get(sequencer, 0):
            yield {"finding": "above_settled", "sequencer": sequencer, "paid_wei": paid, "settled_wei": settled.get(sequencer, 0)}


def reconcile(client, contract):
    """Returns all findings. What was paid is read first, so that the server knows at least as much."""
    payments, current = contract.payments(), contract.current()
    at, found = distributions(client, current[3] if current else "0")
    return list(of_payments(contract, found)) + list(of_sums(client, contract, at, found, payments))


def main():
    """Compares once, or again each time there is another distribution."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("contract")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    client, contract = Client(options.base), Contract(options.contract)
    if options.once:
        findings = reconcile(client, contract)
        for finding in findings:
            print(json.dumps(finding))
        sys.exit(1 if findings else 0)
    cursor = "0"
    while True:
        try:
            page = client.get("/v1/feed", after=cursor, types="distribution_ready", wait_secs=2)
            print("page", page["cursor"], flush=True)
            if page["facts"]:
                kinds = sorted({finding["finding"] for finding in reconcile(client, contract)})
                print("reconciled", *kinds, flush=True)
            cursor = page["cursor"]
        except Problem as problem:
            # After a rollback, a server that has the void cursor may not have got that far again.
            if problem.kind not in ("other-feed", "gap"):
                raise
            cursor = "0"
            print(problem.kind, flush=True)


if __name__ == "__main__":
    main()
