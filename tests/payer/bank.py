"""A bank for a test: a payment is a file in the directory BANK, which is there as a whole or not at all."""
import hashlib
import os
import random
import time


def pay(key, recipient, amount_wei):
    """Pays once for each key, and returns what the payment is called."""
    directory = os.environ["BANK"]
    path = os.path.join(directory, key)
    asked = f"{recipient} {amount_wei}"
    if not os.path.exists(path):
        new = os.path.join(directory, f".{key}.{os.getpid()}")
        with open(new, "w") as file:
            file.write(asked)
        time.sleep(random.random() / 50)
        try:
            # Of two at once, one pays.
            os.link(new, path)
        except FileExistsError:
            pass
        os.unlink(new)
    with open(path) as file:
        made = file.read()
    if made != asked:
        raise ValueError(f"the key {key} has paid {made}, and now {asked} is asked for")
    time.sleep(random.random() / 50)
    return "0x" + hashlib.sha256(key.encode()).hexdigest()
