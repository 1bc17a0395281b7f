/* pins.c: priorities of blocks and a heap of their deadlines. SPDX-License-Identifier: Apache-2.0 */
#include "core/pins.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

clkv_status clkv_pins_init(clkv_pins *pins, uint32_t blocks)
{
    memset(pins, 0, sizeof *pins);
    pins->blocks = blocks;
    pins->priority = clkv_map(blocks);
    pins->place = clkv_map(blocks * sizeof *pins->place);
    if (pins->priority && pins->place) return CLKV_OK;
    clkv_pins_free(pins);
    return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "priorities of %u blocks", blocks);
}

void clkv_pins_free(clkv_pins *pins)
{
    clkv_unmap(pins->priority, pins->blocks);
    clkv_unmap(pins->place, pins->blocks * sizeof *pins->place);
    clkv_free(pins->heap, pins->capacity * sizeof *pins->heap);
    memset(pins, 0, sizeof *pins);
}

clkv_status clkv_pins_reserve(clkv_pins *pins, size_t n)
{
    void *heap = pins->heap;
    if (clkv_grow(&heap, &pins->capacity, pins->n + n, sizeof *pins->heap))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "deadlines of %zu blocks", pins->n + n);
    pins->heap = heap;
    return CLKV_OK;
}

static void put(clkv_pins *pins, size_t at, clkv_pin pin)
{
    pins->heap[at] = pin;
    pins->place[pin.block] = (uint32_t)at + 1;
}

/* Puts a pin into the empty place `at` of the heap, moving the place up or down until the order is right. */
static void settle(clkv_pins *pins, size_t at, clkv_pin pin)
{
    while (at > 0 && pins->heap[(at - 1) / 2].deadline > pin.deadline) {
        put(pins, at, pins->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < pins->n && pins->heap[child + 1].deadline < pins->heap[child].deadline) child++;
        if (child >= pins->n || pins->heap[child].deadline >= pin.deadline) break;
        put(pins, at, pins->heap[child]);
        at = child;
    }
    put(pins, at, pin);
}

static void remove_deadline(clkv_pins *pins, uint32_t block)
{
    const uint32_t place = pins->place[block];
    if (!place) return;
    pins->place[block] = 0;
    const clkv_pin last = pins->heap[--pins->n];
    if (last.block != block) settle(pins, place - 1, last);
}

void clkv_pins_set(clkv_pins *pins, uint32_t block, uint32_t priority, uint64_t deadline)
{
    if (!priority && !pins->priority[block]) return; /* does not write to the pages of unpinned blocks */
    remove_deadline(pins, block);
    pins->priority[block] = (uint8_t)priority;
    if (priority && deadline != UINT64_MAX) {
        pins->n++;
        settle(pins, pins->n - 1, (clkv_pin){deadline, block});
    }
}

void clkv_pins_move(clkv_pins *pins, uint32_t from, uint32_t to)
{
    if (!pins->priority[from]) return;
    const uint32_t place = pins->place[from];
    pins->priority[to] = pins->priority[from];
    pins->priority[from] = 0;
    pins->place[from] = 0;
    if (!place) return;
    pins->place[to] = place;
    pins->heap[place - 1].block = to;
}

uint32_t clkv_pins_expire(clkv_pins *pins, uint64_t now)
{
    if (pins->n == 0 || pins->heap[0].deadline > now) return CLKV_NO_BLOCK;
    const uint32_t block = pins->heap[0].block;
    clkv_pins_set(pins, block, 0, 0);
    return block;
}

size_t clkv_pins_bytes(const clkv_pins *pins)
{
    return pins->blocks * (sizeof *pins->priority + sizeof *pins->place) + pins->capacity * sizeof *pins->heap;
}

const char *clkv_pins_validate(const clkv_pins *pins)
{
    size_t places = 0;
    for (uint32_t block = 0; block < pins->blocks; block++) {
        places += pins->place[block] != 0;
        if (pins->place[block] && !pins->priority[block]) return "pins: a block has a deadline and no priority";
    }
    if (places != pins->n) return "pins: the number of deadlines is wrong";
    for (size_t i = 0; i < pins->n; i++) {
        if (pins->place[pins->heap[i].block] != i + 1) return "pins: a block's place in the heap is wrong";
        if (i > 0 && pins->heap[(i - 1) / 2].deadline > pins->heap[i].deadline)
            return "pins: the heap is out of order";
    }
    return NULL;
}
