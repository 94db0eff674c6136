/* See symbols.h. The program is an ELF file of this machine's word size, with its symbols.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/symbols.h"

#include "base/base.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
    uintptr_t begin, end;
    const char *name;
};

static struct function *functions; /* ascending */
static size_t functions_len;

static int by_begin(const void *left, const void *right)
{
    const struct function *a = left, *b = right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* The program itself comes first: where it was put in memory, less where it was linked to be. */
static int take_base(struct dl_phdr_info *info, size_t size, void *base)
{
    (void)size;
    *(uintptr_t *)base = info->dlpi_addr;
    return 1;
}

static const char *map_program(void)
{
    struct stat about;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && fstat(fd, &about) == 0);
    const char *file = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    must(file != MAP_FAILED);
    close(fd);
    return file;
}

void symbols_open(void)
{
    if (functions != NULL)
        return;
    const char *file = map_program();
    const ElfW(Ehdr) *header = (const void *)file;
    const ElfW(Shdr) *sections = (const void *)(file + header->e_shoff), *table = NULL;
    for (size_t i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_type == SHT_SYMTAB)
            table = &sections[i];
    must(table != NULL);
    const ElfW(Sym) *symbols = (const void *)(file + table->sh_offset);
    const char *names = file + sections[table->sh_link].sh_offset;
    uintptr_t base = 0;
    dl_iterate_phdr(take_base, &base);
    size_t len = table->sh_size / sizeof(*symbols);
    functions = calloc(len, sizeof(*functions));
    must(functions != NULL);
    for (size_t i = 0; i < len; i++) {
        if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC || symbols[i].st_size == 0)
            continue;
        uintptr_t begin = base + symbols[i].st_value;
        functions[functions_len++] =
            (struct function){begin, begin + symbols[i].st_size, names + symbols[i].st_name};
    }
    qsort(functions, functions_len, sizeof(*functions), by_begin);
}

const char *symbol_at(uintptr_t address)
{
    size_t low = 0, high = functions_len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (address >= functions[middle].end)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < functions_len && address >= functions[low].begin;
    return found ? functions[low].name : NULL;
}
