/* arguments.h: what a program was called with. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_ARGUMENTS_H
#define CLKV_OS_ARGUMENTS_H

/* Windows hands main() the arguments in the user's code page, which lacks letters: they become UTF-8, and stay until the
 * program ends. The first becomes the program's name without its folder and ".exe". Changes nothing elsewhere, nor
 * where there is no memory. */
void clkv_os_arguments(int *argc, char ***argv);

#endif
