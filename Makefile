# lxc-exec: `make` builds build/lxc-exec, which runs from the tree; `make help` lists the targets.
CC ?= gcc
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/lxc-exec
DATADIR ?= $(PREFIX)/share/lxc-exec
MANDIR ?= $(PREFIX)/share/man
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
SYSCONFDIR ?= /etc
SYSTEMDUNITDIR ?= $(PREFIX)/lib/systemd/system

VERSION := 0.1.0
VARIANT ?= release
ifeq ($(VARIANT),release)
OUT := build
else
OUT := build/$(VARIANT)
endif
OBJ := build/$(VARIANT)/obj

WARN := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef \
	-Wswitch-enum -Wconversion -Wno-sign-conversion -Wnull-dereference
ifdef WERROR
WARN += -Werror
LDFLAGS += -Wl,--fatal-warnings
endif
CPPFLAGS += -D_GNU_SOURCE -iquote src -include base/banned.h -DLXE_VERSION='"$(VERSION)"' \
	-DLXE_LIBEXECDIR='"$(LIBEXECDIR)"' -DLXE_DATADIR='"$(DATADIR)"' \
	-DLXE_SYSCONFDIR='"$(SYSCONFDIR)"'
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
CFLAGS_cover := -O0 -g --coverage
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_cover := --coverage
CFLAGS_ALL = -std=gnu17 -fPIC -fvisibility=hidden $(WARN) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = -Wl,--as-needed $(LDFLAGS_$(VARIANT)) $(LDFLAGS)

# Small and static, because loading a library costs each run more than it does. The C library is mapped by others anyway.
CLIENT_LIBS := -l:libvterm.a -l:libiniparser.a -l:libjansson.a -lutil
NET_LIBS := -lmnl
KEEPER_LIBS := -llxc -lseccomp -l:libjansson.a -lutil

# Programs have their main file; everything else is one archive, of which each program takes what
# it needs (so the client links no liblxc and the keeper no iniparser).
MAINS := src/cli/main.c src/keeper/main.c
# The keeper's alone as well: it stands before the C library's.
GETUID_SRC := src/container/getuid.c
INIT_SRC := src/container/init/init.c
SCOPE_SRC := src/cgroup/scope/scope.c
NET_SRC := src/network/helper/helper.c
SRCS := $(filter-out $(MAINS) $(GETUID_SRC) $(INIT_SRC),$(sort $(wildcard src/*/*.c)))
OBJS := $(SRCS:src/%.c=$(OBJ)/%.o)
LIB := $(OBJ)/liblxe.a
PROGS := $(OUT)/lxc-exec $(OUT)/lxc-exec-keeper $(OUT)/lxc-exec-init $(OUT)/lxc-exec-scope \
	$(OUT)/lxc-exec-net
LINKS := $(OUT)/lxc-templates $(OUT)/conf
SONAME := liblxc-exec.so.0
SHARED := $(OUT)/$(SONAME)

.PHONY: all
all: $(PROGS) $(LINKS) $(SHARED)

# The installation's paths are compiled in: other paths, other objects.
FLAGS_STAMP := $(OBJ)/flags
$(shell mkdir -p $(OBJ); echo '$(CPPFLAGS)' | cmp -s - $(FLAGS_STAMP) || \
	echo '$(CPPFLAGS)' >$(FLAGS_STAMP))

$(OBJ)/%.o: src/%.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(OBJS)
	rm -f $@
	$(AR) rcs $@ $^

$(OUT)/lxc-exec: $(OBJ)/cli/main.o $(LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $^ $(CLIENT_LIBS)

$(OUT)/lxc-exec-keeper: $(OBJ)/keeper/main.o $(GETUID_SRC:src/%.c=$(OBJ)/%.o) $(LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $^ $(KEEPER_LIBS)

# The public library: the API's objects, and of the archive what they need. Its symbols are what the
# map lists; the client does not use it.
API_OBJS := $(addprefix $(OBJ)/client/,api.o api_handle.o api_make.o api_process.o api_sandbox.o \
	api_again.o api_aside.o api_changes.o)
LIB_MAP := src/client/lxc-exec.map

$(SHARED): $(LIB) $(LIB_MAP)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -shared -Wl,-soname,$(SONAME) \
		-Wl,--version-script=$(LIB_MAP) -Wl,--gc-sections -o $@ $(API_OBJS) $(LIB) \
		-liniparser -ljansson

# pid 1 of every sandbox: static and without a C library, so that it starts in any root filesystem.
$(OUT)/lxc-exec-init: $(INIT_SRC) $(wildcard src/container/init/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -Os -ffreestanding -fno-stack-protector -fno-pie -nostdlib -static -iquote src \
		-Wl,--build-id=none -Wl,-z,noseparate-code -s -o $@ $<

$(OUT)/lxc-exec-scope: $(OBJ)/cgroup/scope/scope.o $(LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $^ -lsystemd

$(OUT)/lxc-exec-net: $(OBJ)/network/helper/helper.o $(LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $^ $(NET_LIBS)

# From the tree, templates and profiles are found beside the program, as they are when installed.
$(LINKS): $(OUT)/%:
	@mkdir -p $(@D)
	ln -sfn $(CURDIR)/$* $@

-include $(OBJS:.o=.d) $(MAINS:src/%.c=$(OBJ)/%.d) $(SCOPE_SRC:src/%.c=$(OBJ)/%.d) \
	$(NET_SRC:src/%.c=$(OBJ)/%.d) $(GETUID_SRC:src/%.c=$(OBJ)/%.d)

.PHONY: help
help:
	@echo 'make              build/lxc-exec, which runs from the tree'
	@echo 'make install      with PREFIX, DESTDIR'
	@echo 'make test         everything, as CI does; unit, integration, asan, check: parts of it'
	@echo 'make sweep        runs killed at random moments (SEED, COUNT; LIVES of named ones, NETWORKED, STORED)'
	@echo 'make faultsweep   the n-th system call of a life fails (SEED, POINTS)'
	@echo 'make netfaults    the same in the program that makes a network (SEED, COUNT)'
	@echo 'make crowd        200 sandboxes with a network at once (CROWD)'
	@echo 'make cover        which lines of src the tests execute (COVER: unit, integration)'
	@echo 'make compdb       compile_commands.json, for editors'
	@echo 'make fuzz bench man clean'

include tests/tests.mk
include docs/docs.mk

.PHONY: install install-library
install-library: all
	install -D -m 755 build/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sfn $(SONAME) $(DESTDIR)$(LIBDIR)/liblxc-exec.so
	install -D -m 644 src/include/lxc-exec.h $(DESTDIR)$(INCLUDEDIR)/lxc-exec.h
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		src/client/lxc-exec.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/lxc-exec.pc

install: all install-library
	install -D -m 755 build/lxc-exec $(DESTDIR)$(BINDIR)/lxc-exec
	install -D -m 755 build/lxc-exec-keeper $(DESTDIR)$(LIBEXECDIR)/lxc-exec-keeper
	install -D -m 755 build/lxc-exec-init $(DESTDIR)$(LIBEXECDIR)/lxc-exec-init
	install -D -m 755 build/lxc-exec-scope $(DESTDIR)$(LIBEXECDIR)/lxc-exec-scope
	install -D -m 755 build/lxc-exec-net $(DESTDIR)$(LIBEXECDIR)/lxc-exec-net
	install -d $(DESTDIR)$(DATADIR)/lxc-templates $(DESTDIR)$(DATADIR)/conf
	install -m 755 lxc-templates/lxc-* $(DESTDIR)$(DATADIR)/lxc-templates/
	install -m 644 conf/*.conf $(DESTDIR)$(DATADIR)/conf/

install: install-units
.PHONY: install-units
install-units:
	install -d $(DESTDIR)$(SYSTEMDUNITDIR)
	install -m 644 conf/systemd/lxc-exec.service conf/systemd/lxc-exec-gc.* \
		$(DESTDIR)$(SYSTEMDUNITDIR)/
	sed -i 's|@BINDIR@|$(BINDIR)|' $(DESTDIR)$(SYSTEMDUNITDIR)/lxc-exec-gc.service

.PHONY: clean
clean:
	rm -rf build
