/* completions.c: see completions.h. SPDX-License-Identifier: Apache-2.0 */
#include "completions.h"

#include "exit.h"

#include <stdbool.h>
#include <string.h>

const char *const completions_shells[] = {"bash", "zsh", "fish", NULL};

static const option_def *common_options;
static size_t n_common_options;

static size_t n_options(const option_set *set)
{
    return set->n + n_common_options - (set->of_command ? 1 : 0);
}

/* NULL: a heading. */
static const option_def *option_at(const option_set *set, size_t i)
{
    const option_def *o = i < set->n ? &set->table[i] : &common_options[i - set->n];
    return o->kind == OPTION_HEADING ? NULL : o;
}

static bool is_file(const option_def *o)
{
    return !o->choices && o->argument && !strcmp(o->argument, "FILE");
}

static bool takes_files(const option_set *set)
{
    return !set->n_commands && *set->operands;
}

static void put(const char *text)
{
    output_text(&output_out, text);
}

/* Text inside single quotes: `quote` stands for one of them, and a backslash comes before a character of `special`. */
static void put_quoted(const char *text, const char *quote, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'') {
            put(quote);
            continue;
        }
        if (strchr(special, *text)) put("\\");
        output_bytes(&output_out, text, 1);
    }
}

static void put_choices(const option_def *o)
{
    for (size_t i = 0; o->choices[i]; i++) output_printf(&output_out, "%s%s", i ? " " : "", o->choices[i]);
}

/* The program's name as that of a function: "_clkv_info". */
static void put_function(void)
{
    put("_");
    for (const char *c = tool_name(); *c; c++) output_bytes(&output_out, *c == '-' ? "_" : c, 1);
}

static void put_names(const option_set *set)
{
    const char *space = "";
    for (size_t i = 0; i < set->n_commands; i++, space = " ")
        output_printf(&output_out, "%s%s", space, set->commands[i].name);
    for (size_t i = 0; i < n_options(set); i++) {
        const option_def *o = option_at(set, i);
        if (!o) continue;
        output_printf(&output_out, "%s--%s", space, o->name);
        space = " ";
    }
}

/* ---- bash ---- */

/* A branch of `case` for each option that takes a value. `command` is the one that they belong to, or "*". */
static void bash_values(const option_set *set, const char *command)
{
    for (size_t i = 0; i < n_options(set); i++) {
        const option_def *o = option_at(set, i);
        if (!o || o->kind == OPTION_FLAG) continue;
        output_printf(&output_out, "    %s:--%s) ", command, o->name);
        if (o->choices) {
            put("offer=(-W '");
            put_choices(o);
            put("') ;;\n");
        } else {
            put(is_file(o) ? "offer=(-f) ;;\n" : "return ;;\n");
        }
    }
}

/* A word behind "=" has that for a word of its own before it. Names are read line by line, since they may hold anything
 * else. compopt is not in bash 3.2, which macOS has; names with spaces are not quoted there. */
static void print_bash(const option_set *set)
{
    put_function();
    put("()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options= offer reply\n"
        "    COMPREPLY=()\n"
        "    if [ \"$word\" = = ]; then\n"
        "        word=\n"
        "    elif [ \"$before\" = = ]; then\n"
        "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    fi\n"
        "    case $COMP_CWORD:${COMP_WORDS[1]} in\n");
    put(set->n_commands ? "    1:*) options='" : "    *) options='");
    put_names(set);
    put("' ;;\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        output_printf(&output_out, "    *:%s) options='", set->commands[i].name);
        put_names(set->commands[i].options);
        put("' ;;\n");
    }
    put("    esac\n    offer=(-W \"$options\")\n");
    if (takes_files(set)) put("    [ \"${word#-}\" != \"$word\" ] || offer=(-f)\n");
    put("    case ${COMP_WORDS[1]}:$before in\n");
    for (size_t i = 0; i < set->n_commands; i++) bash_values(set->commands[i].options, set->commands[i].name);
    bash_values(set, "*");
    put("    esac\n"
        "    [ \"${offer[0]}\" != -f ] || compopt -o filenames 2>/dev/null\n"
        "    while IFS= read -r reply; do COMPREPLY+=(\"$reply\"); done < <(compgen \"${offer[@]}\" -- \"$word\")\n"
        "}\ncomplete -F ");
    put_function();
    output_printf(&output_out, " %s\n", tool_name());
}

/* ---- zsh ---- */

static void zsh_arguments(const option_set *set, const char *indent)
{
    for (size_t i = 0; i < n_options(set); i++) {
        const option_def *o = option_at(set, i);
        if (!o) continue;
        output_printf(&output_out, " \\\n%s'%s--%s%s[", indent, o->kind == OPTION_TEXTS ? "*" : "", o->name,
                      o->kind == OPTION_FLAG ? "" : "=");
        put_quoted(o->help, "'\\''", "\\[]:");
        put("]");
        if (o->choices) {
            put(":value:(");
            put_choices(o);
            put(")");
        } else if (o->kind != OPTION_FLAG) {
            output_printf(&output_out, ":%s:%s", o->argument, is_file(o) ? "_files" : " ");
        }
        put("'");
    }
}

static void print_zsh(const option_set *set)
{
    if (!set->n_commands) {
        put("_arguments");
        zsh_arguments(set, "    ");
        if (takes_files(set)) put(" \\\n    '*:file:_files'");
        put("\n");
        return;
    }
    put("local state line\nlocal -A opt_args\nlocal -a commands=(\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        output_printf(&output_out, "    '%s:", set->commands[i].name);
        put_quoted(set->commands[i].help, "'\\''", "\\:");
        put("'\n");
    }
    put(")\n_arguments -C");
    zsh_arguments(set, "    ");
    put(" \\\n    '1:command:->command' \\\n    '*::argument:->argument'\n"
        "case $state in\n"
        "command) _describe -t commands command commands ;;\n"
        "argument)\n"
        "    case $words[1] in\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        output_printf(&output_out, "    %s)\n        _arguments", set->commands[i].name);
        zsh_arguments(set->commands[i].options, "            ");
        put("\n        ;;\n");
    }
    put("    esac\n    ;;\nesac\n");
}

/* ---- fish ---- */

/* `condition` holds where the options may stand; "" = everywhere. */
static void fish_options(const option_set *set, const char *condition)
{
    for (size_t i = 0; i < n_options(set); i++) {
        const option_def *o = option_at(set, i);
        if (!o) continue;
        output_printf(&output_out, "complete -c %s%s -l %s", tool_name(), condition, o->name);
        if (o->choices) {
            put(" -x -a '");
            put_choices(o);
            put("'");
        } else if (o->kind != OPTION_FLAG) {
            put(is_file(o) ? " -r -F" : " -x");
        }
        put(" -d '");
        put_quoted(o->help, "\\'", "\\");
        put("'\n");
    }
}

static void print_fish(const option_set *set)
{
    if (!takes_files(set)) output_printf(&output_out, "complete -c %s -f\n", tool_name());
    for (size_t i = 0; i < set->n_commands; i++) {
        const option_command *c = &set->commands[i];
        char condition[128] = " -n '__fish_seen_subcommand_from ";
        strncat(condition, c->name, sizeof condition - strlen(condition) - 2);
        strcat(condition, "'");
        output_printf(&output_out, "complete -c %s -n __fish_use_subcommand -a %s -d '", tool_name(), c->name);
        put_quoted(c->help, "\\'", "\\");
        put("'\n");
        fish_options(c->options, condition);
    }
    fish_options(set, set->n_commands ? " -n __fish_use_subcommand" : "");
}

int completions_print(const option_set *set, const option_def *common, size_t n_common, int shell)
{
    static void (*const print[])(const option_set *) = {print_bash, print_zsh, print_fish};
    const char *mark = print[shell] == print_zsh ? "#compdef " : "# completion of ";
    common_options = common;
    n_common_options = n_common;
    output_printf(&output_out, "%s%s\n# Printed by %s --completions %s.\n", mark, tool_name(), tool_name(),
                  completions_shells[shell]);
    print[shell](set);
    return tool_flush(&output_out);
}
