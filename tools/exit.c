/* exit.c: see exit.h. SPDX-License-Identifier: Apache-2.0 */
#include "exit.h"

#include "os/descriptor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *program = "clkv";

void tool_begin(const char *argv0)
{
    clkv_descriptor_begin();
    if (!argv0 || !*argv0) return;
    const char *slash = strrchr(argv0, '/');
    program = slash ? slash + 1 : argv0;
}

const char *tool_name(void)
{
    return program;
}

static void print_message(const char *fmt, va_list args)
{
    char message[4096];
    vsnprintf(message, sizeof message, fmt, args);
    output_flush(&output_out); /* in the order in which it happened, where both go to one file */
    output_status("");
    output_printf(&output_err, "%s: %s\n", program, message);
    output_flush(&output_err);
}

int tool_fail(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_message(fmt, args);
    va_end(args);
    return code;
}

void tool_note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_message(fmt, args);
    va_end(args);
}

int tool_flush(out_stream *o)
{
    if (!output_flush(o)) return 0;
    if (!o->told && o->error != EPIPE) tool_fail(EXIT_CHECK, "cannot write the output: %s", strerror(o->error));
    o->told = true;
    return EXIT_CHECK;
}

const char *tool_shown(const char *text, size_t bytes, char out[TOOL_SHOWN_BYTES])
{
    const size_t most = TOOL_SHOWN_BYTES - 4; /* room for "..." and the final 0 */
    const size_t n = bytes < most ? bytes : most;
    for (size_t i = 0; i < n; i++) out[i] = (unsigned char)text[i] < 32 || text[i] == 127 ? '?' : text[i];
    strcpy(out + n, n < bytes ? "..." : "");
    return out;
}

static int code_of(clkv_status status)
{
    switch (status) {
    case CLKV_ERROR_NO_DEVICE:
    case CLKV_ERROR_BUILD: return EXIT_NO_DEVICE;
    case CLKV_ERROR_INVALID:
    case CLKV_ERROR_UNSUPPORTED:
    case CLKV_ERROR_LIMIT:
    case CLKV_ERROR_NO_MEMORY:
    case CLKV_ERROR_DEVICE_MEMORY: return EXIT_USAGE;
    default: return EXIT_CHECK;
    }
}

int tool_fail_status(clkv_status status, const char *fmt, ...)
{
    char doing[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(doing, sizeof doing, fmt, args);
    va_end(args);

    const clkv_error *error = clkv_last_error();
    const char *message = error->status == status ? error->message : "";
    return tool_fail(code_of(status), "%s: %s%s%s", doing, clkv_status_text(status), *message ? ": " : "", message);
}
