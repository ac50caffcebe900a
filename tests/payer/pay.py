"""Pays what a policy owes, and nothing twice, however often it is killed: pay.py DATABASE POLICY"""
import sys
import psycopg
from bank import pay  # makes one payment for each key, however often it is asked, and says which that is

database, policy = sys.argv[1:]
with psycopg.connect(database, autocommit=True) as db:
    # First it is written down what is going to be paid. Two that do so at once write the same, or one of them nothing.
    db.execute("""INSERT INTO tally.payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch)
        SELECT policy, sequencer, cumulative_wei, previous_wei, recipient_bytes, epoch
        FROM tally.due WHERE policy_name = %s ON CONFLICT DO NOTHING""", [policy])
    # Whatever was written and has no payment yet may have been paid all the same: the key tells the bank.
    for number, sequencer, total, amount, recipient in db.execute("""
            SELECT policy, sequencer, cumulative_wei, amount_wei, recipient FROM tally.payouts
            WHERE policy_name = %s AND payments = 0 AND is_owed ORDER BY sequencer, cumulative_wei""", [policy]).fetchall():
        reference = pay(f"{policy}-{sequencer}-{total}", recipient, amount)
        db.execute("""INSERT INTO tally.payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei)
            VALUES (%s, %s, %s, %s, decode(substr(%s, 3), 'hex'), %s) ON CONFLICT DO NOTHING""",
            [reference, number, sequencer, total, recipient, amount])
