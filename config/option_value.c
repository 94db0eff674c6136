/* See option_value.h. The texts of errors are those that Redis gives for its own directives of the
 * same kind: clients and tools compare them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_value.h"

#include "base/num.h"
#include "base/words.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TEXT_MAX = 64 * 1024, WORDS_PER_CLASS = 4 };

static const char *const output_classes[OUTPUT_CLASSES] = {"normal", "slave", "pubsub"};

/* --- words --- */

void option_value_quote(struct slice text, struct buf *out)
{
    bool plain = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        plain = plain && c > ' ' && c <= '~' && c != '"' && c != '\'' && c != '\\' && c != '#';
    }
    if (plain) {
        buf_append_slice(out, text);
        return;
    }
    buf_append_str(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_append(out, &c, 1);
    }
    buf_append_str(out, "\"");
}

/* --- numbers --- */

static bool parse_bytes(struct slice text, int64_t *out)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {
        {"", 1},           {"b", 1},
        {"k", 1000},       {"kb", 1024},
        {"m", 1000000},    {"mb", 1024 * 1024},
        {"g", 1000000000}, {"gb", 1024 * 1024 * 1024},
    };
    size_t digits = 0;
    uint64_t n = 0;
    for (; digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9'; digits++) {
        if (n > (uint64_t)INT64_MAX / 10)
            return false;
        n = n * 10 + (uint64_t)(text.ptr[digits] - '0');
    }
    struct slice unit = slice_of(text.ptr + digits, text.len - digits);
    for (size_t i = 0; digits > 0 && i < COUNT_OF(units); i++) {
        if (!slice_is_word(unit, units[i].unit))
            continue;
        *out = (int64_t)(n * units[i].bytes);
        return n <= (uint64_t)INT64_MAX / units[i].bytes;
    }
    return false;
}

/* "5%" is -5. */
static bool parse_share(struct slice text, int64_t *out)
{
    if (text.len == 0 || text.ptr[text.len - 1] != '%')
        return parse_bytes(text, out);
    text.len--;
    if (!num_parse_i64(text, out) || *out < 0)
        return false;
    *out = -*out;
    return true;
}

static bool parse_octal(struct slice text, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7' || *out > INT32_MAX)
            return false;
        *out = *out * 8 + (text.ptr[i] - '0');
    }
    return text.len > 0;
}

/* The next of the words that `list` joins by '|'. */
static bool next_word(const char **list, char *word, size_t size)
{
    size_t len = strcspn(*list, "|");
    if (len == 0)
        return false;
    must(len < size);
    memcpy(word, *list, len);
    word[len] = '\0';
    *list += len + ((*list)[len] == '|');
    return true;
}

static enum rc parse_enum(const struct option_row *row, struct slice text, int64_t *out,
                          struct err *err)
{
    const char *list = row->words;
    char word[64];
    struct buf all = {0};
    for (*out = 0; next_word(&list, word, sizeof(word)); ++*out) {
        if (slice_is_word(text, word)) {
            buf_fini(&all);
            return RC_OK;
        }
        buf_printf(&all, "%s%s", *out > 0 ? ", " : "", word);
    }
    enum rc rc = err_set(err, RC_INVALID, "argument(s) must be one of the following: %.*s",
                         (int)all.len, all.data);
    buf_fini(&all);
    return rc;
}

/* --- sets of letters: the classes of keyspace notifications --- */

/* Redis's order of writing: the classes that A stands for, then what A leaves out. */
static const char letters_of_a[] = "g$lshzxetd", letters_behind[] = "nKEm";

static int64_t letter_bit(const struct option_row *row, char letter)
{
    const char *at = letter == '\0' ? NULL : strchr(row->words, letter);
    return at == NULL ? 0 : INT64_C(1) << (at - row->words);
}

static enum rc parse_letters(const struct option_row *row, struct slice text, int64_t *out,
                             struct err *err)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        int64_t bit = letter_bit(row, text.ptr[i]);
        if (text.ptr[i] == 'A')
            for (const char *a = letters_of_a; *a != '\0'; a++)
                bit |= letter_bit(row, *a);
        if (bit == 0)
            return err_set(err, RC_INVALID,
                           "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        *out |= bit;
    }
    return RC_OK;
}

static void append_letters(const struct option_row *row, int64_t set, struct buf *out)
{
    int64_t all = 0;
    for (const char *a = letters_of_a; *a != '\0'; a++)
        all |= letter_bit(row, *a);
    if ((set & all) == all)
        buf_append_str(out, "A");
    else
        for (const char *a = letters_of_a; *a != '\0'; a++)
            if ((set & letter_bit(row, *a)) != 0)
                buf_append(out, a, 1);
    for (const char *a = letters_behind; *a != '\0'; a++)
        if ((set & letter_bit(row, *a)) != 0)
            buf_append(out, a, 1);
}

static enum rc check_bounds(const struct option_row *row, int64_t *n, struct err *err)
{
    if (*n == 0 && (row->flags & OPTION_OR_0) != 0)
        return RC_OK;
    if ((row->flags & OPTION_CLAMP) != 0)
        *n = *n < row->min ? row->min : *n > row->max ? row->max : *n;
    if (*n >= row->min && *n <= row->max) {
        if ((row->flags & OPTION_POWER_OF_TWO) != 0 && (*n <= 0 || (*n & (*n - 1)) != 0))
            return err_set(err, RC_INVALID, "argument must be a power of two");
        return RC_OK;
    }
    if (row->kind == OPTION_KIND_OCTAL)
        return err_set(err, RC_INVALID,
                       "argument must be between %" PRIo64 " and %" PRIo64 " inclusive",
                       (uint64_t)row->min, (uint64_t)row->max);
    return err_set(err, RC_INVALID,
                   "argument must be between %" PRId64 " and %" PRId64 " inclusive", row->min,
                   row->max);
}

static enum rc parse_number(const struct option_row *row, struct slice text, int64_t *n,
                            struct err *err)
{
    switch (row->kind) {
    case OPTION_KIND_BOOL:
        *n = slice_is_word(text, "yes");
        if (*n == 0 && !slice_is_word(text, "no"))
            return err_set(err, RC_INVALID, "argument must be 'yes' or 'no'");
        return RC_OK;
    case OPTION_KIND_ENUM:
        return parse_enum(row, text, n, err);
    case OPTION_KIND_LETTERS:
        return parse_letters(row, text, n, err);
    case OPTION_KIND_BYTES:
        if (!parse_bytes(text, n))
            return err_set(err, RC_INVALID, "argument must be a memory value");
        break;
    case OPTION_KIND_SHARE:
        if (!parse_share(text, n))
            return err_set(err, RC_INVALID, "argument must be a memory or percent value");
        if (*n < -100)
            return err_set(err, RC_INVALID, "percentage argument must be less or equal to 100");
        break;
    case OPTION_KIND_OCTAL:
        if (!parse_octal(text, n))
            return err_set(err, RC_INVALID, "argument couldn't be parsed as an octal number");
        break;
    case OPTION_KIND_PERCENT:
        if (text.len > 0 && text.ptr[text.len - 1] == '%')
            text.len--;
        if (!num_parse_i64(text, n))
            return err_set(err, RC_INVALID, "argument must be a percentage");
        break;
    default:
        if (!num_parse_i64(text, n))
            return err_set(err, RC_INVALID, "argument couldn't be parsed into an integer");
        break;
    }
    return check_bounds(row, n, err);
}

/* --- texts --- */

static bool value_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next of the blank-separated words of *text; len 0: none. */
static struct slice value_take_word(struct slice *text)
{
    const char *p = text->ptr, *end = p + text->len;
    while (p < end && value_is_blank(*p))
        p++;
    const char *start = p;
    while (p < end && !value_is_blank(*p))
        p++;
    *text = slice_of(p, (size_t)(end - p));
    return slice_of(start, (size_t)(p - start));
}

static void join_words(struct slice text, struct buf *out)
{
    for (struct slice word; (word = value_take_word(&text)).len > 0;) {
        if (out->len > 0)
            buf_append_str(out, " ");
        buf_append_slice(out, word);
    }
}

static bool find_class(struct slice word, size_t *class)
{
    if (slice_is_word(word, "replica"))
        word = SLICE("slave");
    for (*class = 0; *class < OUTPUT_CLASSES; ++*class)
        if (slice_is_word(word, output_classes[*class]))
            return true;
    return false;
}

/* Reads "class hard soft seconds ..." into the limits that it names. */
static enum rc parse_limits(struct slice text, struct output_limit limits[OUTPUT_CLASSES],
                            struct err *err)
{
    struct slice copy = text, word[WORDS_PER_CLASS];
    size_t words = 0;
    while (value_take_word(&copy).len > 0)
        words++;
    if (words == 0 || words % WORDS_PER_CLASS != 0)
        return err_set(err, RC_INVALID, "Wrong number of arguments in buffer limit configuration.");
    for (; words > 0; words -= WORDS_PER_CLASS) {
        for (size_t i = 0; i < WORDS_PER_CLASS; i++)
            word[i] = value_take_word(&text);
        size_t class;
        if (!find_class(word[0], &class))
            return err_set(err, RC_INVALID,
                           "Invalid client class specified in buffer limit configuration.");
        int64_t hard, soft, seconds;
        if (!parse_bytes(word[1], &hard) || !parse_bytes(word[2], &soft) ||
            !num_parse_i64(word[3], &seconds) || seconds < 0)
            return err_set(
                err, RC_INVALID,
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        limits[class] = (struct output_limit){(uint64_t)hard, (uint64_t)soft, seconds};
    }
    return RC_OK;
}

void option_value_limits(const struct option_value *v, struct output_limit out[OUTPUT_CLASSES])
{
    must(parse_limits(slice_str(v->text), out, NULL) == RC_OK);
}

static enum rc build_limits(enum option_id id, struct slice text, const struct option_value *old,
                            struct buf *out, struct err *err)
{
    struct output_limit limits[OUTPUT_CLASSES] = {0};
    const char *base = old != NULL ? old->text : option_rows[id].def;
    enum rc rc = parse_limits(slice_str(base), limits, err);
    if (rc == RC_OK)
        rc = parse_limits(text, limits, err);
    for (size_t i = 0; rc == RC_OK && i < OUTPUT_CLASSES; i++)
        buf_printf(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRId64, i > 0 ? " " : "",
                   output_classes[i], limits[i].hard_bytes, limits[i].soft_bytes,
                   limits[i].soft_seconds);
    return rc;
}

/* Six decimals at most, and no zeros at the end, as Redis writes them. */
static enum rc build_percentiles(const char *name, struct slice text, struct buf *out,
                                 struct err *err)
{
    for (struct slice word; (word = value_take_word(&text)).len > 0;) {
        double n;
        if (!num_parse_double(word, &n))
            return err_set(err, RC_INVALID, "Invalid %s parameters", name);
        if (n < 0 || n > 100)
            return err_set(err, RC_INVALID, "%s parameters should sit between [0.0,100.0]", name);
        buf_printf(out, "%s%f", out->len > 0 ? " " : "", n);
        while (out->data[out->len - 1] == '0')
            out->len--;
        out->len -= out->data[out->len - 1] == '.';
    }
    return RC_OK;
}

/* "seconds changes ...", or nothing. */
static enum rc build_save(struct slice text, struct buf *out, struct err *err)
{
    size_t words = 0;
    join_words(text, out);
    for (struct slice word; (word = value_take_word(&text)).len > 0; words++) {
        int64_t n;
        if (!num_parse_i64(word, &n) || n < 0 || (words % 2 == 0 && n == 0))
            return err_set(err, RC_INVALID, "Invalid save parameters");
    }
    return words % 2 == 0 ? RC_OK : err_set(err, RC_INVALID, "Invalid save parameters");
}

/* "command name ...", quoted. */
static enum rc build_renames(struct slice text, struct buf *out, struct err *err)
{
    char *room = malloc(text.len + 1), *at = room;
    must(room != NULL);
    struct slice word;
    size_t words = 0;
    enum words_next next;
    while ((next = words_next(&text, &at, &word)) == WORDS_FOUND) {
        if (words++ > 0)
            buf_append_str(out, " ");
        option_value_quote(word, out);
    }
    free(room);
    if (words == 1 && slice_eq(buf_slice(out), SLICE("\"\""))) { /* none */
        out->len = 0;
        return RC_OK;
    }
    return next != WORDS_UNBALANCED && words % 2 == 0
               ? RC_OK
               : err_set(err, RC_INVALID, "a command and its new name are needed");
}

/* Builds the text in the form that is kept. */
static enum rc build_text(enum option_id id, struct slice text, const struct option_value *old,
                          struct buf *out, struct err *err)
{
    const struct option_row *row = &option_rows[id];
    if (text.len > TEXT_MAX)
        return err_set(err, RC_INVALID, "argument is longer than %d bytes", TEXT_MAX);
    bool secret = (row->flags & OPTION_SECRET) != 0;
    if (!secret && text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return err_set(err, RC_INVALID, "argument must not contain a zero byte");
    if (row->kind == OPTION_KIND_LIMITS)
        return build_limits(id, text, old, out, err);
    if (row->kind == OPTION_KIND_PERCENTILES)
        return build_percentiles(row->name, text, out, err);
    if (row->kind == OPTION_KIND_SAVE)
        return build_save(text, out, err);
    if (row->kind == OPTION_KIND_RENAMES)
        return build_renames(text, out, err);
    if (row->kind == OPTION_KIND_TEXT)
        buf_append_slice(out, text);
    else
        join_words(text, out);
    return RC_OK;
}

/* What is refused says why. */
static enum rc check_fixed(enum option_id id, const struct option_value *v, struct err *err)
{
    const struct option_row *row = &option_rows[id];
    struct buf text = {0};
    if ((row->flags & OPTION_FIXED) == 0)
        return RC_OK;
    option_value_format(id, v, &text);
    bool same = slice_eq(buf_slice(&text), slice_str(row->def));
    buf_fini(&text);
    return same ? RC_OK : err_set(err, RC_INVALID, "refused: %s", row->help);
}

enum rc option_value_parse(enum option_id id, struct slice text, const struct option_value *old,
                           struct option_value *out, struct err *err)
{
    *out = (struct option_value){0};
    if (text.ptr == NULL)
        text = SLICE("");
    struct buf built = {0};
    bool is_text = option_row_is_text(id);
    enum rc rc = is_text ? build_text(id, text, old, &built, err)
                         : parse_number(&option_rows[id], text, &out->num, err);
    if (is_text) {
        out->len = built.len;
        buf_append(&built, "", 1);
        out->text = built.data;
    }
    if (rc == RC_OK)
        rc = check_fixed(id, out, err);
    if (rc != RC_OK)
        option_value_fini(out);
    return rc;
}

void option_value_fini(struct option_value *v)
{
    free(v->text);
    *v = (struct option_value){0};
}

bool option_value_eq(enum option_id id, const struct option_value *a, const struct option_value *b)
{
    return option_row_is_text(id) ? a->len == b->len && memcmp(a->text, b->text, a->len) == 0
                                  : a->num == b->num;
}

/* --- writing --- */

static void append_word_of(const struct option_row *row, int64_t index, struct buf *out)
{
    const char *list = row->words;
    char word[64];
    for (int64_t i = 0; next_word(&list, word, sizeof(word)); i++)
        if (i == index)
            buf_append_str(out, word);
}

void option_value_format(enum option_id id, const struct option_value *v, struct buf *out)
{
    const struct option_row *row = &option_rows[id];
    if (option_row_is_text(id))
        buf_append(out, v->text, v->len);
    else if (row->kind == OPTION_KIND_BOOL)
        buf_append_str(out, v->num != 0 ? "yes" : "no");
    else if (row->kind == OPTION_KIND_ENUM)
        append_word_of(row, v->num, out);
    else if (row->kind == OPTION_KIND_LETTERS)
        append_letters(row, v->num, out);
    else if (row->kind == OPTION_KIND_OCTAL)
        buf_printf(out, "%" PRIo64, (uint64_t)v->num);
    else if (row->kind == OPTION_KIND_SHARE && v->num < 0)
        buf_printf(out, "%" PRId64 "%%", -v->num);
    else
        buf_printf(out, "%" PRId64, v->num);
}

static void write_list(struct slice text, struct buf *out)
{
    if (text.len == 0)
        option_value_quote(text, out);
    for (size_t n = 0; text.len > 0; n++) {
        if (n > 0)
            buf_append_str(out, " ");
        option_value_quote(value_take_word(&text), out);
    }
}

static void append_bytes(int64_t n, struct buf *out)
{
    static const struct {
        int64_t bytes;
        const char *unit;
    } units[] = {{INT64_C(1) << 30, "gb"}, {1 << 20, "mb"}, {1 << 10, "kb"}};
    for (size_t i = 0; n > 0 && i < COUNT_OF(units); i++) {
        if (n % units[i].bytes == 0) {
            buf_printf(out, "%" PRId64 "%s", n / units[i].bytes, units[i].unit);
            return;
        }
    }
    buf_printf(out, "%" PRId64, n);
}

static void write_limits(const struct option_value *v, struct buf *out)
{
    struct output_limit limits[OUTPUT_CLASSES];
    option_value_limits(v, limits);
    for (size_t i = 0; i < OUTPUT_CLASSES; i++) {
        buf_printf(out, "%s%s ", i > 0 ? " " : "", output_classes[i]);
        append_bytes((int64_t)limits[i].hard_bytes, out);
        buf_append_str(out, " ");
        append_bytes((int64_t)limits[i].soft_bytes, out);
        buf_printf(out, " %" PRId64, limits[i].soft_seconds);
    }
}

void option_value_write(enum option_id id, const struct option_value *v, struct buf *out)
{
    enum option_kind kind = option_rows[id].kind;
    if (kind == OPTION_KIND_LIMITS)
        write_limits(v, out);
    else if (kind == OPTION_KIND_BYTES || (kind == OPTION_KIND_SHARE && v->num >= 0))
        append_bytes(v->num, out);
    else if (kind == OPTION_KIND_TEXT)
        option_value_quote(slice_of(v->text, v->len), out);
    else if (kind == OPTION_KIND_LETTERS && v->num == 0)
        option_value_quote(SLICE(""), out);
    else if (kind == OPTION_KIND_RENAMES && v->text[0] != '\0') /* quoted already */
        buf_append_str(out, v->text);
    else if (option_row_is_list(id))
        write_list(slice_str(v->text), out);
    else
        option_value_format(id, v, out);
}
