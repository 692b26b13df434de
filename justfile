# The front door: `./just` alone lists the recipes. `./just` is a launcher that finds or installs `just` itself.

set shell := ["bash", "-euo", "pipefail", "-c"]

# `dev` builds in a fraction of the time: for looking at what a run does, not at how fast it is.
profile := env("CROSSOVER_PROFILE", "release")
crossover := env("CARGO_TARGET_DIR", "target") / (if profile == "dev" { "debug" } else { profile }) / "crossover"

# List the recipes
default:
    @{{ just_executable() }} --list --unsorted

# Run a scenario in a dispatch mode: ./just bench polling [SCENARIO] [--set KEY=VALUE …]
bench *args: build
    @{{ crossover }} bench {{ args }}

# Break things under load: ./just chaos NAME [polling|event-driven], chaos smoke, chaos all
chaos *args: build
    @{{ crossover }} chaos {{ args }}

# Find the highest arrival rate that holds: ./just capacity polling|polling-tuned|event-driven|all [SCENARIO] [--replicas 1,2,4]
capacity *args: build
    @{{ crossover }} capacity {{ args }}

# Run a scenario for each combination of values: ./just sweep SCENARIO MODE KEY=V1,V2 … [--repeat N] [--resume DIR]
sweep *args: build
    @{{ crossover }} sweep {{ args }}

# Who leads over rate × replicas: polling, tuned polling, event-driven (36 short runs; --resume DIR goes on)
map *args: build
    @{{ crossover }} map {{ args }}

# Is HEAD slower than BASE? Both are built and run in pairs: ./just regress [BASE] [--pairs N] [--mode MODE] [--resume DIR]
regress *args: build
    @{{ crossover }} regress {{ args }}

# The verdict for a team, from finished runs: ./just decide --profile scenarios/team.example.toml [RUN …]
decide *args: build
    @{{ crossover }} decide {{ args }}

# Where the runs leave every claim that started the project
claims *args: build
    @{{ crossover }} claims {{ args }}

# Finished runs held against the first of them: ./just diff A B [C …]
diff *args: build
    @{{ crossover }} diff {{ args }}

# Write a run's report again, also of a run that died
report *args: build
    @{{ crossover }} report {{ args }}

# Every job of a run as a row: ./just export [RUN] [--format csv|jsonl] [--output FILE]
export *args: build
    @{{ crossover }} export {{ args }}

# What would be used here, what is missing, and how to get it
doctor *args: build
    @{{ crossover }} doctor {{ args }}

# Fetch now what a run would fetch
setup: build
    @{{ crossover }} setup

# Build stand-in images for servers in containers, where none can be pulled; needs root and a Docker engine
images *args: build
    @said="$(mktemp)"; trap 'rm -f "$said"' EXIT; {{ crossover }} images {{ args }} | tee "$said"; \
        if grep --quiet --invert-match 'already there$' "$said"; then touch harness/testbed/images-changed; fi

# Measure the instrument itself
instrument *args: build
    @{{ crossover }} instrument {{ args }}

# Measure the relay alone: a backlog to the broker, and one row at a time
relay *args: build
    @{{ crossover }} relay {{ args }}

# Look at the job table of a live system of your own: ./just assess --database-url URL [--table TABLE]; nothing is written
assess *args: build
    @{{ crossover }} assess {{ args }}

# They wait for servers more than they compute: two at once for each processor. Unless some are chosen, benches try
# themselves, too.
# All tests, with real servers; nothing needs to be prepared
test *args:
    @RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * {{ num_cpus() }}))}" cargo test --workspace --locked {{ args }}
    @{{ if args =~ "^(--no-fail-fast)?$" { "cargo test --workspace --locked --quiet --bench '*'" } else { "true" } }}

# Time the hot paths: claim, complete, relay batch, record, encode, checkers
micro *args:
    @cargo bench --workspace --locked --bench '*' {{ args }}

# A run of a million jobs in each mode, checked and rendered: time, memory and size of the page against their limits
million: build
    @status=0; for name in a_million_jobs_are_reported_on_in_ten_seconds_and_a_gibibyte \
        a_million_jobs_of_the_event_driven_mode_are_reported_on_in_ten_seconds_and_a_gibibyte; do \
        CROSSOVER_MILLION_PROGRAM="$(realpath {{ crossover }})" \
            cargo test --locked --package crossover --test it -- --ignored --nocapture --exact "million::$name" || status=$?; \
    done; exit "$status"

# Write the tables of docs/scenarios.md again, from the code's own types
scenario-reference:
    @CROSSOVER_WRITE_REFERENCE=1 cargo test --locked --quiet --package crossover --bin crossover scenario_reference

# What CI checks: format, lints, licences and sources, tests
verify: lint test

# Format and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    @if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else echo "cargo-deny is not installed: licences and sources were not checked (cargo install cargo-deny)"; fi

# Dead letters of a kept system: ./just dlq list | show JOB | replay … | discard …
dlq *args: build
    @{{ crossover }} dlq {{ args }}

# End what a run with --keep left running; with --runs, remove all runs; with --images, the stand-in images
clean *args: build
    @{{ crossover }} clean {{ args }}

[private]
build:
    @test -x {{ crossover }} || echo "building crossover: once, and it takes several minutes" >&2
    @cargo build --profile {{ profile }} --locked --quiet --package crossover
