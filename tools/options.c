/* options.c: see options.h. SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "completions.h"
#include "exit.h"
#include "nearest.h"

#include <clkv/version.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 64, HELP_COLUMN = 24, HELP_WIDTH = 100, FIRST_VALUE = 256 };

/* What every program has: these follow the table's own options. A command leaves --completions to its program. */
static int completions_shell, completions_given;
static const option_def common[] = {
    { "help", OPTION_FLAG, NULL, "print this and exit" },
    { "version", OPTION_FLAG, NULL, "print the library's version and exit" },
    { "completions", OPTION_CHOICE, NULL, "print a script by which that shell completes the options, and exit",
      &completions_shell, .choices = completions_shells, .given = &completions_given, .absent = "" },
};
enum {
    COMMON = sizeof common / sizeof *common,
    FIRST_COMMON = FIRST_VALUE + MAX_OPTIONS,
    VALUE_HELP = FIRST_COMMON,
    VALUE_VERSION,
};

static size_t n_common(const option_set *set)
{
    return set->of_command ? COMMON - 1 : COMMON;
}

int options_read_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    if (*text < '0' || *text > '9') return -1; /* strtoull takes signs and spaces, and wraps negative numbers */
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end || v < min || (max && v > max)) return -1;
    *out = v;
    return 0;
}

int options_read_real(const char *text, double *out)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v)) return -1;
    *out = v;
    return 0;
}

/* The power of two that a suffix stands for, −1 for none that is known: "", K, KB, KiB … */
static int suffix_shift(const char *s)
{
    static const char letters[] = "KMGT";
    if (!*s || !strcmp(s, "B")) return 0;
    const char *at = strchr(letters, *s >= 'a' ? *s - 'a' + 'A' : *s);
    if (!at) return -1;
    if (s[1] && strcmp(s + 1, "B") && strcmp(s + 1, "iB")) return -1;
    return 10 * (int)(at - letters + 1);
}

int options_read_size(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    if (*text < '0' || *text > '9') return -1;
    char *end;
    errno = 0;
    uint64_t whole = strtoull(text, &end, 10);
    double fraction = 0;
    if (errno) return -1;
    if (*end == '.') fraction = strtod(end, &end);
    int shift = suffix_shift(end);
    if (shift < 0 || (shift && whole >> (64 - shift)) || !(fraction >= 0 && fraction < 1)) return -1;
    uint64_t v = (whole << shift) + (uint64_t)ldexp(fraction, shift);
    if (v < min || (max && v > max)) return -1;
    *out = v;
    return 0;
}

static int choice_of(const option_def *o, const char *text)
{
    for (int i = 0; o->choices[i]; i++)
        if (!strcmp(text, o->choices[i])) return i;
    return -1;
}

/* 0 = none but that of 64 bits. */
static uint64_t upper_limit(const option_def *o)
{
    return o->kind == OPTION_U32 && (!o->max || o->max > UINT32_MAX) ? UINT32_MAX : o->max;
}

/* "a whole number from 1 to 64", for the message. */
static void describe(const option_def *o, char *buf, size_t n)
{
    uint64_t max = upper_limit(o);
    size_t at = 0;
    switch (o->kind) {
    case OPTION_U32:
    case OPTION_U64:
        if (max) snprintf(buf, n, "a whole number from %" PRIu64 " to %" PRIu64, o->min, max);
        else snprintf(buf, n, "a whole number from %" PRIu64, o->min);
        break;
    case OPTION_SIZE:
        snprintf(buf, n, "a size such as 4096, 512M or 2G, at least %" PRIu64 " bytes", o->min);
        break;
    case OPTION_REAL:
        if (o->real_min < o->real_max) snprintf(buf, n, "a number from %g to %g", o->real_min, o->real_max);
        else snprintf(buf, n, "a number");
        break;
    case OPTION_CHOICE:
        at = (size_t)snprintf(buf, n, "one of");
        for (int i = 0; o->choices[i] && at < n; i++)
            at += (size_t)snprintf(buf + at, n - at, "%s %s", i ? "," : "", o->choices[i]);
        break;
    case OPTION_TEXTS: snprintf(buf, n, "what there is memory for"); break;
    default: snprintf(buf, n, "allowed: it must not be empty"); break;
    }
}

/* Arrays of 1, 2, 4, 8 … items; 0 = good. */
static int add_text(option_texts *texts, const char *text)
{
    if (!(texts->n & (texts->n - 1))) {
        const char **items = realloc(texts->items, (texts->n ? 2 * texts->n : 1) * sizeof *items);
        if (!items) return -1;
        texts->items = items;
    }
    texts->items[texts->n++] = text;
    return 0;
}

/* Parses one argument into its variable; 0 = good. */
static int store(const option_def *o, const char *text)
{
    uint64_t u = 0;
    double real;
    int choice;
    switch (o->kind) {
    case OPTION_FLAG: *(int *)o->value = 1; return 0;
    case OPTION_U32:
        if (options_read_u64(text, o->min, upper_limit(o), &u)) return -1;
        *(uint32_t *)o->value = (uint32_t)u;
        return 0;
    case OPTION_U64: return options_read_u64(text, o->min, o->max, o->value);
    case OPTION_SIZE: return options_read_size(text, o->min, o->max, o->value);
    case OPTION_REAL:
        if (options_read_real(text, &real)) return -1;
        if (o->real_min < o->real_max && (real < o->real_min || real > o->real_max)) return -1;
        *(double *)o->value = real;
        return 0;
    case OPTION_TEXT: *(const char **)o->value = text; return *text ? 0 : -1;
    case OPTION_TEXTS: return add_text(o->value, text);
    case OPTION_CHOICE:
        choice = choice_of(o, text);
        if (choice < 0) return -1;
        *(int *)o->value = choice;
        return 0;
    default: return -1;
    }
}

/* The default as --help shows it; "" for none. */
static void show_default(const option_def *o, char *buf, size_t n)
{
    static const struct {
        int shift;
        char letter;
    } units[] = { { 40, 'T' }, { 30, 'G' }, { 20, 'M' }, { 10, 'K' } };
    uint64_t bytes;
    *buf = 0;
    if (o->absent) {
        snprintf(buf, n, "%s", o->absent);
        return;
    }
    switch (o->kind) {
    case OPTION_U32: snprintf(buf, n, "%" PRIu32, *(const uint32_t *)o->value); break;
    case OPTION_U64: snprintf(buf, n, "%" PRIu64, *(const uint64_t *)o->value); break;
    case OPTION_SIZE:
        bytes = *(const uint64_t *)o->value;
        snprintf(buf, n, "%" PRIu64, bytes);
        for (size_t i = 0; bytes && i < sizeof units / sizeof *units; i++) {
            if (bytes & ((UINT64_C(1) << units[i].shift) - 1)) continue;
            snprintf(buf, n, "%" PRIu64 "%c", bytes >> units[i].shift, units[i].letter);
            break;
        }
        break;
    case OPTION_REAL: snprintf(buf, n, "%g", *(const double *)o->value); break;
    case OPTION_TEXT:
        if (*(const char *const *)o->value) snprintf(buf, n, "%s", *(const char *const *)o->value);
        break;
    case OPTION_CHOICE: snprintf(buf, n, "%s", o->choices[*(const int *)o->value]); break;
    default: break;
    }
}

/* Prints words from column `at`, going on in column `indent` of the next line where they do not fit. */
static void print_wrapped(const char *text, int at, int indent)
{
    while (*text) {
        int width = 0, bytes = 0;
        for (; text[bytes] && text[bytes] != ' '; bytes++) width += (text[bytes] & 0xc0) != 0x80;
        if (at > indent && at + 1 + width > HELP_WIDTH) {
            output_printf(&output_out, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            output_text(&output_out, " ");
            at++;
        }
        output_printf(&output_out, "%.*s", bytes, text);
        at += width;
        text += bytes;
        while (*text == ' ') text++;
    }
    output_text(&output_out, "\n");
}

static void print_option(const char *name, const char *argument, const char *help, const char *value)
{
    char text[1024];
    int at = output_printf(&output_out, "  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
    if (at > HELP_COLUMN - 2) {
        output_text(&output_out, "\n");
        at = 0;
    }
    output_printf(&output_out, "%*s", HELP_COLUMN - at, "");
    snprintf(text, sizeof text, "%s%s%s%s", help, *value ? " (default " : "", value, *value ? ")" : "");
    print_wrapped(text, HELP_COLUMN, HELP_COLUMN);
}

static void print_table_option(const option_def *o)
{
    char choices[128] = "", value[128];
    for (int c = 0; o->kind == OPTION_CHOICE && o->choices[c]; c++) {
        if (c) strncat(choices, "|", sizeof choices - strlen(choices) - 1);
        strncat(choices, o->choices[c], sizeof choices - strlen(choices) - 1);
    }
    show_default(o, value, sizeof value);
    print_option(o->name, *choices ? choices : o->argument, o->help, value);
}

static void print_help(const option_set *set)
{
    /* A command comes first, since the options are its own. */
    output_printf(&output_out, "Usage: %s%s%s%s%s\n\n%s\n\n", tool_name(), set->n_commands ? " " : " [OPTION…]",
                  set->n_commands ? set->operands : *set->operands ? " " : "",
                  set->n_commands ? "" : set->operands, set->n_commands ? " [OPTION…]" : "", set->about);
    for (size_t i = 0; i < set->n; i++) {
        const option_def *o = &set->table[i];
        if (o->kind == OPTION_HEADING) output_printf(&output_out, "%s%s\n", i ? "\n" : "", o->help);
        else print_table_option(o);
    }
    if (set->n_commands) output_text(&output_out, "Commands:\n");
    for (size_t i = 0; i < set->n_commands; i++)
        output_printf(&output_out, "  %-10s %s\n", set->commands[i].name, set->commands[i].help);
    if (set->n_commands)
        output_printf(&output_out, "\n%s COMMAND --help lists the options of a command.\n\n", tool_name());
    for (size_t i = 0; i < n_common(set); i++) print_table_option(&common[i]);
    if (set->epilogue) output_printf(&output_out, "\n%s\n", set->epilogue);
    output_printf(&output_out, "\nExit status: 0 good, 1 a check failed, 2 usage or bad input, 3 no usable device.\n");
}

static void fill_long(const option_set *set, struct option *longs)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n + n_common(set); i++) {
        const option_def *o = i < set->n ? &set->table[i] : &common[i - set->n];
        const int value = i < set->n ? FIRST_VALUE + (int)i : FIRST_COMMON + (int)(i - set->n);
        if (o->kind == OPTION_HEADING || (i < set->n && i >= MAX_OPTIONS)) continue;
        longs[n++] = (struct option){ o->name, o->kind == OPTION_FLAG ? no_argument : required_argument, NULL, value };
    }
    longs[n] = (struct option){ 0 };
}

static int usage(const char *what, const char *which)
{
    return tool_fail(EXIT_USAGE, "%s%s (see %s --help)", what, which, tool_name());
}

/* ---- options that cannot be used as they were given ---- */

/* The element of argv at which getopt_long stopped. It steps behind an element when it is done with it, and stays
 * where letters of "-abc" are left. */
static const char *stopped_at(int argc, char **argv)
{
    const char *before = argv[optind - 1], *here = optind < argc ? argv[optind] : "";
    const int is_letter = optopt && optopt < FIRST_VALUE;
    return is_letter && !(before[0] == '-' && before[1] == optopt && !before[2]) && here[0] == '-' ? here : before;
}

/* Names of options that begin with these `bytes`, "--prompt, --prompts"; returns how many there are. *exact: one of
 * them is no longer than that. */
static int list_matches(const struct option *longs, const char *name, size_t bytes, char *buf, size_t n,
                        const struct option **exact)
{
    int matches = 0;
    size_t at = 0;
    *buf = 0;
    *exact = NULL;
    for (; longs->name; longs++) {
        if (strncmp(longs->name, name, bytes)) continue;
        if (!matches++ || !longs->name[bytes]) *exact = longs;
        if (at < n) at += (size_t)snprintf(buf + at, n - at, "%s--%s", at ? ", " : "", longs->name);
    }
    return matches;
}

/* Says why getopt_long did not take an option: it has no such name, or several, or takes no value. */
static int refuse(const struct option *longs, const char *given)
{
    char matching[256], shown[TOOL_SHOWN_BYTES];
    const struct option *one;
    const int is_long = given[0] == '-' && given[1] == '-';
    const char *name = is_long ? given + 2 : given + strspn(given, "-");
    const size_t bytes = strcspn(name, "=");
    tool_shown(given, strlen(given), shown);
    const int matches = is_long ? list_matches(longs, name, bytes, matching, sizeof matching, &one) : 0;
    if (matches == 1 || (matches && !one->name[bytes]))
        return tool_fail(EXIT_USAGE, "--%s takes no value, but %s gives it one", one->name, shown);
    if (matches)
        return tool_fail(EXIT_USAGE, "%s is ambiguous: %s (see %s --help)", shown, matching, tool_name());
    const char *nearest[MAX_OPTIONS + COMMON + 1];
    size_t n = 0;
    for (; longs[n].name; n++) nearest[n] = longs[n].name;
    const char *meant = nearest_word(name, bytes, nearest, n);
    if (meant)
        return tool_fail(EXIT_USAGE, "unknown option %s: did you mean --%s? (see %s --help)", shown, meant,
                         tool_name());
    return usage("unknown option ", shown);
}

/* "--steps needs a value: N, a whole number from 1 to 64". `given` stands where the value should. */
static int missing_value(const option_def *o, const char *given)
{
    char wanted[256], follows[TOOL_SHOWN_BYTES + 32] = "", shown[TOOL_SHOWN_BYTES];
    describe(o, wanted, sizeof wanted);
    if (given) snprintf(follows, sizeof follows, ", and %s follows", tool_shown(given, strlen(given), shown));
    if (o->kind == OPTION_TEXT || o->kind == OPTION_TEXTS)
        return tool_fail(EXIT_USAGE, "--%s needs a value: %s", o->name, o->argument);
    return tool_fail(EXIT_USAGE, "--%s needs a value, %s%s", o->name, wanted, follows);
}

/* The option of a value of struct option; NULL: that is a letter, or no value at all. */
static const option_def *option_of(const option_set *set, int value)
{
    if (value >= FIRST_COMMON && value < FIRST_COMMON + COMMON) return &common[value - FIRST_COMMON];
    return value >= FIRST_VALUE && value < FIRST_VALUE + (int)set->n ? &set->table[value - FIRST_VALUE] : NULL;
}

static int parse_one(const option_set *set, const struct option *longs, int value, int argc, char **argv)
{
    char wanted[256];
    const option_def *o = option_of(set, value == ':' ? optopt : value);
    /* The C libraries of macOS and Windows say ':' also of an option that takes no value and is given one. */
    if (!o || (value == ':' && o->kind == OPTION_FLAG)) return refuse(longs, stopped_at(argc, argv));
    if (value == ':') return missing_value(o, NULL);
    if (store(o, optarg)) {
        if (!strncmp(optarg, "--", 2)) return missing_value(o, optarg);
        describe(o, wanted, sizeof wanted);
        return tool_fail(EXIT_USAGE, "--%s: '%s' is not %s", o->name, optarg, wanted);
    }
    if (o->given) *o->given = 1;
    return -1;
}

int options_parse(const option_set *set, int argc, char **argv, int *first)
{
    struct option longs[MAX_OPTIONS + COMMON + 1];
    int value, done;

    tool_begin(argv[0]);
    fill_long(set, longs);
    completions_given = 0;
    opterr = 0;

    /* Help first and in a pass of its own, so that it shows the defaults and not what was parsed so far.
     * The '-' leaves argv in its order, which the second pass needs. */
    optind = 0;
    while ((value = getopt_long(argc, argv, "-:h", longs, NULL)) != -1) {
        if (value == 'h' || value == VALUE_HELP) {
            print_help(set);
            return tool_flush(&output_out);
        }
        if (value == VALUE_VERSION) {
            output_printf(&output_out, "%s %s\n", tool_name(), clkv_version());
            return tool_flush(&output_out);
        }
    }

    optind = 0;
    while ((value = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        done = parse_one(set, longs, value, argc, argv);
        if (done >= 0) return done;
    }
    if (completions_given) return completions_print(set, common, COMMON, completions_shell);
    if (argc - optind < set->min_operands) return usage("expected ", set->operands);
    if (set->max_operands >= 0 && argc - optind > set->max_operands)
        return usage("unexpected argument ", argv[optind + set->max_operands]);
    *first = optind;
    return -1;
}
