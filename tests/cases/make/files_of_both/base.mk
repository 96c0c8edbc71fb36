SOURCES := main.c
all: $(SOURCES)
