# Tests: unit tests are Criterion programs, one per tested file; integration tests drive the built
# program on real containers.
UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(OBJ)/tests/%)

$(OBJ)/tests/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(filter-out -include base/banned.h,$(CPPFLAGS)) -Itests/unit $(CFLAGS_ALL) -Wno-missing-prototypes -Wno-null-dereference \
		-MMD -MP -MF $@.d -o $@ $< $(LIB) $(LDFLAGS_ALL) -lcriterion \
		$(CLIENT_LIBS) $(KEEPER_LIBS)

-include $(UNIT_BINS:=.d)

.PHONY: unit
unit: $(UNIT_BINS)
	tests/run-unit $(UNIT_BINS)
