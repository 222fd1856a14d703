# Manual pages: their option, verb and key lists come from the tables that the program uses.
GENMAN := $(OBJ)/genman
MAN_PAGES := build/man/lxc-exec.1 build/man/lxc-exec.3 build/man/lxc-exec.conf.5

.PHONY: man
man: $(MAN_PAGES)

$(GENMAN): scripts/genman.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(CLIENT_LIBS)

build/man/%: docs/man/%.in $(GENMAN)
	@mkdir -p $(@D)
	$(GENMAN) <$< >$@.new
	mv $@.new $@

-include $(GENMAN).d

.PHONY: check-man
check-man: $(MAN_PAGES)
	mandoc -T lint -W warning $(MAN_PAGES)

check: check-man

.PHONY: install-man
install-man: $(MAN_PAGES)
	install -D -m 644 build/man/lxc-exec.1 $(DESTDIR)$(MANDIR)/man1/lxc-exec.1
	install -D -m 644 build/man/lxc-exec.3 $(DESTDIR)$(MANDIR)/man3/lxc-exec.3
	install -D -m 644 build/man/lxc-exec.conf.5 $(DESTDIR)$(MANDIR)/man5/lxc-exec.conf.5

install: install-man
