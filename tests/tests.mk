# Tests: unit tests are Criterion programs, one per tested file; integration tests drive the built
# program on real containers; the sweeps kill it, and fail its system calls, everywhere.
PYTHON ?= /usr/bin/python3
CLANG_FORMAT ?= clang-format-14
CFLAGS_clang = $(CFLAGS_release)
LDFLAGS_clang = $(LDFLAGS_release)
# A build of its own, because all of it is instrumented: only clang has libFuzzer.
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined

UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(OBJ)/tests/%)

$(OBJ)/tests/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(filter-out -include base/banned.h,$(CPPFLAGS)) -Itests/unit $(CFLAGS_ALL) -Wno-missing-prototypes -Wno-null-dereference \
		-MMD -MP -MF $@.d -o $@ $< $(LIB) $(LDFLAGS_ALL) -lcriterion \
		$(CLIENT_LIBS) $(KEEPER_LIBS) $(NET_LIBS)

-include $(UNIT_BINS:=.d)

# Programs that tests run: parts of ours by themselves.
TOOL_BINS := $(patsubst tests/tools/%.c,$(OUT)/test-%,$(sort $(wildcard tests/tools/*.c)))
.PHONY: tools
tools: $(TOOL_BINS)

$(OUT)/test-%: tests/tools/%.c $(LIB)
	@mkdir -p $(@D) $(OBJ)/tools
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -MF $(OBJ)/tools/$*.d -o $@ $< $(LIB) $(LDFLAGS_ALL) \
		$(KEEPER_LIBS)

-include $(TOOL_BINS:$(OUT)/test-%=$(OBJ)/tools/%.d)

.PHONY: unit
unit: $(UNIT_BINS)
	tests/run-unit $(UNIT_BINS)

# Tests mostly wait, so more of them than cores run at once; each worker has a world of its own.
PYTEST_JOBS ?= 4
# One file or one test: make integration PYTEST_ARGS='-k bytes'; another build: VARIANT=asan.
.PHONY: integration
integration: all tools
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B -m pytest -p no:cacheprovider -q \
		-n $(PYTEST_JOBS) tests/integration $(PYTEST_ARGS)
	$(if $(PYTEST_ARGS),,$(MAKE) integration-user)

# The same files once more, as an ordinary user who is made for it: what is his is to be no different.
USER_TESTS ?= binds cow image_import cow_edges tutorial script_mode confinement escapes images recipes readiness output secrets denials seccomp library metrics \
	profiles stats attach life sandboxes start_again starts layers ways_out terminal edges hostile limits watching causes faults
USER_FILES = $(USER_TESTS:%=tests/integration/test_%.py)
# Long tables of which the user's part is no other than root's.
USER_NOT ?= first_words or each_verb_in_each_state or no_failed_step or made_of_many
.PHONY: integration-user
integration-user: all
	LXE_AS_USER=1 LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B -m pytest -p no:cacheprovider -q \
		-n $(PYTEST_JOBS) $(USER_FILES) -k 'not ($(USER_NOT))' $(PYTEST_ARGS)

# What of them there is to be run by others: as root, or with USER=1.
.PHONY: list-tests
list-tests:
	@echo "$(if $(USER),$(USER_FILES) -k 'not ($(USER_NOT))',tests/integration)"

.PHONY: asan
asan:
	$(MAKE) VARIANT=asan all unit

# What of src the unit tests execute; COVER='unit integration': both. A process that is killed, or
# that becomes another program, leaves no counters.
COVER ?= unit
.PHONY: cover
cover:
	find build/cover -name '*.gcda' -delete 2>/dev/null || true
	$(MAKE) VARIANT=cover all $(COVER)
	scripts/cover build/cover/obj

# For editors and clang tools: how each file is compiled.
.PHONY: compdb
compdb:
	$(MAKE) -nB all unit | scripts/compdb >build/compdb.new
	mv build/compdb.new compile_commands.json

SEED ?= 1
COUNT ?= 300
LIVES ?= 100
NETWORKED ?= 90
STORED ?= 30
.PHONY: sweep
sweep: all
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/killsweep.py \
		--seed $(SEED) --count $(COUNT)
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/killsweep.py --network \
		--seed $(SEED) --count $(NETWORKED)
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/killsweep.py --stored \
		--seed $(SEED) --count $(STORED)
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/livesweep.py \
		--seed $(SEED) --count $(LIVES)

.PHONY: netfaults
netfaults: all
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/netfaults.py \
		--seed $(SEED) --points $(COUNT)

CROWD ?= 200
.PHONY: crowd
crowd: all
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/netcrowd.py --count $(CROWD)

# POINTS=0 tries every point; otherwise that many are drawn by the seed. KILL=1 kills the forks instead.
POINTS ?= 0
KILL ?=
.PHONY: faultsweep
faultsweep: all
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/faultsweep.py \
		--seed $(SEED) --points $(POINTS) $(if $(KILL),--kill)

# snapshot, fork, restore and their like ended at each of their system calls.
.PHONY: layersweep
layersweep: all
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec $(PYTHON) -B tests/integration/layersweep.py $(LAYERSWEEP_ARGS)

FUZZ_SECONDS ?= 30
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZ_SRCS:tests/fuzz/%.c=$(OBJ)/fuzz/%)
.PHONY: fuzz
fuzz:
	$(MAKE) VARIANT=fuzz CC=clang fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZ_BINS)
	tests/run-fuzz $(FUZZ_SECONDS) $(FUZZ_BINS)

$(OBJ)/fuzz/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(filter-out -include base/banned.h,$(CPPFLAGS)) -Itests/fuzz $(CFLAGS_ALL) -Wno-missing-prototypes \
		-MMD -MP -MF $@.d -o $@ $< $(LIB) $(LDFLAGS_ALL) $(CLIENT_LIBS)

-include $(FUZZ_BINS:=.d)

.PHONY: check check-format check-rules check-shell check-headers check-cppcheck check-tidy
check: check-format check-rules check-shell check-headers check-cppcheck check-tidy

C_FILES := $(sort $(shell find src tests docs/examples -name '*.[ch]'))
CHECK_SRCS := $(MAINS) $(GETUID_SRC) $(SRCS)
HEADERS := $(sort $(wildcard src/*/*.h))
SHELL_FILES := $(sort $(shell grep -lE '^\#!.*(/sh|bash)' /dev/null .ci/* scripts/* tests/run-* \
	lxc-templates/* 2>/dev/null))

check-format:
	$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

check-rules:
	scripts/check-layers
	scripts/check-words

check-shell:
	shellcheck -x $(SHELL_FILES)

check-headers:
	@for header in $(HEADERS); do \
		$(CC) $(CPPFLAGS) $(filter-out -fPIC,$(CFLAGS_ALL)) -Werror -fsyntax-only -x c \
			/dev/null -include $$header || exit 1; \
	done; echo "check-headers: $(words $(HEADERS)) compile alone"

check-cppcheck:
	@mkdir -p $(OBJ)/cppcheck
	cppcheck --quiet --cppcheck-build-dir=$(OBJ)/cppcheck --std=c11 --language=c --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability --suppress=missingIncludeSystem --suppress=internalAstError \
		--suppress=*:/usr/include/* -j 2 -Isrc -D__linux__ -D__x86_64__ $(wildcard $(CHECK_SRCS))

check-tidy: $(patsubst src/%.c,$(OBJ)/%.tidy,$(wildcard $(CHECK_SRCS)))

$(OBJ)/%.tidy: src/%.c .clang-tidy
	@mkdir -p $(@D)
	clang-tidy --quiet $< -- -std=gnu17 $(CPPFLAGS) 2>/dev/null
	@$(CC) -std=gnu17 $(CPPFLAGS) -MM -MP -MT $@ -MF $@.d $<
	@touch $@

-include $(patsubst src/%.c,$(OBJ)/%.tidy.d,$(wildcard $(CHECK_SRCS)))

.PHONY: test
test:
	scripts/test

# BENCH_ARGS: see docs/BENCH.md and scripts/bench --help.
.PHONY: bench
bench: all tools
	LXE_BIN=$(CURDIR)/$(OUT)/lxc-exec scripts/bench $(BENCH_ARGS)
