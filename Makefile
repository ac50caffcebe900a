# Everything is built in one profile, `release`: RocksDB is compiled once for the demo, the tests, the
# lints and the benchmarks. Set CARGO_TARGET_DIR to share it between checkouts.
.PHONY: deps anvil duckdb contract build demo test lint count bless-counts

build: deps
	cargo build --release --locked

deps:
	./scripts/install-deps.sh

anvil:
	./scripts/install-deps.sh tests
	./scripts/install-anvil.sh

duckdb:
	./scripts/install-deps.sh tests
	./scripts/install-duckdb.sh

contract:
	./scripts/install-deps.sh tests
	./scripts/install-contract.sh

demo: build
	./scripts/demo.sh "$$(./scripts/binary.sh)"

test: anvil duckdb contract
	cargo test --release --workspace --locked

lint: deps
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --all-features --locked -- -D warnings

# The instructions of the innermost loops, against benches/callgrind/baseline.txt.
count:
	./scripts/install-deps.sh count
	./scripts/count.sh

# After a change that needs more of them for a reason, or fewer.
bless-counts:
	./scripts/install-deps.sh count
	./scripts/count.sh bless
