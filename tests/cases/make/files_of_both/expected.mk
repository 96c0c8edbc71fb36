SOURCES := main.c cart.c tax.c
all: $(SOURCES)
