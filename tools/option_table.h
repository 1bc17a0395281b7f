/* option_table.h: the options of a program as a table, for those who parse them (options.h) and those who list them
 * (completions.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_OPTION_TABLE_H
#define CLKV_TOOLS_OPTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_HEADING, /* no option: `help` is a line of its own above those that follow */
    OPTION_FLAG,    /* value: int, set to 1; no argument */
    OPTION_U32,     /* value: uint32_t in [min, max]; max 0 = no upper limit of its own */
    OPTION_U64,     /* value: uint64_t, likewise */
    OPTION_SIZE,    /* value: uint64_t in bytes, likewise: 4096, 512M, 2G, 1.5GiB; K M G T are powers of 1024 */
    OPTION_REAL,    /* value: double, finite, in [real_min, real_max]; both 0 = no limits */
    OPTION_TEXT,    /* value: const char *; the pointer into argv, never empty */
    OPTION_TEXTS,   /* value: option_texts; each time the option is given adds one, which may be empty */
    OPTION_CHOICE,  /* value: int, the index in `choices` */
} option_kind;

/* Pointers into argv, in their order; the array is the caller's to free. */
typedef struct option_texts {
    const char **items;
    size_t n;
} option_texts;

typedef struct option_def {
    const char *name;     /* without the dashes */
    option_kind kind;
    const char *argument; /* what --help calls the argument; NULL for flags; choices need none. Where it is FILE, shells
                             complete the names of files */
    const char *help;     /* a sentence or two, wrapped by --help; the default is added where there is one */
    void *value;
    uint64_t min, max;
    double real_min, real_max;
    const char *const *choices; /* ends with NULL; of an OPTION_TEXT: what shells offer, and others may be given too */
    int *given;           /* may be NULL: set to 1 when the option is there */
    const char *absent;   /* may be NULL: what --help shows as the default in place of the value; "" = nothing */
} option_def;

typedef struct option_set option_set;

/* A command of a program that has several, with options of its own. */
typedef struct option_command {
    const char *name, *help;
    const option_set *options;
} option_command;

struct option_set {
    const char *operands; /* for the usage line: "TRACE", "FILE…"; "" = none; others than commands are files */
    const char *about;    /* what the tool does: first lines of --help */
    const option_def *table;
    size_t n;
    int min_operands, max_operands; /* max −1 = any number */
    const char *epilogue; /* last lines of --help; may be NULL */
    const option_command *commands; /* [n_commands] of the program; they are operands */
    size_t n_commands;
    int of_command;       /* the options are those of a command: --completions is the program's alone */
};

#endif
