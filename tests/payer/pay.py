"""Pays what a policy owes, and nothing twice, however often it is killed: pay.py DATABASE SCHEMA DIGEST"""
import sys
import psycopg
from bank import pay  # makes one payment for each key, refuses another one with that key, and says which it is

database, schema, digest = sys.argv[1:]
with psycopg.connect(database, autocommit=True) as db:
    db.execute("SELECT set_config('search_path', %s, false)", [schema])
    # A policy is its digest: of a name there may be other rules, with other sums.
    found = db.execute("SELECT policy FROM feed WHERE hex(policy_digest) = %s", [digest]).fetchone()
    if found is None:
        sys.exit(f"schema {schema} has no policy with the digest {digest}")
    # First it is written down what is going to be paid. Two that do so at once write the same, or one of them nothing.
    db.execute("""INSERT INTO payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch)
        SELECT policy, sequencer, cumulative_wei, previous_wei, recipient_bytes, epoch
        FROM due WHERE policy = %s ON CONFLICT DO NOTHING""", found)
    # What nobody was paid yet goes to whom the distributions name now.
    db.execute("SELECT supersede(%s)", found)
    # Whatever was written and has no payment yet may have been paid all the same: the key tells the bank.
    for sequencer, total in db.execute("""SELECT sequencer, cumulative_wei FROM payouts
            WHERE policy = %s AND payments = 0 ORDER BY sequencer, cumulative_wei""", found).fetchall():
        # Right before it is paid, since a rollback may have come meanwhile.
        payout = [*found, sequencer, total]
        owed = db.execute("""SELECT recipient, amount_wei FROM payouts WHERE policy = %s AND sequencer = %s
            AND cumulative_wei = %s AND payments = 0 AND is_owed""", payout).fetchone()
        if owed is None:
            continue
        reference = pay(f"{digest}-{sequencer}-{total}", *owed)
        db.execute("""INSERT INTO payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei)
            VALUES (%s, %s, %s, %s, decode(substr(%s, 3), 'hex'), %s)
            ON CONFLICT (reference, policy, sequencer, cumulative_wei) DO NOTHING""", [reference, *payout, *owed])
