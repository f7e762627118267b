# make run     set everything up and run the default experiment
# make test    the tests
# make check   formatting, lint, types, a dry run of every configuration
# make cluster  what profiles/slurm and profiles/kubernetes need besides; the tests then try them
# make bench   time and memory beside named peers
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all

.PHONY: run test check cluster bench requirements clean

run: .venv/run
	@start=$$(date +%s); $(BIN)/snakemake --cores $(CORES) && cat results/summary.txt && \
	    echo "took       $$(($$(date +%s) - start)) s"

test: .venv/dev
	$(BIN)/pytest

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint
	@for file in config/*.yaml; do \
	    echo "dry run of $$file"; \
	    $(BIN)/snakemake --cores 1 --dry-run --quiet all --configfile $$file || exit 1; \
	done

.venv/run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: requirements-dev.txt .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

cluster: .venv/cluster

.venv/cluster: requirements-cluster.txt .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-cluster.txt
	touch $@

# time and memory beside named peers; writes benchmarks/RESULTS.md
bench: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	for name in counting out_of_core scale spectrum language_model metrics training heads scaling default_run; do $(BIN)/python -m benchmarks.$$name || exit 1; done

# pin every package, also those that come along, for every platform (needs uv);
# but not the CUDA of torch, which a build of it for the CPU does without
requirements:
	for name in requirements requirements-dev requirements-cluster; do \
	    uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	        --no-emit-index-url --no-emit-find-links $$name.in | grep -vE '^(cuda|nvidia|triton)' > $$name.txt; \
	done

# forget all results; the environment stays
clean:
	rm -rf results logs .snakemake
