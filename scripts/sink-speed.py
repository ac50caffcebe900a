"""Of scripts/sink-speed.sh: facts in a second from a server, and how long after a server told it a fact is in the tables."""
import json
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg

tally, work, database = sys.argv[1:]


def serve(log, *more):
    """A server of a log, and its URL."""
    words = [tally, "serve", "--log", log, "--listen", "127.0.0.1:0", "--requests-per-sec", "0", "--level", "error", *more]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("listening at "):
            # Whatever it says later must not fill the pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, line.split()[-1]
    raise SystemExit("the server ended")


def end(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def say(what, found):
    print(f"{what + ':':44} {found}", flush=True)


server, url = serve(f"{work}/facts")
began = time.monotonic()
subprocess.run([tally, "sink", "postgres", "--database", database, "--from", url, "--compare-secs", "0", "--level", "error"],
               check=True, stdout=subprocess.DEVNULL)
secs = time.monotonic() - began
# No other process that was started here has ended yet.
peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
end(server)
with psycopg.connect(database, autocommit=True) as db:
    facts = db.execute("SELECT facts FROM tally.feed").fetchone()[0]
    say(f"{facts} facts from a server", f"{secs:.2f} s, {int(facts / secs)} facts/s, {peak_kib} KiB")

    # The log of a recording grows step by step; a reader of the feed and the sink wait for the same.
    log = f"{work}/live"
    steps = list(range(19_410_000, 19_436_258, 400)) + [19_436_258]

    def grow(l1, l2):
        subprocess.run([tally, "ingest", "--recording", "fixtures/pool-a", "--log", log, "--l1-to", str(l1), "--l2-to", str(l2)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    grow(steps[0], 15_190_000)
    server, url = serve(log, "--poll-secs", "0.02")
    sink = subprocess.Popen([tally, "sink", "postgres", "--database", database, "--schema", "live", "--from", url, "--follow",
                             "--level", "error"], stdout=subprocess.DEVNULL)
    served = {}

    def read():
        cursor = "0"
        while True:
            try:
                with urllib.request.urlopen(f"{url}/v1/feed?after={cursor}&limit=250&wait_secs=20", timeout=60) as answer:
                    page = json.load(answer)
            except OSError:
                return
            now = time.monotonic()
            cursor = page["cursor"]
            for fact in page["facts"]:
                served[fact["sequence"]] = now

    threading.Thread(target=read, daemon=True).start()

    def sequence():
        try:
            return db.execute("SELECT sequence FROM live.feed").fetchone()[0]
        except (psycopg.Error, TypeError):
            return 0

    lags, had = [], 0
    last_l2 = 15_234_502
    for place, l1 in enumerate(steps[1:], 1):
        grow(l1, 15_190_000 + (last_l2 - 15_190_000) * place // (len(steps) - 1))
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            found = sequence()
            if found > had:
                now = time.monotonic()
                # What was there before the sink began to follow is no news.
                lags += [now - served[number] for number in range(had + 1, found + 1) if had and number in served]
                had = found
            time.sleep(0.002)
    end(sink)
    end(server)
    lags = sorted(1000 * max(lag, 0) for lag in lags)
    if not lags:
        raise SystemExit("nothing came while it followed")
    at = lambda part: lags[min(len(lags) - 1, int(part * len(lags)))]
    say(f"{len(lags)} facts after a server told them", f"half within {at(0.5):.0f} ms, 99 % within {at(0.99):.0f} ms, all within {lags[-1]:.0f} ms")
