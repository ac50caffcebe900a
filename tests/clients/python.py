"""Makes a Python client of a server's OpenAPI document, and reads the feed with it: prints what the first sequencer has
earned by the end of the first epoch, what the first distribution's root is, and how a problem comes.

Usage: python.py DOCUMENT BASE_URL DIRECTORY
"""

import importlib
import subprocess
import sys
from pathlib import Path

document, url, directory = sys.argv[1:]
tools = Path(sys.executable).parent
config = Path(directory) / "config.yml"
# What formats the code is not needed.
config.write_text("post_hooks: []\npackage_name_override: tally_client\n")
subprocess.run(
    [tools / "openapi-python-client", "generate", "--path", document, "--meta", "none", "--config", config]
    + ["--output-path", Path(directory) / "tally_client", "--fail-on-warning"],
    check=True,
    stdout=subprocess.DEVNULL,
)
sys.path.insert(0, directory)
client = importlib.import_module("tally_client").Client(base_url=url)
models = importlib.import_module("tally_client.models")
feed = importlib.import_module("tally_client.api.feed.feed")

answer = feed.sync(client=client, types="epoch_closed,distribution_ready", limit=2)
assert isinstance(answer, models.FeedAnswer), answer
closed, ready = answer.facts
assert isinstance(closed, models.EpochClosed) and isinstance(ready, models.DistributionReady), answer.facts
print(closed.rows[0].cumulative_wei)
print(ready.root)
claim = importlib.import_module("tally_client.api.sequencers.claim")
problem = claim.sync(999, client=client)
assert isinstance(problem, models.Problem), problem
print(problem.type_.value)
