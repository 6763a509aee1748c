# One non-recursive file. `make help` lists the targets.
#
#   BUILD=dir         where everything goes (default build)
#   WERROR=1          warnings are errors
#   CROSS="a b"       besides, what a node runs, for these architectures (aarch64, ppc64le, x86_64)
#   SANITIZE=a,b      sanitizers for what is linked dynamically (makedist, client, unit tests)
#   FUZZ_SECONDS=30   how long `make fuzz` runs each target

BUILD     ?= build
CC        := gcc
STATIC_CC := musl-gcc
FUZZ_CC   := clang
OBJCOPY   := objcopy
PKG_CONFIG := pkg-config
MULTIARCH := $(shell gcc -print-multiarch)
VERSION   := 5.0.0

# Set by the rules for CROSS below, which run this file once more for an architecture of its own:
# with Debian's cross compiler, and headers and libraries from packages unpacked in SYSROOT.
ifneq ($(ARCH),)
SYSROOT   := $(abspath $(BUILD))/sysroot
MULTIARCH := $(ARCH:ppc64le=powerpc64le)-linux-gnu
CC        := $(MULTIARCH)-gcc --sysroot=$(SYSROOT)
STATIC_CC := $(MULTIARCH)-gcc -specs=$(BUILD)/musl.specs
OBJCOPY   := $(MULTIARCH)-objcopy
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
	PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(MULTIARCH)/pkgconfig pkg-config
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wwrite-strings -Wpointer-arith -Wcast-align \
	-Wcast-qual -Wformat=2 -Wundef -Wvla -Wnull-dereference -Wdouble-promotion -Wconversion \
	-Wsign-conversion -Wswitch-enum -Wimplicit-fallthrough -Wredundant-decls
ifneq ($(WERROR),)
WARNINGS += -Werror
endif

COMMON := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCVMFSEXEC_VERSION='"$(VERSION)"' -I. \
	$(WARNINGS) -MMD -MP

# Programs of the node that run before anything is unpacked: static, small, musl.
# The kernel's headers and zstd.h come from the system's directories, behind musl's own.
STATIC_CFLAGS  := $(COMMON) -Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	-idirafter $(SYSROOT)/usr/include -idirafter $(SYSROOT)/usr/include/$(MULTIARCH)
STATIC_LDFLAGS := -static -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,--build-id=none -s

# Everything else: the system's libraries.
LIBRARIES := fuse3 libcurl sqlite3 libcrypto zlib
ifeq ($(ARCH),)
LIBRARIES += libelf libarchive libzstd libsolv libxml-2.0
endif
LIBRARY_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARIES))
NATIVE_CFLAGS  := $(COMMON) -O2 -g -fPIC -fstack-protector-strong $(LIBRARY_CFLAGS)
NATIVE_LDFLAGS := -Wl,-z,relro -Wl,--as-needed -Wl,--hash-style=gnu
ifneq ($(SANITIZE),)
NATIVE_CFLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
NATIVE_LDFLAGS += -fsanitize=$(SANITIZE)
else
NATIVE_CFLAGS  += -D_FORTIFY_SOURCE=2
endif

PACKER_LIBS := -lelf -larchive -lzstd -lcrypto -lcurl -lsolvext -lsolv -lxml2 -lrpm -lrpmio
CLIENT_LIBS := -lfuse3 -lsqlite3 -lcrypto -lz -ldl -lpthread

# The rooms. A source file belongs to the archive of its folder, a main to its program.
BASE_SOURCES   := $(wildcard payload/base/*.c)
CONFIG_SOURCES := $(wildcard payload/config/*.c)
LAUNCH_SOURCES := $(wildcard payload/launch/*.c)
CONTAINER_SOURCES := $(wildcard payload/container/*.c)
CLIENT_SOURCES := $(filter-out payload/client/main.c payload/client/transfer.c,$(wildcard payload/client/*.c))
STUB_SOURCES   := $(filter-out stub/stub.c,$(wildcard stub/*.c))
PACKER_SOURCES := $(filter-out packer/makedist.c,$(wildcard packer/*.c))

static_objects = $(patsubst %.c,$(BUILD)/static/%.o,$(1))
native_objects = $(patsubst %.c,$(BUILD)/native/%.o,$(1))

LAUNCHERS := $(addprefix $(BUILD)/,cvmfsexec mountrepo umountrepo singcvmfs start)
PROGRAMS  := $(BUILD)/stub $(LAUNCHERS) $(BUILD)/makedist $(BUILD)/cvmfs2 \
	$(BUILD)/libcvmfsexec-transfer.so $(BUILD)/libcvmfsexec-name.so

# What runs on a node; what does not is makedist.
NODE_FILES := $(filter-out $(BUILD)/makedist,$(PROGRAMS))

all: $(PROGRAMS) $(CROSS:%=cross-%)

-include $(wildcard $(foreach room,static native,$(BUILD)/$(room)/*/*.d $(BUILD)/$(room)/*/*/*.d) $(BUILD)/tests/*.d)

.PHONY: all check unit e2e demo bench fuzz analyse format install uninstall clean help deps
.DELETE_ON_ERROR:
.SECONDARY:

help:
	@echo 'make            build everything into build/'
	@echo 'make CROSS="aarch64 ppc64le"   what nodes of these architectures run, too'
	@echo 'make demo       install what is missing, build, bundle, and run a job on a small repository'
	@echo 'make check      install what is missing, build, and run all tests'
	@echo 'make bench      measure, as ratios against the bare system'
	@echo 'make fuzz       run every fuzz target for a while (FUZZ_SECONDS=30 each)'
	@echo 'make analyse    static analysers'
	@echo 'make format     clang-format over all sources'
	@echo 'make install    DESTDIR and PREFIX as usual; make uninstall removes it'
	@echo 'make clean      remove build/'

$(BUILD)/static/%.o: %.c
	@mkdir -p $(@D)
	$(STATIC_CC) $(STATIC_CFLAGS) -c -o $@ $<

$(BUILD)/native/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(NATIVE_CFLAGS) -c -o $@ $<

archive = @mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

$(BUILD)/static/base.a: $(call static_objects,$(BASE_SOURCES))
	$(archive)
$(BUILD)/static/config.a: $(call static_objects,$(CONFIG_SOURCES))
	$(archive)
$(BUILD)/static/launch.a: $(call static_objects,$(LAUNCH_SOURCES))
	$(archive)
$(BUILD)/static/container.a: $(call static_objects,$(CONTAINER_SOURCES))
	$(archive)
$(BUILD)/static/stub.a: $(call static_objects,$(STUB_SOURCES))
	$(archive)
$(BUILD)/native/base.a: $(call native_objects,$(BASE_SOURCES))
	$(archive)
$(BUILD)/native/config.a: $(call native_objects,$(CONFIG_SOURCES))
	$(archive)
$(BUILD)/native/launch.a: $(call native_objects,$(LAUNCH_SOURCES))
	$(archive)
$(BUILD)/native/container.a: $(call native_objects,$(CONTAINER_SOURCES))
	$(archive)
$(BUILD)/native/stub.a: $(call native_objects,$(STUB_SOURCES))
	$(archive)
$(BUILD)/native/client.a: $(call native_objects,$(CLIENT_SOURCES))
	$(archive)
$(BUILD)/native/packer.a: $(call native_objects,$(PACKER_SOURCES))
	$(archive)

# Debian's libzstd without what the stub has no use for. Tables for unwinding C++ exceptions; and the
# decoders of formats from before 2016, which nothing can reach because unpack.c lets only frames
# of today's format pass: their names are given away here before the linker looks for them.
LEGACY_ZSTD := $(foreach v,v05 v06 v07, \
	$(addprefix ZSTD$(v)_,createDCtx freeDCtx decompress_usingDict findFrameSizeInfoLegacy \
		getFrameParams) \
	$(addprefix ZBUFF$(v)_,createDCtx freeDCtx decompressContinue decompressInitDictionary))
STUB_LDFLAGS := $(foreach name,$(LEGACY_ZSTD),-Wl,--defsym=$(name)=abort)

$(BUILD)/static/libzstd.a: $(shell $(CC) -print-file-name=libzstd.a)
	@mkdir -p $(@D)
	$(OBJCOPY) -R .eh_frame -R .rela.eh_frame $< $@

$(BUILD)/stub: $(BUILD)/static/stub/stub.o $(BUILD)/static/stub.a $(BUILD)/static/base.a \
		$(BUILD)/static/libzstd.a
	$(STATIC_CC) $(STATIC_LDFLAGS) $(STUB_LDFLAGS) -o $@ $^

$(LAUNCHERS): $(BUILD)/%: $(BUILD)/static/payload/%.o $(BUILD)/static/container.a \
		$(BUILD)/static/launch.a $(BUILD)/static/config.a $(BUILD)/static/base.a
	$(STATIC_CC) $(STATIC_LDFLAGS) -o $@ $^

$(BUILD)/makedist: $(BUILD)/native/packer/makedist.o $(BUILD)/native/packer.a \
		$(BUILD)/native/stub.a $(BUILD)/native/base.a
	$(CC) $(NATIVE_LDFLAGS) -o $@ $^ $(PACKER_LIBS)

$(BUILD)/cvmfs2: $(BUILD)/native/payload/client/main.o $(BUILD)/native/client.a \
		$(BUILD)/native/config.a $(BUILD)/native/base.a
	$(CC) $(NATIVE_LDFLAGS) -Wl,-rpath,'$$ORIGIN' -o $@ $^ $(CLIENT_LIBS)

# The only part of the client that needs libcurl and its thirty libraries: loaded when the first
# object has to be fetched, so that a start from a full cache never pays for them.
$(BUILD)/libcvmfsexec-transfer.so: $(BUILD)/native/payload/client/transfer.o
	$(CC) $(NATIVE_LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^ -lcurl

# Preloaded into programs of any glibc: it needs none itself.
$(BUILD)/libcvmfsexec-name.so: payload/name.c
	@mkdir -p $(@D)
	$(CC) $(COMMON) -Os -fPIC -ffreestanding -fno-stack-protector -nostdlib -shared -s \
		-Wl,-soname,$(@F) -Wl,-z,noseparate-code -Wl,--build-id=none -o $@ $<

# For other architectures: $(BUILD)/ARCH has what $(BUILD) has for this one, and lib and fuse2fs, which
# makedist takes from the system here. The specs of Debian's musl have the places of an installation.
.PHONY: $(CROSS:%=cross-%) cross
$(CROSS:%=cross-%): cross-%: $(BUILD)/%/sysroot/complete
	+$(MAKE) --no-print-directory ARCH=$* BUILD=$(BUILD)/$* CROSS= SANITIZE= cross

$(CROSS:%=$(BUILD)/%/sysroot/complete): $(BUILD)/%/sysroot/complete: scripts/sysroot
	scripts/sysroot fetch $* $(@D)

ifneq ($(ARCH),)
cross: $(NODE_FILES) $(BUILD)/fuse2fs $(BUILD)/lib/complete

$(call static_objects,$(wildcard stub/*.c payload/*.c payload/*/*.c)): $(BUILD)/musl.specs
$(BUILD)/musl.specs: $(SYSROOT)/usr/lib/$(MULTIARCH:gnu=musl)/musl-gcc.specs
	sed 's, /usr/, $(SYSROOT)/usr/,g; s,-L/usr/,-L$(SYSROOT)/usr/,' $< >$@

$(BUILD)/fuse2fs: $(SYSROOT)/complete
	install $(SYSROOT)/usr/bin/fuse2fs $@

$(BUILD)/lib/complete: $(BUILD)/cvmfs2 $(BUILD)/libcvmfsexec-transfer.so $(BUILD)/fuse2fs
	scripts/sysroot libraries $(SYSROOT) $(@D) $^
	touch $@
endif

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%.t,$(wildcard tests/unit/test_*.c))
ARCHIVES   := $(addprefix $(BUILD)/native/,container.a launch.a client.a config.a packer.a \
	stub.a base.a)

link_test = $(CC) $(NATIVE_CFLAGS) -MF $(@:.t=.d) $(NATIVE_LDFLAGS) -o $@ $^ \
	$(CLIENT_LIBS) $(PACKER_LIBS)

$(BUILD)/tests/%.t: tests/unit/%.c $(ARCHIVES)
	@mkdir -p $(@D)
	$(link_test)

$(BUILD)/tests/test_transfer.t: | $(BUILD)/libcvmfsexec-transfer.so

# Fuzz targets: `make check` replays their corpora, `make fuzz` looks for more.
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz_%.t)
FUZZ_SECONDS ?= 30

$(BUILD)/tests/replay_%.o: tests/fuzz/replay.c
	@mkdir -p $(@D)
	$(CC) $(NATIVE_CFLAGS) -DREPLAY_CORPUS='"tests/fuzz/corpus/$*"' -c -o $@ $<

$(BUILD)/tests/fuzz_%.t: tests/fuzz/fuzz_%.c $(BUILD)/tests/replay_%.o $(ARCHIVES)
	$(link_test)

FUZZ_SOURCES := $(BASE_SOURCES) $(CONFIG_SOURCES) $(LAUNCH_SOURCES) $(CONTAINER_SOURCES) \
	$(CLIENT_SOURCES) $(STUB_SOURCES) $(PACKER_SOURCES)
FUZZ_CFLAGS  := $(filter-out $(WARNINGS),$(COMMON)) $(LIBRARY_CFLAGS) -O1 -g \
	-fno-omit-frame-pointer

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

$(BUILD)/fuzz/all.a: $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/%.o)
	$(archive)

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/all.a
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(CLIENT_LIBS) $(PACKER_LIBS)

fuzz: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%)
	@set -e; for target in $(FUZZ_TARGETS); do \
		found=$(BUILD)/fuzz/found/$$target; mkdir -p $$found; \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		$(BUILD)/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/$$target- \
			$$found tests/fuzz/corpus/$$target; \
	done

# What end-to-end tests need besides: a stand-in for the official client, with its libraries; the
# smallest program that does what a start cannot do without; the packer's downloads on a command line.
TEST_HELPERS := $(addprefix $(BUILD)/,official/cvmfs2 official/libcvmfs_fuse3_stub.so \
	official/libcvmfs_fuse3_private.so.1 helpers/bare_start helpers/downloads)

$(BUILD)/official/cvmfs2: $(BUILD)/native/tests/official/program.o
	@mkdir -p $(@D)
	$(CC) $(NATIVE_LDFLAGS) -o $@ $^ -ldl
$(BUILD)/official/libcvmfs_fuse3_private.so.1: $(BUILD)/native/tests/official/private.o
	@mkdir -p $(@D)
	$(CC) $(NATIVE_LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^
$(BUILD)/official/libcvmfs_fuse3_stub.so: $(addprefix $(BUILD)/native/tests/official/, \
		client.o cache_manager.o watchdog.o file_system.o) \
		$(BUILD)/official/libcvmfs_fuse3_private.so.1
	$(CC) $(NATIVE_LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^ -lfuse3 -lpthread
$(BUILD)/helpers/%: $(BUILD)/static/tests/helpers/%.o
	@mkdir -p $(@D)
	$(STATIC_CC) $(STATIC_LDFLAGS) -o $@ $^
$(BUILD)/helpers/downloads: $(BUILD)/native/tests/helpers/downloads.o $(BUILD)/native/packer.a \
		$(BUILD)/native/base.a
	@mkdir -p $(@D)
	$(CC) $(NATIVE_LDFLAGS) -o $@ $^ $(PACKER_LIBS)

# Tests. Unit tests are programs, end-to-end tests are scripts; both speak TAP.
E2E_TESTS := $(wildcard tests/e2e/*.t)
PROVE     := CVMFSEXEC_BUILD="$(abspath $(BUILD))" prove --timer --failures --merge

deps:
	@scripts/install-deps

unit: $(UNIT_TESTS) $(FUZZ_REPLAYS)
	$(PROVE) $(UNIT_TESTS) $(FUZZ_REPLAYS)

e2e: all $(TEST_HELPERS)
	$(PROVE) $(E2E_TESTS)

check: deps
	@$(MAKE) --no-print-directory all tests-built
	$(PROVE) $(UNIT_TESTS) $(FUZZ_REPLAYS) $(E2E_TESTS)

.PHONY: tests-built
tests-built: $(UNIT_TESTS) $(FUZZ_REPLAYS) $(TEST_HELPERS)

demo: deps
	@$(MAKE) --no-print-directory all
	@CVMFSEXEC_BUILD="$(abspath $(BUILD))" scripts/demo

# What measures is small and without a language of its own to start.
BENCH_HELPERS := $(addprefix $(BUILD)/bench/,readfiles spawn)

$(BUILD)/bench/%: $(BUILD)/native/tests/bench/%.o $(BUILD)/native/base.a
	@mkdir -p $(@D)
	$(CC) $(NATIVE_LDFLAGS) -o $@ $^

bench: all $(BENCH_HELPERS)
	@CVMFSEXEC_BUILD="$(abspath $(BUILD))" scripts/bench

# Some checkers are off because they are about style, some because they do not know that a variable
# can release itself (payload/base/scope.h), the rest because they look at one file at a time and
# expect of every function in another one that it returned success without doing its work.
TIDY_CHECKS := -*,bugprone-*,clang-analyzer-*,misc-redundant-expression,performance-*
TIDY_CHECKS := $(TIDY_CHECKS),-bugprone-easily-swappable-parameters
TIDY_CHECKS := $(TIDY_CHECKS),-bugprone-implicit-widening-of-multiplication-result
TIDY_CHECKS := $(TIDY_CHECKS),-bugprone-not-null-terminated-result,-performance-no-int-to-ptr
TIDY_CHECKS := $(TIDY_CHECKS),-clang-analyzer-unix.Malloc,-clang-analyzer-valist.*
TIDY_CHECKS := $(TIDY_CHECKS),-clang-analyzer-core.*,-clang-analyzer-optin.portability.UnixAPI
TIDY_CHECKS := $(TIDY_CHECKS),-clang-analyzer-security.insecureAPI.*

ANALYSED := $(wildcard stub/*.c packer/*.c payload/*.c payload/*/*.c)

analyse:
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
		-D_GNU_SOURCE -I. --suppress=missingIncludeSystem --suppress=memleak \
		--suppress=autoVariables --suppress=uninitvar -j $(shell nproc) stub packer payload
	printf '%s\n' $(ANALYSED) | xargs -P $(shell nproc) -I '{}' clang-tidy --quiet \
		--warnings-as-errors='*' --checks='$(TIDY_CHECKS)' '{}' -- \
		$(filter-out $(WARNINGS) -MMD -MP,$(COMMON)) $(LIBRARY_CFLAGS)

format:
	clang-format -i $(wildcard */*.[ch] */*/*.[ch])

# makedist looks for what it packs beside itself and in libexec (packer/companion.c).
PREFIX      ?= /usr/local
INSTALLED   := $(DESTDIR)$(PREFIX)
LIBEXEC     := $(INSTALLED)/libexec/cvmfsexec
MANUALS     := $(wildcard packer/*.1 payload/*.1 payload/*/*.1)
COMPLETIONS := $(addprefix $(INSTALLED)/share/bash-completion/completions/, \
	makedist cvmfsexec mountrepo umountrepo singcvmfs)

install: all
	install -D -t $(INSTALLED)/bin $(BUILD)/makedist
	install -D -t $(LIBEXEC) $(NODE_FILES)
	set -e; for arch in $(CROSS); do \
		install -D -t $(LIBEXEC)/$$arch $(NODE_FILES:$(BUILD)/%=$(BUILD)/$$arch/%) $(BUILD)/$$arch/fuse2fs; \
		install -D -t $(LIBEXEC)/$$arch/lib $(BUILD)/$$arch/lib/*.so*; \
	done
	install -D -m 644 -t $(INSTALLED)/share/man/man1 $(MANUALS)
	set -e; for file in $(COMPLETIONS); do install -D -m 644 payload/completion.bash $$file; done

uninstall:
	rm -f $(INSTALLED)/bin/makedist $(COMPLETIONS) \
		$(addprefix $(INSTALLED)/share/man/man1/,$(notdir $(MANUALS)))
	rm -rf $(LIBEXEC)

clean:
	rm -rf $(BUILD)
