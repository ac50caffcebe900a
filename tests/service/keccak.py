"""Keccak-256 as Ethereum uses it, and the Merkle proofs of a distribution."""

_MASK = (1 << 64) - 1
_RATE = 136


def _round_constants():
    """Yields the 24 round constants, from the shift register that defines them."""
    register = 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        yield constant


def _turn(lane, count):
    """Rotates a lane of 64 bits to the left."""
    return ((lane << count) | (lane >> (64 - count))) & _MASK if count else lane


def _moves():
    """Lists where rho and pi take each lane, with the rotation: (from, to, count)."""
    moves, x, y = [(0, 0, 0)], 1, 0
    for step in range(24):
        to_x, to_y = y, (2 * x + 3 * y) % 5
        moves.append((x + 5 * y, to_x + 5 * to_y, (step + 1) * (step + 2) // 2 % 64))
        x, y = to_x, to_y
    return moves


_CONSTANTS, _MOVES = list(_round_constants()), _moves()


def _permute(lanes):
    """Applies Keccak-f[1600] to 25 lanes."""
    for constant in _CONSTANTS:
        column = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mix = [column[x - 1] ^ _turn(column[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * 25
        for source, target, count in _MOVES:
            moved[target] = _turn(lanes[source] ^ mix[source % 5], count)
        lanes = [
            moved[at] ^ (~moved[at - at % 5 + (at + 1) % 5] & moved[at - at % 5 + (at + 2) % 5] & _MASK)
            for at in range(25)
        ]
        lanes[0] ^= constant
    return lanes


def keccak256(data):
    """Returns the 32 bytes of the Keccak-256 digest of some bytes."""
    padded = bytearray(data) + b"\x01"
    padded += bytes(-len(padded) % _RATE)
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for at in range(_RATE // 8):
            lanes[at] ^= int.from_bytes(padded[start + 8 * at : start + 8 * at + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def leaf_hash(sequencer, recipient, cumulative_wei):
    """Hashes a leaf: twice over the ABI encoding of (uint256, address, uint256)."""
    encoded = sequencer.to_bytes(32, "big") + bytes(12) + bytes.fromhex(recipient[2:]) + cumulative_wei.to_bytes(32, "big")
    return keccak256(keccak256(encoded))


def root_of(sequencer, recipient, cumulative_wei, proof):
    """Returns the root that a leaf and its proof lead to, as the documents write hashes."""
    node = leaf_hash(sequencer, recipient, cumulative_wei)
    for other in (bytes.fromhex(text[2:]) for text in proof):
        node = keccak256(min(node, other) + max(node, other))
    return "0x" + node.hex()


if __name__ == "__main__":
    KNOWN = {
        b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
        b"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    }
    for message, digest in KNOWN.items():
        assert keccak256(message).hex() == digest, message
    print("keccak256 is right for", len(KNOWN), "known digests")
