/* Journal records that follow from their LSN, so that whatever comes back can be checked without
 * remembering what went in.
 *
 * An epoch is one run of the writer: the same LSN given out again after a stop carries other bytes,
 * so a record that comes back from a history that was lost is noticed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_HISTORY_H
#define TESTS_SUPPORT_HISTORY_H

#include "journal/journal.h"

enum { HISTORY_EPOCHS_MAX = 8, HISTORY_PAYLOAD_MAX = 16 << 10 };

struct history {
    uint64_t upto[HISTORY_EPOCHS_MAX]; /* last LSN of each epoch but the last */
    uint32_t epochs;                   /* finished ones */
    uint32_t big_every;                /* every nth record has a payload of big_bytes; 0: none */
    uint32_t big_bytes;
};

/* Length and bytes of the payload of an LSN in the present epoch. */
size_t history_payload(const struct history *h, uint64_t lsn, char *to);
/* Appends the next record; its LSN. Thread: the producer. */
uint64_t history_append(const struct history *h, struct journal *j, uint32_t producer);
/* What was recovered ends at last_lsn; what comes now is another epoch. */
void history_next_epoch(struct history *h, uint64_t last_lsn);

struct history_check {
    const struct history *h;
    uint64_t next_lsn; /* expected; set to after_lsn + 1 */
    uint64_t noops;    /* seen in place of records */
    uint64_t records;
    bool jumps; /* LSNs may be left out: a floor was above the last one */
};
/* For journal_replay: RC_REJECTED on a record that is not the one that was appended. */
enum rc history_check(void *check, const struct journal_record *record, struct err *err);

#endif
