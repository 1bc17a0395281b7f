/* manager_model.h: a block manager as plain arrays: what each sequence's tokens are, what was ever committed, and
 * what stands in each slot of the pool. The target drives both and compares.
 *
 *   sequence   tokens[0 … length)    values[p]: what K and V of position p are: all tokens and keys up to there
 *   slots      values, as a device would have them: written through a batch's slots and copies only
 *   committed  the prefixes (at ends of blocks) that a commit ever made findable
 *
 * A wrong share, a missed copy or a write into somebody else's block shows as a wrong value read through a table; a
 * hit on what was never committed as a prefix that is not in `committed`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_FUZZ_MANAGER_MODEL_H
#define CLKV_TESTS_FUZZ_MANAGER_MODEL_H

#include "fuzz.h"

#include <clkv/batch.h>
#include <clkv/pool.h>

enum {
    MODEL_BLOCKS = 32,
    MODEL_BLOCK_SIZE = 16,
    MODEL_SEQUENCES = 6,
    MODEL_BATCHES = 2,
    MODEL_TOKENS = 640, /* of a sequence: as many as the largest pool holds, and a batch's new ones */
    MODEL_ADD = 100,    /* tokens added at once */
    MODEL_CONTENTS = 2,
    MODEL_COMMITTED = 4096,
};

/* The extra keys of a sequence. */
typedef struct model_keys {
    uint8_t salt, adapter; /* 0: none */
    uint32_t n;
    struct {
        uint32_t offset, length;
        uint8_t id;
    } contents[MODEL_CONTENTS];
} model_keys;

typedef struct model_sequence {
    clkv_sequence *handle; /* NULL and no batch: the place is free; NULL in a batch: destroyed there */
    model_keys keys;
    uint32_t tokens[MODEL_TOKENS];
    uint64_t values[MODEL_TOKENS];
    uint32_t length;
    uint64_t age;
    int no_prefix;
    int batch; /* 1 + its batch, or 0 */
} model_sequence;

typedef struct model_batch {
    clkv_batch *handle;
    model_sequence *members[MODEL_SEQUENCES];
    uint32_t tokens[MODEL_SEQUENCES][MODEL_ADD], new_tokens[MODEL_SEQUENCES], accept[MODEL_SEQUENCES];
    uint32_t n;
    int reserved, written;
} model_batch;

typedef struct model {
    clkv_manager *manager;
    clkv_manager_params params;
    uint32_t size, blocks, max_sequences, max_context;
    uint64_t now, ages;
    uint64_t slots[MODEL_BLOCKS * MODEL_BLOCK_SIZE];
    uint64_t committed[MODEL_COMMITTED];
    uint32_t n_committed;
    uint64_t stored[MODEL_BLOCKS]; /* the hashes that events have told of */
    uint32_t n_stored;
    model_sequence sequences[MODEL_SEQUENCES];
    model_batch batches[MODEL_BATCHES];
} model;

/* The keys as the library wants them; out has room for 2 + MODEL_CONTENTS. Returns how many. */
size_t model_keys_list(const model_keys *keys, clkv_key *out);

/* Tokens [length, length + n) of a sequence are these: fills its tokens and values. */
void model_extend(model_sequence *s, const uint32_t *tokens, uint32_t n);

/* The prefix that ends with block k, by all that makes it different from others. */
uint64_t model_prefix(const model *m, const model_sequence *s, uint32_t k);

/* A commit has made s longer: its full blocks from position `from` on can be found. */
void model_commit(model *m, const model_sequence *s, uint32_t from);

/* How many of the first n tokens a lookup may find at most, and finds at least. */
void model_expect(const model *m, const model_sequence *s, uint32_t n, uint32_t *least, uint32_t *most);

/* Everything that must hold between two calls. */
void model_check(model *m);

/* For clkv_manager_params.on_event: a removed prefix was stored, a stored one was not there yet. */
void model_event(void *user, const clkv_cache_event *event);

#endif
