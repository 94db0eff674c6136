/* proxy.conf, from the rows of options.def: every directive once, explained, with its default.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_row.h"

enum { COLUMNS = 96 };

/* A row, or the head of the group of rows that follows. */
struct part {
    int id; /* -1: a head */
    const char *title, *help;
};

static const struct part parts[] = {
#define OPTION_GROUP(title, help)                                 {-1, title, help},
#define OPTION(id, name, kind, def, min, max, flags, words, help) {OPT_##id, NULL, help},
#include "config/options.def"
#undef OPTION
};

/* Breaks `text` into lines of a comment. */
static void append_comment(const char *text, struct buf *out)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column == 0 || column + 1 + word > COLUMNS) {
            buf_append_str(out, column == 0 ? "#" : "\n#");
            column = 1;
        }
        buf_append_str(out, " ");
        buf_append(out, text, word);
        column += 1 + word;
        text += word;
        text += *text == ' ';
    }
    if (column > 0)
        buf_append_str(out, "\n");
}

static void append_words(const char *words, struct buf *out)
{
    struct buf text = {0};
    buf_append_str(&text, "One of: ");
    for (; *words != '\0'; words++)
        buf_append(&text, *words == '|' ? ", " : words, *words == '|' ? 2 : 1);
    buf_append(&text, ".", 2);
    append_comment(text.data, out);
    buf_fini(&text);
}

static void append_row(const struct option_row *row, struct buf *out)
{
    struct buf help = {0};
    bool list = row->kind == OPTION_KIND_LIST || row->kind == OPTION_KIND_LIMITS ||
                row->kind == OPTION_KIND_PERCENTILES || row->kind == OPTION_KIND_RENAMES;
    buf_printf(&help, "%s%s", row->help, (row->flags & OPTION_IMMUTABLE) != 0 ? " [start]" : "");
    append_comment(help.data, out);
    buf_fini(&help);
    if (row->kind == OPTION_KIND_ENUM)
        append_words(row->words, out);
    bool quote = row->def[0] == '\0' || (!list && strchr(row->def, ' ') != NULL);
    if (row->kind == OPTION_KIND_RENAMES)
        buf_printf(out, "# %s FLUSHALL \"\"\n\n", row->name);
    else
        buf_printf(out, quote ? "%s \"%s\"\n\n" : "%s %s\n\n", row->name, row->def);
}

/* The names of the rows of Redis's that have these of the flags. */
static void append_names(const char *text, unsigned flags, struct buf *out)
{
    struct buf names = {0};
    buf_append_str(&names, text);
    for (size_t i = 0, n = 0; i < OPT_COUNT; i++)
        if ((option_rows[i].flags & OPTION_INERT) != 0 &&
            (option_rows[i].flags & OPTION_FIXED) == flags)
            buf_printf(&names, "%s%s", n++ > 0 ? ", " : " ", option_rows[i].name);
    buf_append(&names, ".", 2);
    buf_append_str(out, "#\n");
    append_comment(names.data, out);
    buf_fini(&names);
}

static void append_redis(struct buf *out)
{
    buf_append_str(out, "# --- Directives of Redis ---\n");
    append_comment("A redis.conf may be given as it is. Its names for what is here as well "
                   "(appendonly, appendfsync, slave-..., ...-ziplist-...) are known too.",
                   out);
    append_names("Accepted without effect; the log lists those that are stated, CONFIG GET has "
                 "their values:",
                 0, out);
    append_names("Refused, with the reason, unless they say what Redis does without them:",
                 OPTION_FIXED, out);
}

void options_print_default(struct buf *out)
{
    append_comment("Weir's configuration: every directive, with its default. A line is a directive "
                   "and its value, in the syntax of redis.conf; sizes take the units k kb m mb g "
                   "gb (1k is 1000 bytes, 1kb 1024). Each directive may also be given on the "
                   "command line: weir proxy.conf --port 7000. `include FILE` reads another file "
                   "at that point; of several lines for a directive the last one counts.",
                   out);
    buf_append_str(out, "#\n");
    append_comment("CONFIG SET changes the running proxy, CONFIG REWRITE writes what was changed "
                   "back to this file, SIGHUP reads it again. What is marked [start] only a "
                   "restart changes.",
                   out);
    buf_append_str(out, "\n");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].id >= 0) {
            if ((option_rows[parts[i].id].flags & OPTION_INERT) == 0)
                append_row(&option_rows[parts[i].id], out);
            continue;
        }
        buf_printf(out, "# --- %s ---\n", parts[i].title);
        append_comment(parts[i].help, out);
        buf_append_str(out, "\n");
    }
    append_redis(out);
}
