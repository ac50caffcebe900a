"""The facts of the feed in SQLite: each fact is dealt with once, and undone when it is void."""

import json
import sqlite3

from client import place_count

SCHEMA = """
CREATE TABLE IF NOT EXISTS place (cursor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (id TEXT PRIMARY KEY, count INTEGER NOT NULL, cursor TEXT NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deeds (number INTEGER PRIMARY KEY, id TEXT NOT NULL, change INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rollbacks (number INTEGER PRIMARY KEY, id TEXT NOT NULL, undone INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS beginnings (number INTEGER PRIMARY KEY, undone INTEGER NOT NULL);
"""


class Store:
    """Facts and the cursor after them, changed together."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, timeout=60, isolation_level=None)
        self.database.executescript(SCHEMA)

    def cursor(self):
        """Returns the place in the feed up to which facts were dealt with."""
        row = self.database.execute("SELECT cursor FROM place").fetchone()
        return row[0] if row else "0"

    def apply(self, facts, cursor):
        """Deals with facts and moves the cursor, both or neither."""
        with self._transaction():
            for fact in facts:
                if fact["type"] == "rollback":
                    undone = self._undo(place_count(fact["cursor"]))
                    self.database.execute("INSERT INTO rollbacks (id, undone) VALUES (?, ?)", (fact["id"], undone))
                else:
                    row = (fact["id"], place_count(fact["cursor"]), fact["cursor"], fact["type"], json.dumps(fact))
                    self.database.execute("INSERT INTO facts VALUES (?, ?, ?, ?, ?)", row)
                    self.database.execute("INSERT INTO deeds (id, change) VALUES (?, 1)", (fact["id"],))
            self._move(cursor)

    def begin_again(self):
        """Removes all facts, since the server tells another history."""
        with self._transaction():
            undone = self._undo(0)
            self.database.execute("INSERT INTO beginnings (undone) VALUES (?)", (undone,))
            self._move("0")

    def facts(self, kind=None):
        """Returns the facts that hold, in order, of one kind or of all."""
        query = "SELECT body FROM facts WHERE ? IS NULL OR type = ? ORDER BY count"
        return [json.loads(body) for (body,) in self.database.execute(query, (kind, kind))]

    def _undo(self, count):
        """Removes the facts after the first `count` of the feed, whatever numbers a server had given them."""
        self.database.execute("INSERT INTO deeds (id, change) SELECT id, -1 FROM facts WHERE count > ?", (count,))
        return self.database.execute("DELETE FROM facts WHERE count > ?", (count,)).rowcount

    def _move(self, cursor):
        """Stores the cursor."""
        self.database.execute("DELETE FROM place")
        self.database.execute("INSERT INTO place VALUES (?)", (cursor,))

    def _transaction(self):
        """Returns a context in which all changes are made, or none of them."""
        return Transaction(self.database)


class Transaction:
    """A transaction that takes the lock for writing at its beginning."""

    def __init__(self, database):
        self.database = database

    def __enter__(self):
        self.database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind, *_):
        self.database.execute("ROLLBACK" if kind else "COMMIT")
