/* plan.cl: reads the work items of a batch, and says which keys of an item a query sees.
 *
 * The packed upload of a batch is an array of uint; src/plan/plan.h describes the same lists:
 *   item    6 uint { row, token, first, end, queries | diagonal << 16, part }
 *   merge   4 uint { token, part, parts, stride }
 *   slot    uint   block * block_size + offset, per token
 * SPDX-License-Identifier: Apache-2.0 */
#define CLKV_ITEM_WORDS 6u
#define CLKV_MERGE_WORDS 4u
#define CLKV_DIRECT 0xffffffffu /* part of an item whose result is the whole result */

typedef struct clkv_item {
    uint row;        /* of the block tables */
    uint token;      /* of the first query, counted through the batch: its row in Q and O */
    uint first, end; /* keys that the last query sees of this item */
    uint queries;    /* consecutive ones */
    uint diagonal;   /* keys before `end` that the first query does not see; each later one sees one more */
    uint part;       /* of the first query, those of the others follow; or CLKV_DIRECT */
} clkv_item;

/* Reads an item. It fills *item and does not return a struct: inlining a function that returns a struct leaves an
 * instruction about aliasing behind that Oclgrind does not know. */
CLKV_INLINE void clkv_read_item(clkv_item *item, __global const uint *batch, uint items_at, uint index)
{
    __global const uint *words = batch + items_at + CLKV_ITEM_WORDS * index;
    item->row = words[0];
    item->token = words[1];
    item->first = words[2];
    item->end = words[3];
    item->queries = words[4] & 0xffffu;
    item->diagonal = words[4] >> 16;
    item->part = words[5];
}

/* The end of the keys that query `query` of the item sees; it may lie before `first`. The function does not use
 * `diagonal - query`: compilers turn that into a saturating subtraction, which Oclgrind does not know. */
CLKV_INLINE uint clkv_row_end(const clkv_item *item, uint query)
{
    return item->end + query - max(item->diagonal, query);
}
