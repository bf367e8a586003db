# SPDX-License-Identifier: GPL-2.0
#
# What one types. The work is done by scripts/ and tests/; Kbuild has the module.
# `make help` lists the targets and their variables.

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

KERNEL ?= release

# Those that the scripts take, in the build environment as well.
variables := $(strip $(file <scripts/variables))
# Kbuild's own; handed on to it.
kbuild-variables := V W LLVM ARCH CROSS_COMPILE CC MO CLIPPY INSTALL_MOD_PATH INSTALL_MOD_DIR

$(foreach v,$(.VARIABLES),$(if $(filter command line,$(origin $(v))),\
	$(if $(filter $(variables) $(kbuild-variables),$(v)),,\
		$(error there is no variable $(v); there are: $(variables) (see make help) and Kbuild's $(kbuild-variables)))))
# What is typed arrives as it is: make would expand a dollar in it.
$(foreach v,$(variables),$(if $(filter command line,$(origin $(v))),$(eval override $(v) := $$(value $(v)))))
ifneq ($(filter-out release debug,$(KERNEL))$(words $(KERNEL)),1)
$(error KERNEL=$(KERNEL) is not known; KERNEL takes one of: release debug)
endif
ifneq ($(KDIR),)
ifeq ($(wildcard $(KDIR)/Makefile),)
$(error KDIR=$(KDIR) is not a kernel tree: it has no Makefile; KDIR takes the folder of a built kernel)
endif
endif
ifneq ($(KERNEL_TARBALL),)
ifeq ($(wildcard $(KERNEL_TARBALL)),)
$(error KERNEL_TARBALL=$(KERNEL_TARBALL) is not there; KERNEL_TARBALL takes the path of a linux-7.3.y source archive)
endif
override KERNEL_TARBALL := $(abspath $(KERNEL_TARBALL))
endif
ifneq ($(MODULE),)
ifeq ($(wildcard $(MODULE)),)
$(error MODULE=$(MODULE) is not there; MODULE takes the path of a module that was built before)
endif
override MODULE := $(abspath $(MODULE))
endif
ifneq ($(SIGNING_KEY),)
ifeq ($(wildcard $(SIGNING_KEY)),)
$(error SIGNING_KEY=$(SIGNING_KEY) is not there; SIGNING_KEY takes the path of a key and its certificate (PEM))
endif
override SIGNING_KEY := $(abspath $(SIGNING_KEY))
endif

export $(variables)
# For the first mount, and no test.
unexport RTMPFS_FIRST

.PHONY: modules modules_install clean run machine test test-configs coverage random torture bench bench-shared bench-parallel bench-workloads bench-memory deb test-packages rustfmtcheck rustfmt clippy shellcheck lint doc rust-analyzer help

ifneq ($(KDIR),)
override KDIR := $(abspath $(KDIR))
# Kbuild takes the folder for several.
ifneq ($(words $(CURDIR)),1)
$(error the checkout is in $(CURDIR): a path with a space is refused by the kernel's Makefile)
endif

# The plain Kbuild way, with the host's compilers and in place.
llvm := $(if $(LLVM),,$(if $(shell grep -s '^CONFIG_CC_IS_CLANG=y' $(KDIR)/.config),LLVM=1))
kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) $(llvm)

modules:
	@scripts/module/check-kernel $(KDIR)
	$(kbuild) modules
modules_install clean rust-analyzer:
	$(kbuild) $@
else
modules:
	@module=$$(scripts/module/build) && echo "$$module/rtmpfs.ko"
rust-analyzer:
	@scripts/module/rust-analyzer
modules_install clean:
	$(error make $@ needs KDIR=, the folder of a built kernel)
endif

run:
	@RTMPFS_FIRST=1 scripts/vm/run --timeout 0 $(if $(value CMD),-- bash -c "$$CMD")
machine:
	@tests/machine/run
test:
	@tests/run/all
test-configs:
	@tests/run/configs
coverage:
	@tests/coverage/run
random:
	@tests/run/random
torture:
	@tests/suites/swap/torture
bench:
	@tests/bench/run
bench-shared:
	@tests/bench/shared
bench-parallel:
	@tests/bench/parallel
bench-workloads:
	@tests/bench/workloads
bench-memory:
	@tests/bench/memory
deb:
	@scripts/deb/build
test-packages:
	@tests/packages/run

clippy:
	@scripts/module/build CLIPPY=1 W=e >/dev/null
	@scripts/module/build RTMPFS_ROOT=tests/sample/rust_ramfs CLIPPY=1 W=e >/dev/null
	@tests/suites/answers/module CLIPPY=1 W=e >/dev/null
	@tests/run/clippy
rustfmtcheck:
	@scripts/module/rustfmt --check
rustfmt:
	@scripts/module/rustfmt
shellcheck:
	@scripts/shellcheck
lint:
	@tests/lint/run
doc:
	@scripts/module/doc

# Typed, and no target.
.DEFAULT:
	@echo "rtmpfs: error: make has no target '$@' here; make help lists them" >&2; exit 2

help:
	@printf '%s\n' \
	'make run [CMD="..."]   a shell in a virtual machine with rtmpfs mounted at /mnt/rtmpfs; with CMD, that command only' \
	'make machine           a login on a Debian machine, all of whose shared memory is rtmpfs from its first program on' \
	'make test              all tests in the machine; ends with a line of what passed, failed and was skipped' \
	'make test-configs      the same and clippy on kernels that lack an option, one after another' \
	'make coverage          make test with a module that counts, and which of its lines were reached so far' \
	'make random            random calls on tmpfs and rtmpfs, and many tasks at once; DURATION=SECONDS (180) each, SEED=NUMBER,' \
	'                       MODE=differential|chaos is one of them' \
	'make torture           swap and everything else at once; DURATION=SECONDS (600), SEED=NUMBER' \
	'make bench             tmpfs, rtmpfs and ramfs compared; OPS=REGEX picks operations' \
	'                       SEEDS=N (3), TYPES="T...", MAX_RATIO=R, RESULTS=DIR and MODULE=FILE are told in tests/bench/run' \
	'make bench-shared      atomic instructions, and stores to cache lines that two processors write both; FUNCTIONS=1 says where' \
	'make bench-parallel    time where four processors do the same at once, as a ratio to tmpfs; REPETITIONS=N rounds (5)' \
	'make bench-workloads   real work: source trees, a build, git, SQLite; REPETITIONS=N (2), of which the best counts' \
	'make bench-memory      the memory that a file takes on each; OPERATIONS=N files of each kind (100000)' \
	'make deb               Debian packages of a kernel with the patches and of the module; CONFIG=cloud|amd64 is Debian'\''s own' \
	'                       configuration (cloud, which takes up to two hours the first time), small a virtual machine'\''s, less;' \
	'                       SIGNING_KEY=FILE signs the modules, with a key and its certificate (PEM)' \
	'make test-packages     install, use, upgrade and purge them in a Debian machine (CONFIG=small)' \
	'make [modules]         build the module; with KDIR, for a kernel of your own and in place' \
	'make modules_install   install it (KDIR)' \
	'make clean             remove what a build in place left (KDIR)' \
	'make clippy rustfmtcheck shellcheck lint   what the checks say about the code' \
	'make rustfmt           format it' \
	'make doc               the documentation of the code, and the manual' \
	'make rust-analyzer     rust-project.json for an editor' \
	'' \
	'KERNEL=release|debug   which of the two kernels (release)' \
	'WITHOUT="OPTION..."    the same kernel without these options, say NUMA or TMPFS_XATTR' \
	'KDIR=DIR               a built kernel of your own instead' \
	'KERNEL_TARBALL=FILE    build the kernels from this linux-7.3.y archive' \
	'COVERAGE=1             with run, test, torture: what they reach counts for the next make coverage' \
	'SUITE="NAME..." TEST=FILTER a part of make test' \
	'OPERATIONS=N           how many operations fsx does in its long runs (200000; on the debug kernel 20000),' \
	'                       and how many of a kind the suite memory makes and removes'
