/* tokenizer_map.c: see tokenizer_map.h. SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer_map.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static size_t slots_for(uint32_t n)
{
    size_t slots = 4;
    while (slots / 2 < n) slots *= 2;
    return slots;
}

int llm_text_map_create(llm_text_map *map, uint32_t n)
{
    const size_t slots = slots_for(n);
    map->mask = slots - 1;
    map->slots = calloc(slots, sizeof *map->slots);
    return map->slots ? 0 : -1;
}

int llm_pair_map_create(llm_pair_map *map, uint32_t n)
{
    const size_t slots = slots_for(n);
    map->mask = slots - 1;
    map->slots = calloc(slots, sizeof *map->slots);
    if (!map->slots) return -1;
    for (size_t i = 0; i < slots; i++) map->slots[i].id = LLM_NO_ID;
    return 0;
}

/* The slot that has the text, or the empty one where it belongs. */
static llm_text_slot *text_slot(const llm_text_map *map, const char *text, uint32_t bytes)
{
    size_t at = (size_t)XXH3_64bits(text, bytes) & map->mask;
    for (;; at = (at + 1) & map->mask) {
        llm_text_slot *s = &map->slots[at];
        if (!s->text || (s->bytes == bytes && !memcmp(s->text, text, bytes))) return s;
    }
}

static llm_pair_slot *pair_slot(const llm_pair_map *map, uint32_t left, uint32_t right)
{
    const uint32_t pair[2] = {left, right};
    size_t at = (size_t)XXH3_64bits(pair, sizeof pair) & map->mask;
    for (;; at = (at + 1) & map->mask) {
        llm_pair_slot *s = &map->slots[at];
        if (s->id == LLM_NO_ID || (s->left == left && s->right == right)) return s;
    }
}

void llm_text_map_add(llm_text_map *map, const char *text, uint32_t bytes, uint32_t id)
{
    *text_slot(map, text, bytes) = (llm_text_slot){text, bytes, id};
}

void llm_pair_map_add(llm_pair_map *map, llm_pair_slot pair)
{
    llm_pair_slot *s = pair_slot(map, pair.left, pair.right);
    if (s->id == LLM_NO_ID) *s = pair;
}

uint32_t llm_text_map_find(const llm_text_map *map, const char *text, uint32_t bytes)
{
    const llm_text_slot *s = text_slot(map, text, bytes);
    return s->text ? s->id : LLM_NO_ID;
}

const llm_pair_slot *llm_pair_map_find(const llm_pair_map *map, uint32_t left, uint32_t right)
{
    const llm_pair_slot *s = pair_slot(map, left, right);
    return s->id == LLM_NO_ID ? NULL : s;
}
