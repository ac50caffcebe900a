#!/usr/bin/env python3
"""Stores every fact of the feed once: consumer.py BASE DATABASE [--stream] [--limit N]"""

import argparse

from client import Client, Problem
from store import Store


def read_pages(client, store, limit):
    """Follows the feed by pages, for ever, and waits only where there was nothing more."""
    wait_secs = None
    while True:
        page = client.get("/v1/feed", after=store.cursor(), limit=limit, wait_secs=wait_secs)
        wait_secs = 2 if page["is_end"] else None
        store.apply(page["facts"], page["cursor"])
        print("page", len(page["facts"]), page["cursor"], flush=True)


def read_stream(client, store):
    """Follows the feed by streams, and opens another one whenever one ends."""
    while True:
        for place, name, data in client.stream("/v1/feed", after=store.cursor()):
            if name == "caught_up":
                store.apply([], data["cursor"])
            else:
                store.apply([data], place)
            print(name, store.cursor(), flush=True)


def main():
    """Reads until it is killed, and begins again where the server tells another history."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("database")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--limit", type=int, default=7)
    options = parser.parse_args()
    client, store = Client(options.base), Store(options.database)
    while True:
        try:
            if options.stream:
                read_stream(client, store)
            else:
                read_pages(client, store, options.limit)
        except Problem as problem:
            if problem.kind != "other-feed":
                raise
            store.begin_again()
            print("other-feed", flush=True)


if __name__ == "__main__":
    main()
