#!/usr/bin/env python3
"""Kills servers, proxy and clients at random, and checks that every fact was dealt with once and everybody was paid exactly.

trial.py BINARY SOURCE SEED [--rollback] [--kills N] [--keep DIR]

SOURCE is a recording, of which the logs of both servers grow at different paces; or a log, of which both servers have a
copy; or NETWORK,L1_URL,L2_URL,L1_BLOCK, endpoints that both servers follow, whose last final block is L1_BLOCK. With
--rollback, for a recording, both servers tell another history first, and get logs of the recording itself, one after the
other, while they keep their feeds."""

import argparse
import collections
import json
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import histories
from client import Client, Problem
from contract import Contract
from keccak import root_of
from store import Store

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 40
LOOK_SECS = 0.02


class Wrong(Exception):
    """Something is not as it should be."""


# Below those that the system gives to whoever asks for any: a server that is killed comes back at its port.
PORTS = range(22_000, 32_000)


given = set()


def free_port():
    """Returns a port at which nobody listens, that nobody is given by chance, and that was not returned before."""
    while True:
        try:
            port = random.SystemRandom().choice([port for port in PORTS if port not in given])
            with socket.create_server(("127.0.0.1", port)):
                given.add(port)
                return port
        except OSError:
            continue


def until(holds, *watched):
    """Waits for a condition, and fails if a process that is watched ends by itself."""
    while not (value := holds()):
        for process in watched:
            process.check()
        time.sleep(LOOK_SECS)
    return value


class Process:
    """A process that can be killed at any time and started again."""

    def __init__(self, name, folder, command):
        self.name, self.command, self.kills = name, command, 0
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        self.child = None

    def start(self):
        """Starts it; what it prints is added to its files."""
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.child = subprocess.Popen(list(map(str, self.command)), stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def kill(self):
        """Ends it by SIGKILL."""
        self.check()
        self.stop()
        self.kills += 1

    def stop(self):
        """Ends it, whether it still runs or not."""
        if self.child:
            self.child.kill()
            self.child.wait()

    def check(self):
        """Fails if it ended by itself."""
        if self.child.poll() is not None:
            raise Wrong(f"{self.name} ended with {self.child.returncode}: {self.err.read_text()[-2000:]}")

    def lines(self):
        """Counts what it printed so far."""
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0


class Server(Process):
    """A server with a log and a feed of its own."""

    def __init__(self, trial, name):
        self.trial, self.recording, self.port, self.step = trial, trial.recording, free_port(), 0
        self.log, self.feed = trial.folder / f"{name}.log", trial.folder / f"{name}.feed"
        command = [trial.binary, "serve", "--log", self.log, "--feed-dir", self.feed, "--listen", f"127.0.0.1:{self.port}"]
        super().__init__(name, trial.folder, command + ["--policy", trial.options.policy] + trial.live)
        self.client = Client(f"http://127.0.0.1:{self.port}")

    def grow(self, steps):
        """Ingests more of the recording, and sometimes kills the first try."""
        self.step = min(STEPS, self.step + steps)
        command = [self.trial.binary, "ingest", "--recording", self.recording, "--log", self.log, "--progress", "lines"]
        for chain in ("l1", "l2"):
            first, last = (self.trial.manifest[chain][f"{end}_block"] for end in ("first", "last"))
            command += [f"--{chain}-to", first + (last - first) * self.step // STEPS]
        command = list(map(str, command))
        if self.trial.rng.random() < 0.3:
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            child.stderr.readline()
            child.kill()
            child.communicate()
            self.trial.ingest_kills += 1
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Wrong(f"the ingest of {self.name} ended with {done.returncode}: {done.stderr[-2000:]}")

    def replace_log(self, recording, step):
        """Puts another log, that of a recording up to a step, in the place of the log, and keeps the feed."""
        shutil.rmtree(self.log)
        self.recording, self.step = recording, 0
        self.grow(step)

    def place(self):
        """Returns how far its feed is, as (cursor, digest of the log)."""
        at = self.client.get("/v1/status")["policies"][0]["at"]
        return at["feed"]["cursor"], at["log"]["head_digest"]

    def final_l1_block(self):
        """Returns the last L1 block that it has and that is final, or 0."""
        head = self.client.get("/v1/status")["policies"][0]["at"]["final_l1_head"]
        return head["block"] if head else 0


class Trial:
    """All processes of a trial, and what they write."""

    def __init__(self, options, folder):
        self.folder, self.options, self.rng = folder, options, random.Random(options.seed)
        self.binary = pathlib.Path(options.binary).resolve()
        self.recording = self.manifest = None
        self.live, self.ingest_kills = [], 0
        if "," in options.source:
            network, l1, l2, self.l1_block = options.source.split(",")
            self.live = ["--follow", "--network", network, "--l1-rpc", l1, "--l2-rpc", l2, "--poll-secs", "1"]
        elif (manifest := pathlib.Path(options.source, "manifest.json")).exists():
            self.recording, self.manifest = pathlib.Path(options.source), json.loads(manifest.read_text())
        self.servers = [Server(self, name) for name in ("server-a", "server-b")]
        self.port = free_port()
        base = f"http://127.0.0.1:{self.port}"
        ports = [server.port for server in self.servers]
        self.proxy = self._python("proxy", "proxy.py", self.port, *ports)
        self.stores = [folder / "pages.db", folder / "stream.db"]
        self.clients = [
            self._python("pages", "consumer.py", base, self.stores[0], "--limit", self.rng.randint(1, 9)),
            self._python("stream", "consumer.py", base, self.stores[1], "--stream"),
            self._python("payer", "payer.py", base, folder / "payer.db", folder / "contract.db"),
            self._python("reconciler", "reconciler.py", base, folder / "contract.db"),
        ]
        self.base, self.contract = base, Contract(folder / "contract.db")
        self.processes = [*self.servers, self.proxy, *self.clients]

    def _python(self, name, program, *arguments):
        """Returns a process of one of the programs beside this one."""
        return Process(name, self.folder, [sys.executable, HERE / program, *arguments])

    def begin(self):
        """Makes the logs and starts everything."""
        for server in self.servers:
            if self.recording:
                server.grow(self.rng.randint(1, 6))
            elif not self.live:
                shutil.copytree(self.options.source, server.log, ignore=shutil.ignore_patterns("feed", "replays"))
        for process in self.processes:
            process.start()

    def steps(self):
        """Counts what the clients did so far."""
        return sum(process.lines() for process in self.clients)

    def kill_some(self, count):
        """Kills as often as told, each time after the clients have done a few steps more."""
        for _ in range(count):
            wanted = self.steps() + self.rng.choice((0, 1, 2, 3, 5, 8))
            until(lambda: self.steps() >= wanted, *self.processes)
            victim = self.rng.choice(self.processes)
            victim.kill()
            if self.recording and self.rng.random() < 0.4:
                self.rng.choice(self.servers).grow(self.rng.randint(1, 4))
            victim.start()

    def grow_all(self):
        """Ingests all of the recording for both servers."""
        for server in self.servers:
            if self.recording and server.step < STEPS:
                server.grow(STEPS)

    def settle(self):
        """Waits until both servers tell the same and the clients have dealt with all of it, and returns the cursor."""

        def settled():
            places = {server.place() for server in self.servers}
            cursors = {Store(path).cursor() for path in self.stores}
            if len(places) != 1 or cursors != {min(places)[0]} or not self._chain_is_over():
                return None
            cursor = cursors.pop()
            told = self.servers[0].client.whole_list("/v1/distributions", "distributions", at_least=cursor)[1]
            current = self.contract.current()
            is_paid = not told or (current and current[2] == told[-1]["root"] and self._all_is_paid(told[-1]))
            return cursor if is_paid else None

        return until(settled, *self.processes)

    def _all_is_paid(self, head):
        """Says whether nobody is owed more by a distribution than was paid."""
        _, leaves = self.servers[0].client.whole_list(f"/v1/distributions/{head['epoch']}/leaves", "leaves")
        return all(self.contract.paid_wei(leaf["sequencer"]) >= int(leaf["cumulative_wei"]) for leaf in leaves)

    def _chain_is_over(self):
        """Says whether a server that follows the chains has everything that they will give."""
        if self.recording:
            return all(server.step == STEPS for server in self.servers)
        return not self.live or all(server.final_l1_block() >= int(self.l1_block) for server in self.servers)

    def stop(self):
        """Ends everything."""
        for process in self.processes:
            process.stop()


def held(client):
    """Returns the facts that a server tells and that are not void, read in one go."""
    facts, cursor = {}, "0"
    while True:
        page = client.get("/v1/feed", after=cursor, limit=1000)
        for fact in page["facts"]:
            if fact["type"] == "rollback":
                count = int(fact["cursor"].split("-")[0])
                facts = dict(list(facts.items())[:count])
            else:
                facts[fact["id"]] = fact
        cursor = page["cursor"]
        if page["is_end"]:
            return facts


def check_facts(trial):
    """Checks that every fact was dealt with once, by pages and by streams, and returns how many there are."""
    wanted = held(trial.servers[0].client)
    if list(wanted) != list(held(trial.servers[1].client)):
        raise Wrong("the servers tell different facts")
    for path in trial.stores:
        store = Store(path)
        if [fact["id"] for fact in store.facts()] != list(wanted):
            raise Wrong(f"{path.name} has other facts than the servers tell")
        for fact in store.facts():
            if {**fact, "sequence": 0} != {**wanted[fact["id"]], "sequence": 0, "cursor": fact["cursor"]}:
                raise Wrong(f"{path.name} has another fact {fact['id']} than the servers tell")
        deeds = collections.Counter()
        for fact, change in store.database.execute("SELECT id, change FROM deeds ORDER BY number"):
            deeds[fact] += change
            if deeds[fact] not in (0, 1):
                raise Wrong(f"{path.name} dealt with {fact} twice")
        if +deeds != collections.Counter(list(wanted)):
            raise Wrong(f"{path.name} did not deal once with every fact")
    return len(wanted)


def leaves_of(client):
    """Returns the leaves of each distribution by epoch, with the head."""
    heads = client.whole_list("/v1/distributions", "distributions")[1]
    return [(head, client.whole_list(f"/v1/distributions/{head['epoch']}/leaves", "leaves")[1]) for head in heads]


def check_payments(trial, paid_before, void):
    """Checks that everybody was paid what the distributions say: no more, to nobody else, and each with a proof.

    `paid_before` is how many payments there were, and `void` the sums that were paid, before the history changed."""
    payments = trial.contract.payments()
    published = {number: (epoch, root) for number, epoch, root, _ in trial.contract.roots()}
    wanted, paid = [], collections.Counter(void)
    last = {}
    for head, leaves in leaves_of(trial.servers[0].client):
        for leaf in leaves:
            sequencer, cumulative = leaf["sequencer"], int(leaf["cumulative_wei"])
            if root_of(sequencer, leaf["recipient"], cumulative, leaf["proof"]) != head["root"]:
                raise Wrong(f"a proof of epoch {head['epoch']} does not lead to its root")
            if cumulative > paid[sequencer]:
                wanted.append((head["epoch"], head["root"], sequencer, leaf["recipient"], cumulative - paid[sequencer]))
                paid[sequencer] = cumulative
            last[sequencer] = cumulative
    for payment in payments:
        if published[payment["after_root"]] != (payment["epoch"], payment["root"]):
            raise Wrong(f"payment {payment['number']} is not by the root that was published")
        if root_of(payment["sequencer"], payment["recipient"], payment["cumulative_wei"], payment["proof"]) != payment["root"]:
            raise Wrong(f"payment {payment['number']} has a wrong proof")
    found = [(p["epoch"], p["root"], p["sequencer"], p["recipient"], p["amount_wei"]) for p in payments[paid_before:]]
    if sorted(found) != sorted(wanted):
        raise Wrong(f"missing payments: {set(wanted) - set(found)}; wrong payments: {set(found) - set(wanted)}")
    for sequencer in last:
        if trial.contract.paid_wei(sequencer) != max(last[sequencer], void.get(sequencer, 0)):
            raise Wrong(f"sequencer {sequencer} was paid {trial.contract.paid_wei(sequencer)} instead of {last[sequencer]}")
    return payments


def reconcile(trial):
    """Runs the reconciler once and returns its findings by kind."""
    done = subprocess.run(
        [sys.executable, HERE / "reconciler.py", trial.base, trial.folder / "contract.db", "--once"], capture_output=True, text=True
    )
    if done.stderr:
        raise Wrong(f"the reconciler failed: {done.stderr[-2000:]}")
    return collections.Counter(json.loads(line)["finding"] for line in done.stdout.splitlines())


def run(trial):
    """Runs a trial of a history that only grows."""
    trial.begin()
    trial.kill_some(trial.options.kills)
    trial.grow_all()
    trial.settle()
    facts, payments = check_facts(trial), check_payments(trial, 0, {})
    if findings := reconcile(trial):
        raise Wrong(f"the reconciler finds {dict(findings)}")
    return facts, payments, findings


def run_rollback(trial):
    """Runs a trial in which both servers tell another history first."""
    rng = trial.rng
    l1, l2 = trial.manifest["l1"], trial.manifest["l2"]
    part = rng.uniform(0.3, 0.6)
    other = trial.folder / "other"
    starts = [int(chain["first_block"] + part * (chain["last_block"] - chain["first_block"])) for chain in (l1, l2)]
    histories.make(trial.recording, other, *starts)
    for server in trial.servers:
        server.recording = other
    trial.begin()
    trial.kill_some(trial.options.kills // 2)
    trial.grow_all()
    trial.settle()
    payments = trial.contract.payments()
    void = collections.Counter()
    for payment in payments:
        void[payment["sequencer"]] += payment["amount_wei"]
    for server in rng.sample(trial.servers, 2):
        server.kill()
        server.replace_log(trial.recording, rng.randint(1, STEPS))
        server.start()
        until(lambda: server.place(), *trial.processes)
        if server.step < STEPS:
            server.grow(STEPS)
        rest = trial.options.kills // 4
        # What one server calls void the other one still tells, so each client is thrown from one to the other.
        trial.kill_some(rest)
    trial.settle()
    facts, findings = check_facts(trial), reconcile(trial)
    after = check_payments(trial, len(payments), void)
    owed = {leaf["sequencer"]: int(leaf["cumulative_wei"]) for leaf in leaves_of(trial.servers[0].client)[-1][1]}
    roots = {head["root"] for head, _ in leaves_of(trial.servers[0].client)}
    wanted = {
        "void_root": sum(payment["root"] not in roots for payment in payments),
        "too_much": sum(void[sequencer] > owed[sequencer] for sequencer in owed),
    }
    if any(findings[kind] != count for kind, count in wanted.items()) or findings["paid_twice"] or findings["unpaid"]:
        raise Wrong(f"the reconciler finds {dict(findings)}, and not {wanted}")
    return facts, after, findings


def main():
    """Runs a trial and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("source")
    parser.add_argument("seed", type=int)
    parser.add_argument("--rollback", action="store_true")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--policy", default="guide")
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    folder = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="tally-service-"))
    folder.mkdir(parents=True, exist_ok=True)
    trial = Trial(options, folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"ended by a signal; what everybody wrote is in {folder}"))
    try:
        facts, payments, findings = (run_rollback if options.rollback else run)(trial)
    except (Wrong, Problem) as wrong:
        print(f"wrong with seed {options.seed}: {wrong}")
        print(f"what everybody wrote is in {folder}")
        sys.exit(1)
    finally:
        trial.stop()
    kills = {process.name: process.kills for process in trial.processes}
    undone = {path.stem: Store(path).database.execute("SELECT count(*) FROM deeds WHERE change < 0").fetchone()[0] for path in trial.stores}
    print(json.dumps({
        "seed": options.seed, "kills": sum(kills.values()), "killed": kills, "ingests_killed": trial.ingest_kills,
        "facts": facts, "undone": undone, "payments": len(payments), "proofs": len(payments),
        "paid_wei": str(sum(payment["amount_wei"] for payment in payments)), "findings": dict(findings),
    }))
    if not options.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
