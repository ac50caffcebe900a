# Everything is built in one profile, `release`: RocksDB is compiled once for the demo, the tests, the
# lints and the benchmarks. Set CARGO_TARGET_DIR to share it between checkouts.
.PHONY: deps rocksdb anvil browser duckdb contract build demo serve-demo test test-long soak lint count bless-counts old-processor dist install uninstall

build: rocksdb
	cargo build --release --locked --package tally-cli

deps:
	./scripts/install-deps.sh

# Once, in a few minutes, instead of in 20 by its crate.
rocksdb: deps
	./scripts/rocksdb.sh

anvil:
	./scripts/install-deps.sh tests
	./scripts/install-anvil.sh

browser:
	./scripts/install-deps.sh tests
	./scripts/install-browser.sh

duckdb:
	./scripts/install-deps.sh tests
	./scripts/install-duckdb.sh

contract:
	./scripts/install-deps.sh tests
	./scripts/install-contract.sh
	./scripts/install-clients.sh
	./scripts/install-payer.sh

demo: build
	./scripts/demo.sh "$$(./scripts/target-dir.sh)/release/tally"

# The same log, with the pages of the pool in a browser.
serve-demo: build
	./scripts/serve-demo.sh "$$(./scripts/target-dir.sh)/release/tally"

# None is skipped. FILTER=text runs those alone that have it in their names.
test: rocksdb anvil browser duckdb contract
	./scripts/test.sh $(FILTER)

# With many more random histories, mutations, hostile bundles and kills.
test-long: export TALLY_TEST_LONG = 1
test-long: test

# Whole runs drawn from seeds, for so many minutes: make soak SEED=1 MINUTES=30
soak: export SEED := $(SEED)
soak: export MINUTES := $(MINUTES)
soak: rocksdb
	./scripts/soak.sh

lint: rocksdb
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked

# The instructions of the innermost loops, against benches/callgrind/baseline.txt.
count: rocksdb
	./scripts/install-deps.sh count
	./scripts/count.sh

# After a change that needs more of them for a reason, or fewer.
bless-counts: rocksdb
	./scripts/install-deps.sh count
	./scripts/count.sh bless

# What the command says on a processor for which it was not compiled, under an emulator.
old-processor: build
	./scripts/install-deps.sh old-processor
	./scripts/old-processor.sh "$$(./scripts/target-dir.sh)/release/tally"

# What is handed out, in target/dist.
dist: build
	./scripts/dist.sh "$$(./scripts/target-dir.sh)/release/tally"

# The same, put in place below DESTDIR and PREFIX. Under sudo nothing is built: then `make dist` has to come first.
PREFIX ?= /usr/local

install: $(if $(SUDO_USER),,dist)
	./scripts/install.sh install "$(DESTDIR)$(PREFIX)"

uninstall:
	./scripts/install.sh remove "$(DESTDIR)$(PREFIX)"
