/* prefix_check.c: checks a prefix index. SPDX-License-Identifier: Apache-2.0 */
#include "core/prefix_index.h"

#include "core/memory.h"

/* The numbers that the check counts itself. */
typedef struct recount {
    uint32_t *children; /* [n_nodes]; of a dead node: how often its id is on the stack */
    uint32_t *passed;   /* [table lines] */
    uint32_t alive, roots, blocks;
    uint64_t keys_refs;
} recount;

/* Whether the table has the node. Counts in count->passed the lines between its home and its place. */
static int table_has(const clkv_prefix *prefix, uint32_t node, recount *count)
{
    const clkv_table *table = &prefix->table;
    const uint64_t hash = prefix->nodes[node].hash;
    uint32_t at = clkv_table_home(table, hash);
    for (uint32_t seen = 0; seen < table->n_lines; seen++) {
        const clkv_table_line *line = &table->lines[at];
        for (uint32_t places = clkv_table_places(line, clkv_table_tag(hash)); places; places &= places - 1)
            if (line->ids[__builtin_ctz(places)] == node) return 1;
        count->passed[at]++;
        at = clkv_table_next(table, at);
    }
    return 0;
}

static const char *check_blocks(const clkv_prefix *prefix, uint32_t node, recount *count)
{
    const clkv_node *at = &prefix->nodes[node];
    if (at->block == CLKV_NO_BLOCK) return at->shared ? "a node is shared but has no block" : NULL;
    if (at->parent == CLKV_NODE_NONE) return "a root has a block";
    uint32_t block = at->block, ring = 0;
    do {
        if (block >= prefix->blocks_high || prefix->owners[block] != node)
            return "a node lists a block that is not its own";
        if (++count->blocks > prefix->n_blocks) return "nodes list more blocks than are registered";
        ring++;
        if (!at->shared) break;
        const uint32_t next = prefix->twins[block].next;
        if (next >= prefix->blocks || prefix->twins[next].prev != block) return "a ring of blocks is broken";
        block = next;
    } while (block != at->block);
    return (ring > 1) != at->shared ? "a node's mark of being shared is wrong" : NULL;
}

static const char *check_node(const clkv_prefix *prefix, uint32_t node, recount *count)
{
    const clkv_node *at = &prefix->nodes[node];
    if (at->block == CLKV_NO_BLOCK && !at->children && !at->refs) return "a node is kept that nothing needs";
    if (at->parent == CLKV_NODE_NONE) {
        if (at->depth != 0 || at->keys == CLKV_KEYS_NONE) return "a root has a depth, or no keys";
        count->roots++;
    } else {
        if (!clkv_node_alive(prefix, at->parent)) return "a node's parent is dead";
        if (at->depth != prefix->nodes[at->parent].depth + 1) return "a node is not one deeper than its parent";
        if (at->hash !=
            clkv_node_hash(prefix, prefix->nodes[at->parent].hash, clkv_node_tokens(prefix, node), at->keys))
            return "a node's hash is not that of its content";
        count->children[at->parent]++;
    }
    if (at->keys != CLKV_KEYS_NONE) {
        if (at->keys >= prefix->keys.n_entries || !prefix->keys.entries[at->keys].data)
            return "a node's keys are gone";
        count->keys_refs++;
    }
    if (!table_has(prefix, node, count)) return "a node is not found by its hash";
    count->alive++;
    return check_blocks(prefix, node, count);
}

static const char *check_counts(const clkv_prefix *prefix, const recount *count)
{
    uint32_t registered = 0;
    uint64_t keys_refs = 0;
    for (uint32_t node = 0; node < prefix->n_nodes; node++)
        if (clkv_node_alive(prefix, node) && prefix->nodes[node].children != count->children[node])
            return "a node's count of children is wrong";
    for (uint32_t line = 0; line < prefix->table.n_lines; line++)
        if (prefix->table.lines[line].passed != count->passed[line])
            return "a line of the table counts passers wrongly";
    for (uint32_t block = 0; block < prefix->blocks_high; block++) registered += prefix->owners[block] != 0;
    for (uint32_t i = 0; i < prefix->dead; i++)
        if (prefix->dead_ids[i] >= prefix->n_nodes || clkv_node_alive(prefix, prefix->dead_ids[i]) ||
            count->children[prefix->dead_ids[i]]++)
            return "the stack of free ids holds a live one, or one twice";
    for (uint32_t i = 1; i < prefix->keys.n_entries; i++) keys_refs += prefix->keys.entries[i].refs;
    if (registered != prefix->n_blocks || count->blocks != prefix->n_blocks)
        return "blocks and the nodes that list them do not agree";
    if (count->alive + prefix->dead + 1 != prefix->n_nodes) return "live and free ids are not all ids";
    if (count->roots != prefix->roots) return "the count of roots is wrong";
    if (prefix->table.used != count->alive) return "the table holds more than the live nodes";
    if (keys_refs != count->keys_refs) return "lists of keys have more references than nodes";
    return clkv_keys_validate(&prefix->keys);
}

const char *clkv_prefix_validate(const clkv_prefix *prefix)
{
    if (!prefix) return "prefix is NULL";
    const size_t children_bytes = prefix->n_nodes * sizeof(uint32_t);
    const size_t passed_bytes = prefix->table.n_lines * sizeof(uint32_t);
    /* The check reads the lines of the table, so make the changes that wait first. */
    clkv_table_settle((clkv_table *)&prefix->table);
    recount count = {.children = clkv_alloc(children_bytes), .passed = clkv_alloc(passed_bytes)};
    const char *broken = count.children && count.passed ? NULL : "no memory to check with";
    for (uint32_t node = 1; node < prefix->n_nodes && !broken; node++)
        if (clkv_node_alive(prefix, node)) broken = check_node(prefix, node, &count);
    if (!broken) broken = check_counts(prefix, &count);
    clkv_free(count.children, children_bytes);
    clkv_free(count.passed, passed_bytes);
    return broken;
}
