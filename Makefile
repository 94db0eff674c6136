# SPDX-License-Identifier: BSD-3-Clause
#
# Weir's build: one file, no recursion into folders. `make help` lists the targets, V=1 shows the
# commands. Objects and test programs of each build kind live in build/<kind>/. Sources are found by
# wildcard: a new file needs no edit here.

KIND ?= release
B := build/$(KIND)
Q := $(if $(V),,@)

# Every core builds, unless somebody says otherwise. A make within a make has its parent's jobs.
ifeq ($(MAKELEVEL)$(filter -j% --jobserver%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

ifeq ($(origin CC),default)
CC := gcc
endif
ifneq ($(filter $(KIND),fuzz tsan),)
CC := clang
endif

WARN := -Wall -Wextra -Wshadow -Wcast-qual -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
SANITIZED := -O1 -g -fno-omit-frame-pointer -DWEIR_SLOW_CHECKS -DWEIR_LOCK_CHECKS -DWEIR_NO_JEMALLOC
CFLAGS_release := -O2 -g -fno-omit-frame-pointer
ifeq ($(shell uname -m),x86_64)
CFLAGS_release += -march=x86-64-v2
endif
CFLAGS_debug := -O1 -g -DWEIR_SLOW_CHECKS -DWEIR_LOCK_CHECKS
# The release, and how long shard locks are held.
CFLAGS_holds := $(CFLAGS_release) -DWEIR_LOCK_CHECKS
CFLAGS_asan := $(SANITIZED) -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_tsan := $(SANITIZED) -fsanitize=thread
CFLAGS_fuzz := $(SANITIZED) -fsanitize=address,undefined,fuzzer-no-link \
	-fno-sanitize-recover=undefined

# The programs of a release are optimised as a whole, which saves a write every tenth instruction.
# Tests put functions of their own in the place of the library's, so they link it file by file.
ifeq ($(KIND)$(findstring gcc,$(CC)),releasegcc)
COMPILE_WHOLE := -flto=auto -ffat-lto-objects
LINK_WHOLE := -flto=auto
LINK_FILES := -fno-lto
endif

ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -Iproxy -I. $(WARN) -pthread $(CFLAGS_$(KIND)) $(CFLAGS)
COMPILE := $(CC) $(ALL_CFLAGS) $(COMPILE_WHOLE)
MALLOC := $(if $(filter release debug holds,$(KIND)),-ljemalloc)
LIBS := $(MALLOC) -lev -lhiredis -lsqlite3 -lxxhash -lm -pthread

SRC := $(filter-out proxy/main.c,$(wildcard proxy/*/*.c proxy/*/*/*.c backends/*.c \
	backends/*/*.c config/*.c))
OBJ := $(SRC:%.c=$(B)/%.o)
SUPPORT := $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*_test.c tests/contract/*_test.c \
	tests/fault/*_test.c))
BENCH := $(patsubst %.c,build/release/%,$(wildcard tests/bench/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,build/fuzz/bin/%,$(wildcard tests/fuzz/*_fuzz.c))

.PHONY: all run debug check test fault fuzz bench asan tsan tidy analyze clean help
.PHONY: deps test-deps units fuzzers fuzz-programs bench-programs print-flags FORCE
.DEFAULT_GOAL := all

all: weir weirctl ## build ./weir and ./weirctl, optimised

run: deps ## install what is missing, build, and serve with proxy.conf
	@$(MAKE) --no-print-directory all
	@tools/install-packages hint
	./weir proxy.conf

debug: ## build with slow assertions: build/debug/weir
	@$(MAKE) --no-print-directory KIND=debug build/debug/weir

check: ## the fast loop: build, style, unit and integration tests (under a minute)
	@tools/run-tests check

test: test-deps ## everything that must pass
	@tools/run-tests test

fault: ## the fault suites, many more rounds (FAULT_ROUNDS, 200)
	@tools/run-tests fault

fuzz: fuzzers ## fuzz each target for FUZZ_SECONDS (600)
	@tools/run-tests fuzz

bench: test-deps all bench-programs ## side by side with redis-server: prints the table, writes JSON
	@tests/bench/bench

asan: ## all suites under AddressSanitizer and UBSan
	@tools/run-tests asan

tsan: ## all suites under ThreadSanitizer
	@tools/run-tests tsan

tidy: ## the rules of the house that a machine can check
	@tools/tidy

analyze: ## clang's thread-safety analysis and clang-tidy
	@tools/install-packages analyze
	@tools/analyze

clean: ## remove everything that was built
	rm -rf build weir weir.new weirctl weirctl.new

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
		sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 12

deps:
	@tools/install-packages build

test-deps: deps
	@tools/install-packages test

weir weirctl: %: build/release/% FORCE
	@cmp -s $< $@ || { cp $< $@.new && mv -f $@.new $@; }

$(B)/weirctl: $(B)/tools/weirctl.o $(B)/libweir.a
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_WHOLE) -o $@ $^ $(LIBS)

$(B)/weir: $(B)/proxy/main.o $(B)/libweir.a
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_WHOLE) -o $@ $^ $(LIBS)

$(B)/libweir.a: $(OBJ)
	@rm -f $@
	@echo "  AR $@"
	$(Q)ar qcs $@ $^

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Rebuild when the compiler or its flags change.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' > $@

bench-programs: $(BENCH)

units: $(UNIT) ## build the unit, contract and fault test programs of KIND

# A test may put functions of its own in the place of the library's: the first definition counts.
$(B)/tests/%_test: $(B)/tests/%_test.o $(SUPPORT) $(B)/libweir.a
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_FILES) -Wl,-z,muldefs -o $@ $^ -lcmocka $(LIBS)

build/release/tests/bench/%: build/release/tests/bench/%.o build/release/libweir.a
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_FILES) -o $@ $^ $(LIBS)

fuzzers:
	@$(MAKE) --no-print-directory KIND=fuzz fuzz-programs

fuzz-programs: $(FUZZ)

build/fuzz/bin/%: build/fuzz/tests/fuzz/%.o build/fuzz/libweir.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)clang $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

# For tools/analyze: how sources are compiled.
print-flags:
	@echo '$(ALL_CFLAGS)'

.SECONDARY:
-include $(OBJ:.o=.d) $(SUPPORT:.o=.d) $(B)/proxy/main.d $(B)/tools/weirctl.d $(UNIT:%=%.d) \
	$(BENCH:%=%.d)
-include $(wildcard build/fuzz/tests/fuzz/*.d)
