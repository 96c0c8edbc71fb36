SOURCES := main.c cart.c
all: $(SOURCES)
