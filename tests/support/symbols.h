/* Names of functions of the running program, from its own symbol table: for tests that ask who
 * called.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_SYMBOLS_H
#define TESTS_SUPPORT_SYMBOLS_H

#include <stdint.h>

/* Reads the table once; before the first question. */
void symbols_open(void);
/* The function that the address lies in; NULL: none of the program's own. What compilers append
 * (".part.0", ".cold") is still there. */
const char *symbol_at(uintptr_t address);

#endif
