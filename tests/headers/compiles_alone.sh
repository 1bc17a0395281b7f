#!/bin/sh
# compiles_alone.sh HEADER COMPILER…: a file that includes just <clkv/HEADER>, twice, compiles without a warning.
# SPDX-License-Identifier: Apache-2.0
header=$1
shift
printf '#include <clkv/%s>\n#include <clkv/%s>\ntypedef int not_empty;\n' "$header" "$header" |
    "$@" -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -
