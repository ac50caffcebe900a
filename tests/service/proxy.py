#!/usr/bin/env python3
"""Passes each connection to the next of several servers in turn: proxy.py PORT SERVER_PORT..."""

import itertools
import socket
import sys
import threading

CHUNK = 65536


def pump(source, target):
    """Copies bytes until the source ends or either side breaks, and tells the target."""
    try:
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    except OSError:
        pass
    for side, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            side.shutdown(how)
        except OSError:
            pass


def serve(client, ports):
    """Connects a client to the first of the servers that can be reached."""
    with client:
        for port in ports:
            try:
                server = socket.create_connection(("127.0.0.1", port))
            except OSError:
                continue
            with server:
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                ahead = threading.Thread(target=pump, args=(client, server), daemon=True)
                back.start()
                ahead.start()
                back.join()
            return


def main():
    """Listens for ever."""
    port, *servers = map(int, sys.argv[1:])
    with socket.create_server(("127.0.0.1", port), backlog=256) as listener:
        for turn in itertools.count():
            client, _ = listener.accept()
            first = turn % len(servers)
            threading.Thread(target=serve, args=(client, servers[first:] + servers[:first]), daemon=True).start()


if __name__ == "__main__":
    main()
