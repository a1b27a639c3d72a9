#!/bin/bash
# Everything that must hold, on a fresh Debian 12 as root with Rust: sets up what is missing, then runs
# formatting, lints, licences and advisories, and all tests. From anywhere; no arguments.
#   FAST=1   leaves out the real apps, and the release build of which instructions are counted
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

BEGUN=$SECONDS
SKIPPED=()
section(){ printf '\n=== %s (after %d s)\n' "$1" "$((SECONDS - BEGUN))"; }
skip(){ echo "SKIPPED: $1"; SKIPPED+=("$1"); }

section "set-up: build tools"
command -v cargo >/dev/null || { [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; } || true
command -v cargo >/dev/null || { echo "no cargo: install Rust from https://rustup.rs first" >&2; exit 1; }
missing=()
command -v cc >/dev/null || missing+=(build-essential)
command -v git >/dev/null || missing+=(git)
command -v curl >/dev/null || missing+=(curl ca-certificates)
command -v python3 >/dev/null || missing+=(python3)
command -v valgrind >/dev/null || missing+=(valgrind)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
fi
for component in rustfmt clippy; do
  cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done
cargo --version

if [ -n "${FAST:-}" ]; then
  skip "the real apps and scanners (FAST is set)"
  # Sample files of theirs are sent through the gateway in other tests too.
  python3 tests/apps/mkassets.py tests/apps/django-helpdesk/data/assets
else
  for app in django-helpdesk rt scanner; do
    section "set-up: $app"
    "tests/apps/$app/setup.sh"
  done
fi

section "set-up: promtool"
# The tests hold the metrics and the alerts against it.
tests/apps/promtool/setup.sh

section "formatting"
cargo fmt --check

section "lints"
cargo clippy --locked --all-targets -- -D warnings

section "licences, sources, advisories"
if ! cargo deny --version >/dev/null 2>&1; then
  skip "cargo-deny is not installed; do it with: cargo install --locked cargo-deny"
elif cargo deny fetch >/dev/null 2>&1; then
  cargo deny check
else
  skip "advisories (the database cannot be fetched); licences, bans and sources are checked"
  cargo deny --offline check licenses bans sources
fi

section "tests"
if [ -n "${FAST:-}" ]; then
  cargo test --locked --no-fail-fast -- --skip django --skip rt:: --skip request_tracker --skip scanner
elif cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --no-fail-fast
  cargo test --locked --doc
else
  cargo test --locked --no-fail-fast
fi

section "benchmarks: what of them needs no load"
# Each once, so that none is found broken by whoever wants a figure.
cargo test --locked --benches --quiet
DESKGATE="${CARGO_TARGET_DIR:-$PWD/target}/debug/deskgate" python3 -m unittest discover -s benches/peers

section "benchmarks: instructions of a request"
if [ -n "${FAST:-}" ]; then
  skip "instructions (FAST is set)"
else
  benches/instructions/run
fi

section "done"
for what in "${SKIPPED[@]}"; do echo "was skipped: $what"; done
