# Every target works on a fresh Debian 12 as root with Go, make, Node and apt.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# readonly: a build never edits go.mod or go.sum (make modules does, on purpose).
# buildvcs=false: a clone owned by another user builds too; the version is
# stamped below instead.
export GOFLAGS     := -buildvcs=false -mod=readonly
export CGO_ENABLED := 0

VERSION := $(shell tools/version.sh)
LDFLAGS := -s -w -X github.com/labwarden/labwarden/internal/cli.version=$(VERSION)
PKG     ?= ./...
FUZZ_SECONDS ?= 10
FUZZ_TOTAL   ?= 0

.PHONY: help build fips demo test bars soak lint generate fuzz vuln modules package clean FORCE

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## ?(.*)/  make \1\t\2/' | expand -t 18

build: bin/labwarden ## bin/labwarden, stamped with the version from git

bin/labwarden: FORCE
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

fips: bin/labwarden-fips ## bin/labwarden-fips: the build that keeps to the module validated under FIPS 140-3

bin/labwarden-fips: FORCE
	GOFIPS140=certified go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/labwarden

demo: build ## a whole lab on this machine: results travel while you watch
	bin/labwarden demo

test: ## go vet and every test; installs what they need, starts its own PostgreSQL
	tools/with-postgres.sh tools/test.sh $(PKG)

bars: ## the performance and crash bars, small (tests named TestBar…)
	tools/with-postgres.sh tools/bars.sh small

soak: fips ## the same bars whole: takes long, writes docs/operate/soak/; the FIPS build's whole suite; every fuzz target a minute
	tools/with-postgres.sh tools/bars.sh whole
	tools/with-postgres.sh tools/fips.sh whole
	tools/fuzz.sh 60 0

lint: ## gofumpt, golangci-lint, dead code
	tools/lint.sh

generate: ## write generated files again; CI fails when that changes anything
	go generate ./...

fuzz: ## fuzz targets, FUZZ_SECONDS each (10): all, or FUZZ_TOTAL seconds of them by turns
	tools/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TOTAL)

vuln: ## known vulnerabilities, from the offline database in ../shared/lint
	tools/vuln.sh

modules: ## complete go.mod and go.sum after a new import
	GOFLAGS='-buildvcs=false -mod=mod' go build ./...
	GOFLAGS='-buildvcs=false -mod=mod' go vet ./...

package: build ## dist/labwarden_VERSION_amd64.deb, then look at it and try it
	packaging/build.sh $(VERSION)
	packaging/test.sh $(VERSION)

clean: ## remove bin, dist and what tests left
	tools/postgres.sh stop
	rm -rf bin dist .test

FORCE:
