/* case.c: a case as a line. SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const scores_names[SCORES_KINDS] = {"random", "low",   "high",  "peak", "first", "last", "tail",
                                                       "none",   "equal", "tiny", "large", "zero", "odd"};
static const char *const rest_names[REST_KINDS] = {"nan", "inf", "-inf", "largest"};

static const test_case case_defaults = {
    .variant = "any",
    .head_dim = 64, .head_dim_v = 64,
    .heads = 8, .kv_heads = 2,
    .block_size = 16,
    .k_f16 = 1, .v_f16 = 1,
    .slabs = 1,
    .layers = 2, .layer = 1,
    .seed = 1,
};

static const char *type_name(int f16)
{
    return f16 ? "f16" : "f32";
}

void case_format(const test_case *c, char line[CASE_LINE])
{
    int n = snprintf(line, CASE_LINE,
                     "variant=%s dim=%u/%u heads=%u/%u block=%u kv=%s/%s in=%s out=%s causal=%d split=%u parts=%u "
                     "slabs=%u layers=%u/%u scale=%.9g lse=%d scores=%s rest=%s seed=%u batch=",
                     c->variant, c->head_dim, c->head_dim_v, c->heads, c->kv_heads, c->block_size,
                     type_name(c->k_f16), type_name(c->v_f16), type_name(c->in_f16), type_name(c->out_f16), !c->non_causal,
                     c->split_tokens, c->parts, c->slabs, c->layers, c->layer, (double)c->scale, !c->no_lse,
                     scores_names[c->scores], rest_names[c->rest], c->seed);
    for (uint32_t i = 0; i < c->n && n < CASE_LINE; i++) {
        const case_entry *e = &c->entries[i];
        n += snprintf(line + n, (size_t)(CASE_LINE - n), "%s%u:%u", i ? "," : "", e->new_tokens, e->total);
        if (e->from && n < CASE_LINE)
            n += snprintf(line + n, (size_t)(CASE_LINE - n), "%c%u@%u", e->from, e->parent, e->shared);
    }
}

static int parse_entries(test_case *c, const char *s)
{
    for (c->n = 0; c->n < CASE_ENTRIES; c->n++) {
        case_entry *e = &c->entries[c->n];
        int used = 0;
        if (sscanf(s, "%u:%u%n", &e->new_tokens, &e->total, &used) < 2) return 0;
        s += used;
        if (*s == '<' || *s == '=') {
            e->from = *s;
            if (sscanf(s + 1, "%u@%u%n", &e->parent, &e->shared, &used) < 2 || e->parent >= c->n) return 0;
            s += 1 + used;
        }
        if (e->new_tokens == 0 || e->new_tokens > e->total) return 0;
        if (*s++ != ',') return ++c->n, s[-1] == 0;
    }
    return 0;
}

/* "a" or "a/b"; without a second number both are the first. */
static int parse_pair(const char *s, uint32_t *a, uint32_t *b)
{
    char end;
    const int n = sscanf(s, "%u/%u%c", a, b, &end);
    if (n == 1) *b = *a;
    return n == 2 || (n == 1 && !strchr(s, '/'));
}

static int parse_number(const char *s, uint32_t *out)
{
    char end;
    return sscanf(s, "%u%c", out, &end) == 1;
}

static int parse_flag(const char *s, int *flag, int value)
{
    *flag = *s == '1' ? value : !value;
    return !strcmp(s, "0") || !strcmp(s, "1");
}

static int parse_type(const char *s, int *f16)
{
    *f16 = !strcmp(s, "f16");
    return *f16 || !strcmp(s, "f32");
}

/* As parse_pair. */
static int parse_types(const char *s, test_case *c)
{
    char k[8];
    const char *v = strchr(s, '/');
    snprintf(k, sizeof k, "%.*s", (int)(v ? v - s : 7), s);
    return parse_type(k, &c->k_f16) && parse_type(v ? v + 1 : s, &c->v_f16);
}

static int parse_name(const char *s, const char *const *names, uint32_t n, uint32_t *out)
{
    for (*out = 0; *out < n; ++*out)
        if (!strcmp(s, names[*out])) return 1;
    return 0;
}

static int parse_variant(const char *s, test_case *c)
{
    snprintf(c->variant, sizeof c->variant, "%s", s);
    return !strcmp(s, "any") || !strcmp(s, "cpu") || !strcmp(s, "portable");
}

static int parse_word(test_case *c, const char *key, const char *s)
{
    char end;
    if (!strcmp(key, "variant")) return parse_variant(s, c);
    if (!strcmp(key, "dim")) return parse_pair(s, &c->head_dim, &c->head_dim_v);
    if (!strcmp(key, "heads")) return parse_pair(s, &c->heads, &c->kv_heads);
    if (!strcmp(key, "block")) return parse_number(s, &c->block_size);
    if (!strcmp(key, "kv")) return parse_types(s, c);
    if (!strcmp(key, "in")) return parse_type(s, &c->in_f16);
    if (!strcmp(key, "out")) return parse_type(s, &c->out_f16);
    if (!strcmp(key, "causal")) return parse_flag(s, &c->non_causal, 0);
    if (!strcmp(key, "split")) return parse_number(s, &c->split_tokens);
    if (!strcmp(key, "parts")) return parse_number(s, &c->parts);
    if (!strcmp(key, "slabs")) return parse_number(s, &c->slabs) && c->slabs > 0;
    if (!strcmp(key, "layers")) return parse_pair(s, &c->layers, &c->layer) && c->layer < c->layers;
    if (!strcmp(key, "scale")) return sscanf(s, "%f%c", &c->scale, &end) == 1;
    if (!strcmp(key, "lse")) return parse_flag(s, &c->no_lse, 0);
    if (!strcmp(key, "scores")) return parse_name(s, scores_names, SCORES_KINDS, &c->scores);
    if (!strcmp(key, "rest")) return parse_name(s, rest_names, REST_KINDS, &c->rest);
    if (!strcmp(key, "seed")) return parse_number(s, &c->seed);
    if (!strcmp(key, "batch")) return parse_entries(c, s);
    return 0;
}

int case_parse(test_case *c, const char *line)
{
    *c = case_defaults;
    for (;;) {
        char word[CASE_LINE];
        line += strspn(line, " \t\n");
        if (!*line) return c->n > 0;
        const size_t n = strcspn(line, " \t\n");
        if (n >= sizeof word) return 0;
        memcpy(word, line, n);
        word[n] = 0;
        char *value = strchr(word, '=');
        if (!value) return 0;
        *value++ = 0;
        if (!parse_word(c, word, value)) return 0;
        line += n;
    }
}
