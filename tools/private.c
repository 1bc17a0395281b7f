/* private.c: see private.h. SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include "os/system.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Bytes of letters beyond ASCII are parts of words too. '_' is none: a folder may be called anna_work. */
static bool in_word(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

/* A byte that would do something to a terminal is shown as '?'. */
static char shown(char c)
{
    return (unsigned char)c < 0x20 && c != '\n' && c != '\t' ? '?' : c;
}

static bool same_letter(char a, char b)
{
    return lower(a) == lower(b) || (is_slash(a) && is_slash(b));
}

static void add(private_names *out, clkv_os_name kind, const char *text, size_t bytes)
{
    static const char *const stand_ins[] = {[CLKV_OS_HOME] = "~", [CLKV_OS_USER] = "USER", [CLKV_OS_HOST] = "HOST"};
    while (kind == CLKV_OS_HOME && bytes && is_slash(text[bytes - 1])) bytes--; /* "/" is nobody's home */
    if (!bytes || out->n == PRIVATE_NAMES) return;
    struct private_name *name = &out->names[out->n++];
    memcpy(name->text, text, bytes);
    name->bytes = bytes;
    name->is_path = kind == CLKV_OS_HOME;
    name->stand_in = stand_ins[kind];
}

/* Longer names first, as they may begin with shorter ones; of equal ones, paths. */
static int by_length(const void *a, const void *b)
{
    const struct private_name *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return y->is_path - x->is_path;
}

void private_names_find(private_names *out)
{
    char text[PRIVATE_BYTES];
    clkv_os_name kind;
    out->n = 0;
    for (size_t i = 0; clkv_os_private(i, &kind, text, sizeof text); i++) {
        const size_t bytes = strlen(text), first = strcspn(text, ".");
        add(out, kind, text, bytes);
        if (kind == CLKV_OS_HOST && first < bytes) add(out, kind, text, first); /* without its domain */
    }
    qsort(out->names, out->n, sizeof *out->names, by_length);
}

static bool is_here(const struct private_name *name, const char *text, const char *at)
{
    for (size_t i = 0; i < name->bytes; i++)
        if (!at[i] || !same_letter(at[i], name->text[i])) return false;
    if (name->is_path && (at[name->bytes] == '-' || at[name->bytes] == '.')) return false;
    return !(at > text && in_word(at[-1])) && !in_word(at[name->bytes]);
}

const char *private_names_hide(const private_names *names, const char *text, char *out, size_t room)
{
    size_t n = 0;
    for (const char *at = text; *at;) {
        size_t i = 0;
        while (i < names->n && !is_here(&names->names[i], text, at)) i++;
        const char *piece = i < names->n ? names->names[i].stand_in : at;
        const size_t bytes = i < names->n ? strlen(piece) : 1;
        if (n + bytes >= room) break;
        if (i < names->n) memcpy(out + n, piece, bytes);
        else out[n] = shown(*at);
        n += bytes;
        at += i < names->n ? names->names[i].bytes : 1;
    }
    out[n] = 0;
    return out;
}
