/* case.c: a case as a line. SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const scores_names[] = {"random", "low", "high", "peak"};

void case_format(const test_case *c, char line[CASE_LINE])
{
    int n = snprintf(line, CASE_LINE,
                     "dim=%u/%u heads=%u/%u block=%u kv=%s in=%s out=%s causal=%d split=%u parts=%u slabs=%u "
                     "scores=%s seed=%u batch=",
                     c->head_dim, c->head_dim_v, c->heads, c->kv_heads, c->block_size, c->kv_f16 ? "f16" : "f32",
                     c->in_f16 ? "f16" : "f32", c->out_f16 ? "f16" : "f32", !c->non_causal, c->split_tokens,
                     c->parts, c->slabs, scores_names[c->scores], c->seed);
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
        if (*s++ != ',') return ++c->n, 1;
    }
    return 0;
}

int case_parse(test_case *c, const char *line)
{
    char kv[4], in[4], out[4], scores[8];
    int causal, used = 0;
    memset(c, 0, sizeof *c);
    if (sscanf(line,
               "dim=%u/%u heads=%u/%u block=%u kv=%3s in=%3s out=%3s causal=%d split=%u parts=%u slabs=%u "
               "scores=%7s seed=%u batch=%n",
               &c->head_dim, &c->head_dim_v, &c->heads, &c->kv_heads, &c->block_size, kv, in, out, &causal,
               &c->split_tokens, &c->parts, &c->slabs, scores, &c->seed, &used) < 14 ||
        !used)
        return 0;
    c->kv_f16 = !strcmp(kv, "f16");
    c->in_f16 = !strcmp(in, "f16");
    c->out_f16 = !strcmp(out, "f16");
    c->non_causal = !causal;
    while (c->scores < 4 && strcmp(scores, scores_names[c->scores])) c->scores++;
    return c->scores < 4 && parse_entries(c, line + used);
}
