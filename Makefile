# Entry points. `make demo` and `make test` are all a fresh machine needs: the Rust toolchain that
# rust-toolchain.toml names, Python 3, Node 18 or newer and a C compiler.

CARGO ?= cargo
CLIENT = tests/client

# Generated cases are the same in every run, so a check that passed passes again. Explore with
# another seed: make test-rust PROPTEST_RNG_SEED=$$RANDOM
export PROPTEST_RNG_SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-stop test format lint licences test-rust test-doc test-client \
        bench-embed bench-store bench-tables clean-demo

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Fetch the native libraries into .runtime/ (pinned versions and checksums)
	scripts/setup

build: setup ## Build target/release/quarry
	$(CARGO) build --release --locked

demo: build ## Start Quarry on the sample documents, ask questions, leave the server running
	scripts/demo

demo-stop: ## Stop the server of the demo
	scripts/demo --stop

# One after the other, cheap ones first, whatever -j says: they share one build folder and two cores.
test: setup ## Run everything the checks run
	$(MAKE) format
	$(MAKE) licences
	$(MAKE) lint
	$(MAKE) test-rust
	$(MAKE) test-doc
	$(MAKE) test-client

format: ## Check the formatting
	$(CARGO) fmt --all --check

lint: ## Check with clippy, warnings are errors
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

licences: ## Check the licences of all dependencies against deny.toml
	scripts/check_licences

test-rust: setup ## Run the Rust tests (with nextest when it is installed)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --workspace --locked; \
	else \
		set -x; $(CARGO) test --workspace --locked --all-targets; \
	fi

test-doc: ## Run the examples in the documentation
	$(CARGO) test --workspace --locked --doc

# The binary comes from the build of the tests: the same features, so nothing is built twice.
test-client: setup $(CLIENT)/node_modules/.package-lock.json ## Drive the built binary with the official npm client
	$(CARGO) test --workspace --locked --no-run --quiet
	cd $(CLIENT) && QUARRY_BIN="$${QUARRY_BIN:-$(CURDIR)/target/debug/quarry}" node --test

$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json
	cd $(CLIENT) && npm ci --no-audit --no-fund

bench-embed: setup ## Compare embedding, of passages and of a query, with ONNX Runtime called directly
	benches/embed/run

bench-store: ## Measure durable commits, point reads and scans
	$(CARGO) run --release --locked -p quarry-store --example commit_bench

bench-tables: ## Measure filters, orders and groups in process
	$(CARGO) run --release --locked -p quarry-tables --example find_speed

clean-demo: demo-stop ## Remove the data of the demo
	rm -rf demo-data
