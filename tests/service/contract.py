"""The contract that pays by distributions, as a database: it holds a root, and counts what it has paid by sequencer."""

import json
import sqlite3

from keccak import root_of
from store import Transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS roots (number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, root TEXT NOT NULL, cursor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS paid (sequencer INTEGER PRIMARY KEY, total_wei TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS payments (number INTEGER PRIMARY KEY, after_root INTEGER NOT NULL, epoch INTEGER NOT NULL, root TEXT NOT NULL,
  sequencer INTEGER NOT NULL, recipient TEXT NOT NULL, amount_wei TEXT NOT NULL, cumulative_wei TEXT NOT NULL, proof TEXT NOT NULL);
"""
PAYMENT = ("number", "after_root", "epoch", "root", "sequencer", "recipient", "amount_wei", "cumulative_wei", "proof")


class Refused(Exception):
    """The contract reverts."""


class Contract:
    """A contract whose calls are done wholly or not at all."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, timeout=60, isolation_level=None)
        self.database.executescript(SCHEMA)

    def current(self):
        """Returns number, epoch, root and cursor of the last root that was published."""
        return self.database.execute("SELECT number, epoch, root, cursor FROM roots ORDER BY number DESC LIMIT 1").fetchone()

    def publish(self, epoch, root, cursor):
        """Replaces the root; the cursor is that of the fact that told it. The same root again changes nothing."""
        with Transaction(self.database):
            current = self.current()
            if current is None or current[1:3] != (epoch, root):
                self.database.execute("INSERT INTO roots (epoch, root, cursor) VALUES (?, ?, ?)", (epoch, root, cursor))

    def claim(self, sequencer, recipient, cumulative_wei, proof):
        """Pays a recipient what its leaf says and was not paid yet, and returns the amount, which may be 0."""
        with Transaction(self.database):
            number, epoch, root, _ = self.current()
            if root_of(sequencer, recipient, cumulative_wei, proof) != root:
                raise Refused(f"the proof of sequencer {sequencer} does not lead to the root {root} of epoch {epoch}")
            amount = cumulative_wei - self.paid_wei(sequencer)
            if amount <= 0:
                return 0
            self.database.execute("INSERT OR REPLACE INTO paid VALUES (?, ?)", (sequencer, str(cumulative_wei)))
            row = (number, epoch, root, sequencer, recipient, str(amount), str(cumulative_wei), json.dumps(proof))
            self.database.execute(f"INSERT INTO payments ({', '.join(PAYMENT[1:])}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            return amount

    def paid_wei(self, sequencer):
        """Returns what a sequencer was paid so far."""
        row = self.database.execute("SELECT total_wei FROM paid WHERE sequencer = ?", (sequencer,)).fetchone()
        return int(row[0]) if row else 0

    def roots(self):
        """Returns the roots that were ever published, in order, as (number, epoch, root, cursor)."""
        return self.database.execute("SELECT number, epoch, root, cursor FROM roots ORDER BY number").fetchall()

    def payments(self):
        """Returns all payments in order, as dictionaries."""
        rows = [dict(zip(PAYMENT, row)) for row in self.database.execute("SELECT * FROM payments ORDER BY number")]
        for row in rows:
            row.update(amount_wei=int(row["amount_wei"]), cumulative_wei=int(row["cumulative_wei"]), proof=json.loads(row["proof"]))
        return rows
