#!/usr/bin/env python3
"""A second opinion on `tally explain`: explain.py RECORDING EXPLANATIONS POLICY... [--signers FILE]

RECORDING is a directory of raw JSON-RPC answers (fixtures/README.md), EXPLANATIONS a file with an array of what
`tally explain --format json` printed, POLICY a policy file of each policy that these are by. Everything in them
is computed anew, block by block and with integers alone, by docs/rules.md and from what the nodes answered:
signatures included. Nothing else that Tally made is read. FILE keeps who signed what for the next run; it is
written if it is not there.

Exit status: 0 everything is as it should be, and the number of values that were compared is printed; 3 something
is not, and the first such thing is printed.
"""
import argparse, gzip, json, os, sys, tomllib
from bisect import bisect_right
from collections import namedtuple

YEAR = 31_536_000

# Keccak-256, which Python does not have: its SHA-3 pads otherwise.

MASK = (1 << 64) - 1


def round_constants():
    constants, lfsr = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(constant)
    return constants


CONSTANTS = round_constants()


def rotated(lane, by):
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & MASK


def permute(a):
    for constant in CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[(x + 4) % 5] ^ rotated(c[(x + 1) % 5], 1) for x in range(5)]
        a = [a[i] ^ d[i % 5] for i in range(25)]
        x, y, lane = 1, 0, a[1]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            lane, a[x + 5 * y] = a[x + 5 * y], rotated(lane, (t + 1) * (t + 2) // 2)
        for row in range(0, 25, 5):
            r = a[row : row + 5]
            a[row : row + 5] = [r[x] ^ (~r[(x + 1) % 5] & MASK & r[(x + 2) % 5]) for x in range(5)]
        a[0] ^= constant
    return a


def keccak256(data):
    data = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % 136)
    data[-1] |= 0x80
    state = [0] * 25
    for at in range(0, len(data), 136):
        for i in range(17):
            state[i] ^= int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little")
        state = permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


# secp256k1. A sum of points is (X, Y, Z), which stands for (X / Z², Y / Z³); None is the point at infinity.

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def doubled(x, y, z):
    s, m = 4 * x * y * y % FIELD, 3 * x * x
    x2 = (m * m - 2 * s) % FIELD
    return x2, (m * (s - x2) - 8 * y**4) % FIELD, 2 * y * z % FIELD


def plus(sum_, point):
    if sum_ is None:
        return (*point, 1)
    x1, y1, z1 = sum_
    zz = z1 * z1 % FIELD
    h = (point[0] * zz - x1) % FIELD
    r = (point[1] * zz * z1 - y1) % FIELD
    if h == 0:
        return doubled(x1, y1, z1) if r == 0 else None
    hh = h * h % FIELD
    hhh, v = h * hh % FIELD, x1 * hh % FIELD
    x = (r * r - hhh - 2 * v) % FIELD
    return x, (r * (v - x) - y1 * hhh) % FIELD, z1 * h % FIELD


def affines(sums):
    """The points themselves, by one inversion."""
    products, product = [], 1
    for _, _, z in sums:
        products.append(product)
        product = product * z % FIELD
    inverse, points = pow(product, -1, FIELD), []
    for (x, y, z), product in zip(reversed(sums), reversed(products)):
        of_z, inverse = inverse * product % FIELD, inverse * z % FIELD
        points.append((x * of_z**2 % FIELD, y * of_z**3 % FIELD))
    return points[::-1]


def affine(sum_):
    return affines([sum_])[0]


def multiples(point):
    """By byte of a scalar, from the lowest, and by that byte less 1: the point times it."""
    table = []
    for _ in range(32):
        sums = [(*point, 1)]
        for _ in range(255):
            sums.append(plus(sums[-1], point))
        *row, point = affines(sums)
        table.append(row)
    return table


def combined(*terms):
    """The sum of scalars times points, the points as their multiples."""
    sum_ = None
    for scalar, table in terms:
        for row, byte in zip(table, scalar.to_bytes(32, "little")):
            if byte:
                sum_ = plus(sum_, row[byte - 1])
    return sum_


OF_GENERATOR = multiples(GENERATOR)


def address_of(x, y):
    return "0x" + keccak256(x.to_bytes(32) + y.to_bytes(32))[12:].hex()


def is_signed_by(key, digest, r, s, v):
    """Whether the recovery of this signature gives the key whose multiples these are."""
    inverse = pow(s, -1, ORDER)
    sum_ = combined((digest * inverse % ORDER, OF_GENERATOR), (r * inverse % ORDER, key))
    if sum_ is None or sum_[0] != r * sum_[2] ** 2 % FIELD:
        return False
    return affine(sum_)[1] & 1 == v


def recovered(digest, r, s, v):
    """Who made the signature, whoever that is: slow."""
    y = pow(r**3 + 7, (FIELD + 1) // 4, FIELD)
    assert y * y % FIELD == (r**3 + 7) % FIELD, "no key made this signature"
    inverse = pow(r, -1, ORDER)
    point = multiples((r, y if y & 1 == v else FIELD - y))
    return address_of(*affine(combined((-digest * inverse % ORDER, OF_GENERATOR), (s * inverse % ORDER, point))))


# The recording.

Event = namedtuple("Event", "name block time transaction log_index position values")
Block = namedtuple("Block", "number time signer span")

L1_EVENTS = {
    "lockingInfo": [
        "Locked(address,uint256,uint256,uint256,uint256,uint256,bytes)",
        "LockUpdate(uint256,uint256,uint256)",
        "UnlockInit(address,uint256,uint256,uint256,uint256,uint256,uint256)",
        "Unlocked(address,uint256,uint256,uint256)",
        "SignerChange(uint256,uint256,address,address,bytes)",
    ],
    "lockingPool": [
        "DistributeReward(uint256,uint256,uint256,uint256,uint256)",
        "RewardUpdate(uint256,uint256)",
    ],
}
L2_EVENTS = {
    "sequencerSet": [
        "NewEpoch(uint256,uint256,uint256,address)",
        "ReCommitEpoch(uint256,uint256,uint256,uint256,uint256,address)",
    ],
}


def number(text):
    return int(text, 16)


def address(word):
    return f"0x{word:040x}"


def lines(directory, name):
    with gzip.open(os.path.join(directory, f"{name}.jsonl.gz"), "rt") as file:
        yield from map(json.loads, file)


def events(directory, name, interfaces, contracts, times):
    """The events of these contracts, in order; `values` are the words of the topics and of the data."""
    names = {
        (contracts[contract], "0x" + keccak256(signature.encode()).hex()): signature.split("(")[0]
        for contract, signatures in interfaces.items()
        for signature in signatures
    }
    found = []
    for log in lines(directory, name):
        known = names.get((log["address"], log["topics"][0] if log["topics"] else None))
        if known:
            data = bytes.fromhex(log["data"][2:])
            words = [int.from_bytes(data[at : at + 32]) for at in range(0, len(data), 32)]
            block = number(log["blockNumber"])
            place = (block, times[block], log["transactionHash"], number(log["logIndex"]))
            found.append((known, *place, [number(topic) for topic in log["topics"][1:]], words))
    found.sort(key=lambda event: (event[1], event[4]))
    return [Event(*event[:5], at, event[5:]) for at, event in enumerate(found)]


class Span:
    """A range of blocks given to one signer, and the event that did so."""

    def __init__(self, id_, start, end, signer, event):
        self.id, self.start, self.end, self.signer, self.event = id_, start, end, signer, event


def spans_of(found):
    """Who was to make which block: a block keeps its span once its time has come. Also the contract's own spans."""
    held, of_block = [], {}
    for event in found:
        topics, words = event.values
        if event.name == "NewEpoch":
            id_, (start, end, signer) = topics[0], words
            held.append(Span(id_, start, end, address(signer), event))
            assert [span.id for span in held[-2:]] == list(range(max(id_ - 1, 0), id_ + 1))
        else:
            (old, id_), (current, start, end, signer) = topics, words
            new, last = Span(id_, start, end, address(signer), event), held[-1]
            assert last.id == current and start >= event.block
            if old == current:
                last.end = start - 1
                held.append(new)
            else:
                assert old + 1 == current == id_
                held[-2].end = min(held[-2].end, start - 1)
                held[-1] = new
                # What the contract forgets was made all the same.
                last.end = min(last.end, event.block - 1)
            for block in [block for block, span in of_block.items() if block >= event.block]:
                if not of_block[block].start <= block <= of_block[block].end:
                    del of_block[block]
        for span in held[-2:]:
            for block in range(span.start, span.end + 1):
                of_block.setdefault(block, span)
    return held, of_block


class Recording:
    def __init__(self, directory, signers_file):
        with open(os.path.join(directory, "manifest.json")) as file:
            manifest = json.load(file)
        l1, l2 = manifest["l1"]["contracts"], manifest["l2"]["contracts"]
        l1_times = {number(head["number"]): number(head["timestamp"]) for head in lines(directory, "l1_blocks")}
        self.last_l1, self.last_l1_time = max(l1_times.items())
        self.l1 = events(directory, "l1_logs", L1_EVENTS, l1, l1_times)
        blocks = list(lines(directory, "l2_blocks"))
        times = {number(block["number"]): number(block["timestamp"]) for block in blocks}
        found = events(directory, "l2_logs", L2_EVENTS, l2, times)
        self.spans, of_block = spans_of(found)
        self.held = set(self.spans)
        self.introductions, self.keys = {}, {}
        for event in self.l1:
            topics, words = event.values
            if event.name in ("Locked", "SignerChange"):
                # The key is the last value: its offset, and there its length and the key.
                signer = topics[0] if event.name == "Locked" else topics[2]
                id_ = topics[1] if event.name == "Locked" else topics[0]
                self.introductions.setdefault(address(signer), []).append((event, id_))
                key = tuple(words[-2:])
                assert address_of(*key) == address(signer)
                self.keys[address(signer)] = key
        signed = self.signers(blocks, of_block, signers_file)
        self.blocks = [
            Block(number(block["number"]), number(block["timestamp"]), signer, of_block.get(number(block["number"])))
            for block, signer in zip(blocks, signed)
        ]
        self.stakes, self.statuses = {}, {}
        for event in self.l1:
            topics, words = event.values
            if event.name == "Locked":
                self.stakes.setdefault(topics[1], []).append((event, words[1]))
                self.statuses.setdefault(topics[1], []).append((event, True))
            elif event.name == "LockUpdate":
                self.stakes[topics[0]].append((event, topics[2]))
            elif event.name == "Unlocked":
                self.stakes[topics[1]].append((event, 0))
            elif event.name == "UnlockInit":
                self.statuses[topics[1]].append((event, False))
        self.check_truth(directory)

    def signers(self, blocks, of_block, path):
        if path and os.path.exists(path):
            with open(path) as file:
                return json.load(file)
        tables = {signer: multiples(key) for signer, key in self.keys.items()}
        signed, last = [], None
        for block in blocks:
            first = block["transactions"][0]
            r, s, v = (number(first[name] or "0x0") for name in ("seqR", "seqS", "seqV"))
            if r == s == v == 0:
                signed.append(None)
                continue
            digest = number(first["hash"])
            span = of_block.get(number(block["number"]))
            # Most likely it is whose turn it is, or who made the block before.
            tries = dict.fromkeys([span and span.signer, last, *tables])
            fits = (one for one in tries if one in tables and is_signed_by(tables[one], digest, r, s, v))
            last = next(fits, None) or recovered(digest, r, s, v)
            signed.append(last)
        if path:
            with open(path, "w") as file:
                json.dump(signed, file)
        return signed

    def check_truth(self, directory):
        """This script's own reading against what is known of the recording."""
        with open(os.path.join(directory, "expected.json")) as file:
            truth = json.load(file)["l2"]
        expected = zip(self.blocks, truth["producer_seq"], truth["signed"], truth["scheduled_seq"], strict=True)
        for block, producer, signed, scheduled in expected:
            assert (block.signer is not None) == (signed == 1), block
            assert block.signer is None or self.introductions[block.signer][-1][1] == producer, block
            held = self.introductions[block.span.signer][-1][1] if block.span in self.held else 0
            assert held == scheduled, block

    def sequencer(self, signer, time):
        known = [id_ for event, id_ in self.introductions.get(signer, []) if event.time <= time]
        return known[-1] if known else None


# The rules.


def last_at(changes, time):
    """The last change up to then, and what it set."""
    at = bisect_right(changes, time, key=lambda change: change[0].time)
    return changes[at - 1] if at else (None, None)


def fraction(text):
    """A decimal fraction as m / d in lowest powers of ten, and as it is written."""
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    return int(whole + decimals), 10 ** len(decimals), f"{int(whole)}.{decimals}" if decimals else str(int(whole))


Assessed = namedtuple("Assessed", "sequencer effective batch why each")


class Fold:
    def __init__(self, recording, policy):
        self.recording, self.policy = recording, policy
        cap = policy["cap_wei"]
        self.cap, self.length = 2**256 - 1 if cap == "none" else int(cap), policy["epoch_secs"]
        self.initial = int(policy["initial_reward_wei"])
        self.by_contract = policy["allocation"] == "on-chain"
        self.by_stake = policy["allocation"] == "stake-weighted"
        self.by_operators = policy.get("rate") == "operators"
        self.pools = []
        self.scheduled = self.by_contract or policy.get("attribution") == "scheduled"
        genesis = policy.get("genesis", "first-lock")
        if genesis in ("first-lock", "first-payable"):
            times = [next(event.time for event in recording.l1 if event.name == "Locked")]
            if genesis == "first-payable":
                # Span 0 is never paid.
                spans = {span for span in recording.held if span.id > 0}
                times += [block.time for block in recording.blocks if block.span in spans][:1]
            genesis = min(times)
        self.genesis = genesis
        self.batches = [
            (event, event.values[0][0], *event.values[1]) for event in recording.l1 if event.name == "DistributeReward"
        ]
        self.reward_updates = [event for event in recording.l1 if event.name == "RewardUpdate"]
        self.blocks = self.up_to_horizon()
        self.assessed = [self.assess(block) for block in self.blocks]
        self.horizon = self.blocks[-1].time
        self.rates = self.rates_of_epochs()
        self.rewards, self.totals, so_far = [], [], {}
        for block, assessed in zip(self.blocks, self.assessed):
            reward = None
            if assessed.why is None:
                epoch = self.epoch(block.time)
                division, rate = self.division(epoch, assessed.effective), self.rates[epoch]
                undivided = rate[0] if rate else self.initial
                reward = assessed.each if self.by_contract else division["quotient"] if division else undivided
                so_far[assessed.sequencer] = so_far.get(assessed.sequencer, 0) + reward
            self.rewards.append(reward)
            self.totals.append(None if reward is None else so_far[assessed.sequencer])

    def up_to_horizon(self):
        """The blocks before the first that is later than L1, or not settled."""
        first = self.recording.spans[0].start if self.recording.spans else None
        settled = []
        for block in self.recording.blocks:
            is_signed = block.signer is not None and not self.scheduled
            is_scheduled = block.span is not None or (first is not None and block.number < first)
            if block.time > self.recording.last_l1_time or not (is_signed or is_scheduled):
                break
            settled.append(block)
        return settled

    def epoch(self, time):
        return None if time < self.genesis else (time - self.genesis) // self.length

    def producer(self, block):
        scheduled = block.span.signer if block.span else None
        return scheduled if self.scheduled else block.signer or scheduled

    def stake(self, sequencer, time):
        """The stake, the event that set it, whether it counts, the event that said so, and what counts."""
        stake_event, stake = last_at(self.recording.stakes.get(sequencer, []), time)
        status_event, active = last_at(self.recording.statuses.get(sequencer, []), time)
        effective = min(stake, self.cap) if active else 0
        return stake or 0, stake_event, bool(active), status_event, effective

    def assess(self, block):
        """Whom the block is for, and why it earns nothing."""
        producer = self.producer(block)
        sequencer = producer and self.recording.sequencer(producer, block.time)
        nothing = lambda why: Assessed(sequencer, None, None, why, None)
        if block.time < self.genesis:
            return nothing("before_genesis")
        if producer is None or (self.by_contract and block.span not in self.recording.held):
            return nothing("no_producer")
        if self.by_contract:
            return self.assess_by_contract(block, nothing)
        if sequencer is None:
            return nothing("unknown_signer")
        effective, active = self.stake(sequencer, block.time)[4], self.stake(sequencer, block.time)[2]
        return Assessed(sequencer, effective, None, None, None) if active else nothing("after_unlock")

    def assess_by_contract(self, block, nothing):
        if block.span.id < (self.batches[0][2] if self.batches else 1):
            return nothing("before_genesis")
        paid = [batch for batch in self.batches if batch[2] <= block.span.id <= batch[3]]
        if paid:
            event, id_, _, _, _, each = paid[0]
            until = event.position
        else:
            assert block.span.id > self.batches[-1][3], "a span that batches left out"
            id_, until = None, len(self.recording.l1)
            each = self.reward_updates[-1].values[1][0]
        known = [own for event, own in self.recording.introductions.get(block.span.signer, []) if event.position < until]
        if not known:
            return nothing("unknown_signer")
        if any(
            event.name == "Unlocked" and event.values[0][1] == known[-1] and event.position < until
            for event in self.recording.l1
        ):
            return nothing("after_unlock")
        return Assessed(known[-1], self.stake(known[-1], block.time)[4], id_, None, each)

    def segments(self, sequencer, start, end):
        """The parts of a time over which no event set the sequencer's stake or status."""
        changes = self.recording.stakes.get(sequencer, []) + self.recording.statuses.get(sequencer, [])
        cuts = sorted({event.time for event, _ in changes if start < event.time < end})
        return list(zip([start, *cuts], [*cuts, end]))

    def stake_seconds(self, sequencer, start, end):
        return sum(
            self.stake(sequencer, since)[4] * (until - since) for since, until in self.segments(sequencer, start, end)
        )

    def bounds(self, epoch):
        start = self.genesis + epoch * self.length
        return start, min(start + self.length, max(self.horizon, start))

    def pool(self, epoch):
        """All rewarded blocks of an epoch, what they earned, and the capped stake over it."""
        if not self.pools:
            sums = [[0, 0] for _ in self.rates]
            for block, assessed, reward in zip(self.blocks, self.assessed, self.rewards):
                if assessed.why is None:
                    own = sums[self.epoch(block.time)]
                    own[0], own[1] = own[0] + 1, own[1] + reward
            stakes = [
                sum(self.stake_seconds(sequencer, *self.bounds(at)) for sequencer in self.recording.stakes)
                for at in range(len(sums))
            ]
            self.pools = [(*own, stake) for own, stake in zip(sums, stakes)]
        return self.pools[epoch]

    def target(self, time):
        target = self.policy["target_mrr"]
        for change in self.policy.get("target_mrr_change", []):
            target = change["mrr"] if change["from"] <= time else target
        return fraction(target)

    def seconds(self, time):
        seconds = self.policy["block_secs"]
        for change in self.policy.get("block_secs_change", []):
            seconds = change["secs"] if change["from"] <= time else seconds
        return seconds

    def fixed(self, time):
        """What every block earns whatever the rule says, if anything."""
        changes = self.policy.get("fixed_reward", [])
        return next((int(change["reward_wei"]) for change in reversed(changes) if change["from"] <= time), None)

    def locked(self, time):
        """All stakes, whoever is leaving."""
        return sum(last_at(changes, time)[1] or 0 for changes in self.recording.stakes.values())

    def rates_of_epochs(self):
        """For each epoch: None for the initial rate, or the window's epoch, m, d, its text, Q, N and W; or what the
        operators enter: what is locked, m, d, its text, and the seconds; or a reward that is fixed, by itself."""
        sums = {}
        for block, assessed in zip(self.blocks, self.assessed):
            if assessed.why is None:
                blocks, weight = sums.get(self.epoch(block.time), (0, 0))
                sums[self.epoch(block.time)] = (blocks + 1, weight + assessed.effective)
        rates, rate = [], None
        for epoch in range((self.epoch(self.horizon) if self.horizon >= self.genesis else -1) + 1):
            start, _ = self.bounds(epoch)
            if epoch > 0:
                before = self.bounds(epoch - 1)
                stake = sum(self.stake_seconds(sequencer, *before) for sequencer in self.recording.stakes)
                blocks, weight = sums.get(epoch - 1, (0, 0))
                if self.by_operators:
                    rate = (self.locked(start), *self.target(start), self.seconds(start)) if self.locked(start) else rate
                elif blocks > 0 and stake > 0 and (weight > 0 or not self.by_stake):
                    rate = (epoch - 1, *self.target(start), stake, blocks, weight)
            fixed = self.fixed(start)
            rates.append(None if self.by_contract else rate if fixed is None else (fixed,))
        return rates

    def division(self, epoch, effective):
        """The one that a block's reward comes from; None where nothing is divided."""
        rate = self.rates[epoch]
        if self.by_contract or (rate is None and not self.by_stake) or (rate and len(rate) == 1):
            return None
        if rate is None:
            above, below = [self.initial, effective], [self.cap]
        elif self.by_operators:
            locked, m, d, _, seconds = rate
            above, below = [locked * (100 * m // d) // 100], [YEAR // seconds]
        else:
            _, m, d, _, stake, blocks, weight = rate
            above = [m, stake, effective] if self.by_stake else [m, stake]
            below = [d, YEAR, weight if self.by_stake else blocks]
        product = lambda factors: factors[0] * product(factors[1:]) if factors else 1
        quotient, remainder = divmod(product(above), product(below))
        return {"numerators": above, "denominators": below, "quotient": quotient, "remainder": remainder}


# What `tally explain` should say.


def text(value):
    return None if value is None else str(value)


def place(event):
    return event and {
        "event": event.name,
        "l1_block": event.block,
        "timestamp": event.time,
        "transaction": event.transaction,
        "log_index": event.log_index,
    }


def division_json(division):
    return division and {
        "numerators": list(map(str, division["numerators"])),
        "denominators": list(map(str, division["denominators"])),
        "quotient_wei": str(division["quotient"]),
        "remainder": str(division["remainder"]),
        "rounds": "down",
    }


def stake_json(fold, sequencer, time):
    stake, stake_event, active, status_event, effective = fold.stake(sequencer, time)
    return {
        "stake_wei": str(stake),
        "stake_event": place(stake_event),
        "active": active,
        "status_event": place(status_event),
        "cap_wei": str(fold.cap),
        "effective_stake_wei": str(effective),
    }


def epoch_json(fold, epoch):
    start, _ = fold.bounds(epoch)
    rate, window = fold.rates[epoch], None
    of = mrr = operators = each = None
    if fold.by_contract:
        kind = "chain"
    elif rate is None:
        kind, each = "initial", None if fold.by_stake else str(fold.initial)
    elif len(rate) == 1:
        kind, each = "fixed", str(rate[0])
    elif fold.by_operators:
        kind, each = "operators", str(fold.division(epoch, 0)["quotient"])
        locked, m, d, mrr, seconds = rate
        operators = {"total_locked_wei": str(locked), "percent": 100 * m // d, "block_secs": seconds}
    else:
        kind, each = "window", None if fold.by_stake else str(fold.division(epoch, 0)["quotient"])
        of, _, _, mrr, stake, blocks, weight = rate
        window = {
            "epoch": of, "mrr": mrr, "stake_seconds": str(stake), "blocks": blocks, "stake_blocks": str(weight)
        }
    rate_json = {"from": kind, "window_epoch": of, "mrr": mrr, "reward_per_block_wei": each}
    target = fold.target(start)[2]
    return {
        "epoch": epoch, "start": start, "target_mrr": target, "rate": rate_json, "window": window, "operators": operators
    }


def source_json(fold, batch):
    if not fold.by_contract:
        return None
    event = next(event for event, id_, *_ in fold.batches if id_ == batch) if batch is not None else fold.reward_updates[-1]
    return {"batch": batch, "event": place(event)}


def block_json(fold, wanted):
    at = wanted - fold.blocks[0].number
    block, assessed, reward, total = fold.blocks[at], fold.assessed[at], fold.rewards[at], fold.totals[at]
    assert block.number == wanted
    span, producer, epoch = block.span, fold.producer(block), fold.epoch(block.time)
    is_known = assessed.sequencer is not None
    return {
        "block": {
            "l2_block": block.number,
            "timestamp": block.time,
            "epoch": epoch,
            "span": span and span.id,
            "signer": block.signer,
            "producer": producer,
            "sequencer": assessed.sequencer,
            "effective_stake_wei": text(assessed.effective),
            "reward_wei": text(reward),
            "running_total_wei": text(total),
            "batch": assessed.batch,
            "unrewarded": assessed.why,
        },
        "span": span and {
            "span": span.id,
            "start": span.start,
            "end": span.end,
            "signer": span.signer,
            "event": {
                "event": span.event.name,
                "l2_block": span.event.block,
                "transaction": span.event.transaction,
                "log_index": span.event.log_index,
            },
        },
        "signer_introduced_by": place(fold.recording.introductions[producer][-1][0]) if is_known else None,
        "stake": stake_json(fold, assessed.sequencer, block.time) if is_known else None,
        "epoch": None if epoch is None else epoch_json(fold, epoch),
        "division": None if reward is None else division_json(fold.division(epoch, assessed.effective)),
        "paid_by": None if reward is None else source_json(fold, assessed.batch),
    }


def decimals(units):
    return None if units is None else f"{units // 10**18}.{units % 10**18:018}"


def reason_json(fold, epoch, blocks, stake, mrr):
    """Why a rate is what it is: parts of the pool, and how many blocks the rate was made for."""
    start, _ = fold.bounds(epoch)
    pool_blocks, pool_reward, pool_stake = fold.pool(epoch)
    rate, is_flat = fold.rates[epoch], not fold.by_contract and not fold.by_stake
    is_of_window = is_flat and not fold.by_operators and rate is not None and len(rate) == 7
    return {
        "target_mrr": fold.target(start)[2],
        "realised_mrr": decimals(mrr),
        "pool_mrr": decimals(10**18 * pool_reward * YEAR // pool_stake) if pool_stake else None,
        "blocks": blocks,
        "pool_blocks": pool_blocks,
        "share_of_blocks": decimals(10**18 * blocks // pool_blocks) if pool_blocks else None,
        "share_of_stake": decimals(10**18 * stake // pool_stake) if pool_stake else None,
        "ratio": (
            decimals(10**18 * blocks * pool_stake // (pool_blocks * stake)) if is_flat and pool_blocks and stake else None
        ),
        "assumed_blocks": str(rate[5] * pool_stake // rate[4]) if is_of_window else None,
    }


def sequencer_json(fold, sequencer, epoch):
    start, end = fold.bounds(epoch)
    segments = fold.segments(sequencer, start, end)
    paid, earned = [{} for _ in segments], []
    unrewarded = dict.fromkeys(("before_genesis", "no_producer", "unknown_signer", "after_unlock"), 0)
    for block, assessed, reward in zip(fold.blocks, fold.assessed, fold.rewards):
        if fold.epoch(block.time) != epoch or assessed.sequencer != sequencer:
            continue
        if assessed.why:
            unrewarded[assessed.why] += 1
            continue
        segment = [since <= block.time for since, _ in segments].count(True) - 1
        key = (assessed.batch or 0, reward, assessed.effective)
        paid[segment][key] = paid[segment].get(key, 0) + 1
        earned.append(reward)
    stake_seconds = fold.stake_seconds(sequencer, start, end)
    mrr = 10**18 * sum(earned) * YEAR // stake_seconds if stake_seconds else None
    return {
        "sequencer": sequencer,
        "epoch": epoch_json(fold, epoch),
        "until": end,
        "segments": [
            {
                "from": since,
                "until": until,
                "stake": stake_json(fold, sequencer, since),
                "stake_seconds": str(fold.stake(sequencer, since)[4] * (until - since)),
                "paid": [
                    {
                        "reward_each_wei": str(reward),
                        "blocks": blocks,
                        "reward_wei": str(reward * blocks),
                        "division": division_json(fold.division(epoch, effective)),
                        "paid_by": source_json(fold, batch or None),
                    }
                    for (batch, reward, effective), blocks in sorted(own.items())
                ],
            }
            for (since, until), own in zip(segments, paid)
        ],
        "blocks": len(earned),
        "reward_wei": str(sum(earned)),
        "stake_seconds": str(stake_seconds),
        "realised_mrr": decimals(mrr),
        "unrewarded": unrewarded,
        "reason": reason_json(fold, epoch, len(earned), stake_seconds, mrr),
    }


class Different(Exception):
    pass


def compared(path, expected, found):
    """How many values are the same."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        return sum(compared(f"{path}.{key}", expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return sum(compared(f"{path}[{at}]", *pair) for at, pair in enumerate(zip(expected, found)))
    # To Python, 1 is True, and 1.0 is 1.
    if type(expected) is not type(found) or expected != found:
        raise Different(f"{path}: should be {json.dumps(expected)}, but is {json.dumps(found)}")
    return expected is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("explanations")
    parser.add_argument("policy", nargs="+")
    parser.add_argument("--signers")
    args = parser.parse_args()
    recording = Recording(args.recording, args.signers)
    policies, folds = {}, {}
    for path in args.policy:
        with open(path, "rb") as file:
            policy = tomllib.load(file)
        policies[policy["name"]] = policy
    with open(args.explanations) as file:
        explanations = json.load(file)
    count = 0
    for found in explanations:
        name = found["policy"]["name"]
        if name not in folds:
            folds[name] = Fold(recording, policies[name])
        fold = folds[name]
        if "sequencer" in found:
            sequencer, epoch = found["sequencer"], found["epoch"]["epoch"]
            what, expected = f"sequencer {sequencer} in epoch {epoch}", sequencer_json(fold, sequencer, epoch)
        else:
            what, expected = f"block {found['block']['l2_block']}", block_json(fold, found["block"]["l2_block"])
        # Digests are Tally's own.
        for key in ("engine_version", "ledger_root"):
            del found[key]
        del found["policy"]["digest"]
        heads = {f"{chain}_block": found["log"][f"{chain}_head"]["block"] for chain in ("l1", "l2")}
        found["log"] = heads
        expected["policy"] = {"name": name, "version": fold.policy["version"]}
        expected["log"] = {"l1_block": recording.last_l1, "l2_block": recording.blocks[-1].number}
        try:
            count += compared(f"{name}, {what}: ", expected, found)
        except Different as difference:
            print(f"different: {difference}")
            return 3
    print(f"equal: {len(explanations)} explanations, {count} values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
