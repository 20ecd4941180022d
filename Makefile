# `make demo` runs a whole CDN on this machine; `make test` runs every test. Both build what they need.

CARGO ?= cargo

.PHONY: demo test conformance lint bench bench-purge bench-micro tools build

SUDO := $(shell if [ "$$(id -u)" = 0 ]; then echo; elif command -v sudo >/dev/null; then echo "sudo -n"; fi)

demo: build
	target/debug/scenarios run quickstart

test: tools
	$(CARGO) test --workspace

# The public HTTP cache test suite against real nodes: needs node and npm, and a registry the first time.
conformance: build
	target/debug/scenarios conformance

build: tools
	$(CARGO) build --workspace --bins

# Pingora's compression (zlib-ng) is built with cmake. It is found, or installed where that may be, or named.
tools:
	@command -v $(firstword $(CARGO)) >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer, see https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: install gcc and make (Debian, Ubuntu: apt-get install build-essential)" >&2; exit 1; }
	@command -v cmake >/dev/null \
	  || { command -v apt-get >/dev/null && $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq cmake >/dev/null; } \
	  || { echo "cmake is missing and can't be installed by this user: run 'apt-get install cmake' as root (or your system's like), then make again" >&2; exit 1; }

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) check -p edge --no-default-features
	! $(CARGO) tree -p edge --no-default-features -e normal | grep -E ' (pingora|tokio|moka) '

# Beside nginx, in one run: needs nginx and wrk (Debian, Ubuntu: apt-get install nginx-light wrk).
bench: tools
	$(CARGO) build --release -p edge -p origin -p benches
	target/release/benches hit --out benches/results/hit.md

# A node with a million objects (some 6 GB of memory, ten minutes), and a fleet over long links: needs wrk.
bench-purge: tools
	$(CARGO) build --release -p edge -p origin -p purge-cli -p benches
	target/release/benches proven --out benches/results/proven.md
	target/release/benches purge --out benches/results/purge.md

bench-micro: tools
	$(CARGO) bench -p benches
