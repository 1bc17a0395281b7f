/* tokenizer_merge.c: byte-pair merging, see llm_merger in tokenizer_parts.h. A candidate is not taken out of the
 * heap when one of its symbols has meanwhile been merged: it is recognised as stale when its turn comes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer_parts.h"

#include <stdlib.h>

struct llm_candidate {
    uint32_t rank, left, right;
    uint32_t bytes; /* of both together: symbols only grow, so that equal sums mean the same pair */
    uint32_t id;
};

static void *grown(void *array, size_t *room, size_t element)
{
    const size_t more = *room > 0 ? *room * 2 : 64;
    if (more > SIZE_MAX / element) return NULL;
    void *to = realloc(array, more * element);
    if (to) *room = more;
    return to;
}

int llm_ids_add(llm_ids *ids, uint32_t id)
{
    if (ids->n == ids->room) {
        uint32_t *to = grown(ids->ids, &ids->room, sizeof *to);
        if (!to) return -1;
        ids->ids = to;
    }
    ids->ids[ids->n++] = id;
    return 0;
}

void llm_merger_begin(llm_merger *m, const char *text)
{
    m->text = text;
    m->n = 0;
    m->n_heap = 0;
}

int llm_merger_add(llm_merger *m, uint32_t bytes, uint32_t id)
{
    if (m->n == m->room) {
        llm_symbol *to = grown(m->symbols, &m->room, sizeof *to);
        if (!to) return -1;
        m->symbols = to;
    }
    const llm_symbol *before = m->n > 0 ? &m->symbols[m->n - 1] : NULL;
    const uint32_t at = before ? before->at + before->bytes : 0;
    m->symbols[m->n] = (llm_symbol){at, bytes, id, before ? m->n - 1 : LLM_NO_ID, LLM_NO_ID};
    if (before) m->symbols[m->n - 1].next = m->n;
    m->n++;
    return 0;
}

static int comes_before(const llm_candidate *a, const llm_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static int push(llm_merger *m, llm_candidate c)
{
    if (m->n_heap == m->heap_room) {
        llm_candidate *to = grown(m->heap, &m->heap_room, sizeof *to);
        if (!to) return -1;
        m->heap = to;
    }
    size_t i = m->n_heap++;
    for (; i > 0 && comes_before(&c, &m->heap[(i - 1) / 2]); i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = c;
    return 0;
}

static llm_candidate pop(llm_merger *m)
{
    const llm_candidate first = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < m->n_heap; i = child) {
        if (child + 1 < m->n_heap && comes_before(&m->heap[child + 1], &m->heap[child])) child++;
        if (!comes_before(&m->heap[child], &last)) break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = last;
    return first;
}

/* Considers the symbol and the one after it. */
static int consider(llm_merger *m, llm_merge_rule *rule, uint32_t left)
{
    if (left == LLM_NO_ID || m->symbols[left].next == LLM_NO_ID) return 0;
    const uint32_t right = m->symbols[left].next;
    const llm_symbol *l = &m->symbols[left], *r = &m->symbols[right];
    llm_candidate c = {.left = left, .right = right, .bytes = l->bytes + r->bytes};
    return rule(m, l, r, &c.id, &c.rank) ? push(m, c) : 0;
}

int llm_merger_run(llm_merger *m, llm_merge_rule *rule)
{
    for (uint32_t i = 0; i + 1 < m->n; i++)
        if (consider(m, rule, i)) return -1;
    while (m->n_heap > 0) {
        const llm_candidate c = pop(m);
        llm_symbol *l = &m->symbols[c.left], *r = &m->symbols[c.right];
        if (l->bytes == 0 || l->bytes + r->bytes != c.bytes) continue;
        l->bytes = c.bytes;
        l->id = c.id;
        l->next = r->next;
        if (r->next != LLM_NO_ID) m->symbols[r->next].previous = c.left;
        r->bytes = 0;
        if (consider(m, rule, l->previous) || consider(m, rule, c.left)) return -1;
    }
    return 0;
}

void llm_merger_free(llm_merger *m)
{
    free(m->symbols);
    free(m->heap);
}
