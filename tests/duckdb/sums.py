"""Adds an export of the ledger by block up with DuckDB, and compares the sums with those of `tally replay --format json`:
blocks and reward of every epoch and sequencer, W, the blocks without reward by reason, and the realised MRR.

Usage: sums.py EXPORT_DIR REPLAY.json [parquet|csv]
Exit status: 0 all equal; 3 something differs.
"""

import json
import sys

import duckdb

YEAR_SECS = 31_536_000
UNIT = 10**18


def main() -> None:
    directory, replay, form = sys.argv[1], sys.argv[2], sys.argv[3]
    expected = json.load(open(replay))[0]
    blocks = f"'{directory}/*.parquet'"
    if form == "csv":
        amounts = ", ".join(f"'{name}_wei': 'DECIMAL(38,0)'" for name in ("effective_stake", "reward", "running_total"))
        others = ", ".join(f"'{name}': 'BIGINT'" for name in ("block", "timestamp", "epoch", "span", "sequencer", "batch"))
        blocks = f"read_csv('{directory}/*.csv', types = {{{amounts}, {others}, 'unrewarded': 'VARCHAR'}})"
    compared = 0

    def same(what: str, ours: object, theirs: object) -> None:
        nonlocal compared
        compared += 1
        if ours != theirs:
            print(f"{what}: the export has {ours}, the replay {theirs}")
            sys.exit(3)

    types = {row[0]: row[1] for row in duckdb.sql(f"DESCRIBE FROM {blocks}").fetchall()}
    for name in ("effective_stake_wei", "reward_wei", "running_total_wei"):
        same(f"type of {name}", types[name], "DECIMAL(38,0)")
    rows = duckdb.sql(
        f"SELECT epoch, sequencer, count(*), sum(reward_wei)::DECIMAL(38, 0), sum(effective_stake_wei)::DECIMAL(38, 0) "
        f"FROM {blocks} WHERE reward_wei IS NOT NULL GROUP BY ALL"
    ).fetchall()
    sums = {(int(epoch), int(sequencer)): (int(n), int(reward), int(w)) for epoch, sequencer, n, reward, w in rows}
    for epoch in expected["epochs"]:
        place = f"epoch {epoch['epoch']}"
        own = {sequencer: row for (index, sequencer), row in sums.items() if index == epoch["epoch"]}
        same(f"{place}, sequencers", sorted(own), [row["sequencer"] for row in epoch["rows"]])
        for row in epoch["rows"]:
            n, reward, _ = own[row["sequencer"]]
            same(f"{place}, sequencer {row['sequencer']}", (n, str(reward)), (row["blocks"], row["reward_wei"]))
        reward = sum(row[1] for row in own.values())
        same(f"{place}, reward", str(reward), epoch["reward_wei"])
        same(f"{place}, N", sum(row[0] for row in own.values()), epoch["blocks"])
        same(f"{place}, W", str(sum(row[2] for row in own.values())), epoch["stake_blocks"])
        stake_seconds = int(epoch["stake_seconds"])
        realised = UNIT * reward * YEAR_SECS // stake_seconds if stake_seconds else None
        text = f"{realised // UNIT}.{realised % UNIT:018}" if realised is not None else None
        same(f"{place}, realised MRR", text, epoch["realised_mrr"])
    totals = duckdb.sql(
        f"SELECT sequencer, max(running_total_wei), arg_max(running_total_wei, block) FROM {blocks} "
        "WHERE reward_wei IS NOT NULL GROUP BY ALL"
    ).fetchall()
    last = {int(sequencer): (int(most), int(end)) for sequencer, most, end in totals}
    for sequencer in expected["sequencers"]:
        if sequencer["blocks"]:
            reward = int(sequencer["reward_wei"])
            same(f"running total of sequencer {sequencer['sequencer']}", last[sequencer["sequencer"]], (reward, reward))
    reasons = dict(
        duckdb.sql(f"SELECT unrewarded, count(*) FROM {blocks} WHERE unrewarded IS NOT NULL GROUP BY ALL").fetchall()
    )
    for reason, n in expected["unrewarded"].items():
        same(f"blocks that are {reason}", reasons.get(reason, 0), n)
    rest = duckdb.sql(f"SELECT count(*) FROM {blocks} WHERE (reward_wei IS NULL) = (unrewarded IS NULL)").fetchall()[0]
    same("blocks with both a reward and a reason, or neither", rest, (0,))
    batches = {
        int(batch): (int(n), str(int(reward)))
        for batch, n, reward in duckdb.sql(
            f"SELECT batch, count(*), sum(reward_wei) FROM {blocks} WHERE batch IS NOT NULL GROUP BY ALL"
        ).fetchall()
    }
    for batch in expected.get("batches", []):
        sum_of = (sum(row["blocks"] for row in batch["rows"]), str(sum(int(row["reward_wei"]) for row in batch["rows"])))
        same(f"batch {batch['batch']}", batches.pop(batch["batch"]), sum_of)
    same("other batches", batches, {})
    print(f"{compared} values are equal")


if __name__ == "__main__":
    main()
