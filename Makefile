# Everything is built in one profile, `release`: RocksDB is compiled once for the demo, the tests, the
# lints and the benchmarks. Set CARGO_TARGET_DIR to share it between checkouts.
.PHONY: deps build demo test lint

build: deps
	cargo build --release --locked

deps:
	./scripts/install-deps.sh

demo: build
	./scripts/demo.sh "$$(./scripts/binary.sh)"

test: deps
	cargo test --release --workspace --locked

lint: deps
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
