/* options.h: a tool's command line as a table: parsing, range checks and --help come from one place.
 *
 *   static uint32_t blocks = 1024;
 *   static const option_def table[] = {
 *       { "blocks", OPTION_U32, "N", "blocks in the pool", &blocks, .min = 1, .max = UINT32_MAX },
 *       { "json", OPTION_FLAG, NULL, "print JSON", &json },
 *   };
 *   static const option_set set = { "TRACE", "Replays a trace.", table, 2, .min_operands = 1, .max_operands = 1 };
 *   int done = options_parse(&set, argc, argv, &first);
 *   if (done >= 0) return done;
 *
 * --help and --version are added to every table. Defaults are what the variables hold before parsing; --help
 * shows them. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_OPTIONS_H
#define CLKV_TOOLS_OPTIONS_H

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
    const char *argument; /* what --help calls the argument; NULL for flags; choices need none */
    const char *help;     /* a sentence or two, wrapped by --help; the default is added where there is one */
    void *value;
    uint64_t min, max;
    double real_min, real_max;
    const char *const *choices; /* ends with NULL */
    int *given;           /* may be NULL: set to 1 when the option is there */
    const char *absent;   /* may be NULL: what --help shows as the default in place of the value; "" = nothing */
} option_def;

typedef struct option_set {
    const char *operands; /* for the usage line: "TRACE", "FILE…"; "" = none */
    const char *about;    /* what the tool does: first lines of --help */
    const option_def *table;
    size_t n;
    int min_operands, max_operands; /* max −1 = any number */
    const char *epilogue; /* last lines of --help; may be NULL */
} option_set;

/* Returns −1 when the tool should go on, else the code to exit with: EXIT_GOOD after --help or --version,
 * EXIT_USAGE after a message that names the option and the value. argv is permuted: the operands are
 * argv[*first … argc). Sets tool_name(). */
int options_parse(const option_set *set, int argc, char **argv, int *first);

/* The parsers alone, for tools that read numbers elsewhere too (lists, files). The whole text must be the
 * number. 0 = good; −1 = not a number, or out of [min, max] (max 0 = no limit); *out is untouched then. */
int options_read_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);
int options_read_size(const char *text, uint64_t min, uint64_t max, uint64_t *out);
int options_read_real(const char *text, double *out);

#endif
