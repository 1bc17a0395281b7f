/* growth_hooks.h: how a manager gets and returns the memory of slabs; growth.h has the functions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_GROWTH_HOOKS_H
#define CLKV_CORE_GROWTH_HOOKS_H

#include <clkv/pool.h>

typedef struct clkv_growth_hooks {
    uint32_t slab_blocks; /* blocks of a slab */
    uint32_t open_slabs;  /* slabs whose memory is there from the beginning: 0 … open_slabs − 1; at least one */
    /* Makes the memory of a slab. It is called without the manager's lock, perhaps on several threads for different
     * slabs. After DEVICE_MEMORY and NO_MEMORY the pool works with what it has; after any failure it asks again when it
     * next needs a slab. */
    clkv_status (*open)(void *user, uint32_t slab);
    /* Gives the memory back. It is called with the manager's lock held, and cannot fail. */
    void (*close)(void *user, uint32_t slab);
    void *user;
} clkv_growth_hooks;

typedef struct clkv_growth_state {
    clkv_growth_hooks hooks; /* open is NULL: there are no slabs to open */
    uint32_t opening;
    int refused; /* the last attempt to open a slab has failed, */
    uint64_t refused_ms; /* then. For a while it is taken for granted that there is no memory */
} clkv_growth_state;

#endif
