SOURCES := main.c tax.c
all: $(SOURCES)
