/* tokenizer_map.h: two hash tables, filled once: texts to ids, and pairs of ids to what they merge into. Open
 * addressing, at most half full. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TOKENIZER_MAP_H
#define CLKV_TOOLS_LLM_TOKENIZER_MAP_H

#include <stddef.h>
#include <stdint.h>

#define LLM_NO_ID UINT32_MAX

typedef struct llm_text_slot {
    const char *text; /* NULL: empty; else it must outlive the map */
    uint32_t bytes, id;
} llm_text_slot;

typedef struct llm_text_map {
    llm_text_slot *slots;
    size_t mask; /* slots − 1, a power of two less one */
} llm_text_map;

typedef struct llm_pair_slot {
    uint32_t left, right, rank, id; /* id LLM_NO_ID: empty */
} llm_pair_slot;

typedef struct llm_pair_map {
    llm_pair_slot *slots;
    size_t mask;
} llm_pair_map;

/* Room for n entries; −1 without memory. */
int llm_text_map_create(llm_text_map *map, uint32_t n);
int llm_pair_map_create(llm_pair_map *map, uint32_t n);

/* Of two equal texts the later counts, of two equal pairs the earlier, as in llama.cpp. */
void llm_text_map_add(llm_text_map *map, const char *text, uint32_t bytes, uint32_t id);
void llm_pair_map_add(llm_pair_map *map, llm_pair_slot pair);

/* LLM_NO_ID or NULL: not there. */
uint32_t llm_text_map_find(const llm_text_map *map, const char *text, uint32_t bytes);
const llm_pair_slot *llm_pair_map_find(const llm_pair_map *map, uint32_t left, uint32_t right);

#endif
