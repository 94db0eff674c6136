/* What the files of the journal share with each other: the journal itself and who owns which part
 * of it.
 *
 *   producers      append to rings, hand over oversize records                        (journal.c)
 *   journal thread the only one that writes records and moves written_lsn, durable_lsn (writer.c)
 *   sync thread    syncs under everysec, prepares spare segments, trims                (syncer.c)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_INTERNAL_H
#define JOURNAL_INTERNAL_H

#include "base/lock.h"
#include "journal/chain.h"
#include "journal/retained.h"
#include "journal/ring.h"

enum {
    SEGMENT_BYTES_MIN = 64 << 10,
    RESERVED_SHARE = 16, /* a sixteenth of a ring is free when a transaction begins */
    OVERSIZE_RINGS_MAX =
        8, /* in memory, in sizes of a ring: beyond, transactions wait before they begin */
    UNSYNCED_SEGMENTS_MAX = 8,
    POOL_MAX = 2,               /* trimmed segments kept to be used again, besides the spare */
    FULL_DIVISOR = 2,           /* on a full disk the last half of a segment is for removals */
    TICK_US = 5000,             /* between groups under everysec and no */
    SYNC_AFTER_US = 750000,     /* everysec: with the sync's own time this stays below a second */
    QUIET_US = 200000,          /* without traffic: time to tidy up */
    RETRY_US = 100000,          /* FAILING */
    WATCH_US = 1000000,         /* between looks at whether the files are where they were */
    CLOSE_PATIENCE_US = 2000000 /* for LSNs that never come, and for a disk that fails */
};

/* How deeply the journal thread sleeps; a waker states the least depth that it ends. */
enum {
    AWAKE,
    SLEEP_BLOCKED, /* the disk must do something first: only the sync thread and the end wake */
    SLEEP_TICK,    /* kicks, sync requests and rings that fill wake, too */
    SLEEP_DEEP,    /* every append wakes */
};

struct segment {
    struct segment *next; /* newer */
    uint64_t number, first_lsn, continues_after, bytes;
    uint32_t epoch; /* of its name */
    struct file_id id;
    struct fs_file *file; /* journal thread; NULL once synced and left */
    bool synced;          /* under lock; for good: nothing is written to it any more */
    bool named;           /* under lock; header and name are durable */
    bool spoiled;         /* under lock; a write or sync of it failed, or an earlier run may have
                             seen one fail: what it holds is read, but its file is not used again */
};

/* A preallocated file in the making, or ready for use. */
struct spare {
    struct fs_file *file; /* NULL: none */
    char name[FORMAT_NAME_MAX];
    uint64_t bytes; /* written so far */
    uint32_t epoch; /* of its name, see names_sync */
    struct file_id id;
};

/* A file that can become a spare. */
struct old_file {
    uint64_t serial;
    uint32_t epoch;
};

/* A segment that has to be where its name says, with so many bytes at the least. */
struct watched {
    uint64_t first_lsn, bytes;
    struct file_id id;
};

static inline struct watched watched_of(const struct segment *s)
{
    return (struct watched){s->first_lsn, s->bytes, s->id};
}

/* Nothing that it holds is above `lsn`: the next one begins before. */
static inline bool segment_ends_by(const struct segment *s, uint64_t lsn)
{
    return s->next != NULL && s->next->continues_after <= lsn;
}

struct sync_job {
    enum { JOB_NONE, JOB_POSTED, JOB_RUNNING, JOB_DONE } state;
    struct fs_file *files[UNSYNCED_SEGMENTS_MAX];
    struct watched watched[UNSYNCED_SEGMENTS_MAX]; /* the same */
    uint32_t files_len;
    bool names;      /* sync the directory, too */
    uint32_t epoch;  /* of the oldest of these names */
    uint64_t target; /* durable when it succeeds */
    struct mono posted;
    int64_t took_us;
    enum rc rc;
    struct err err;
};

/* A ring as an earlier run left it. */
struct old_ring {
    struct ring ring;
    char name[FORMAT_NAME_MAX];
    uint32_t producer;
    bool counts;                      /* of the last run */
    const struct record_header *head; /* of a walk: the next record, or NULL: look */
};

struct producer {
    struct ring ring;
    /* Records that are too long for the ring and not written yet, oldest first; changed under
     * j->lock. */
    _Alignas(CACHE_LINE) _Atomic(struct oversize *) oversize;
    struct oversize *oversize_last; /* under j->lock; valid while there is one */
    struct file_id ring_id;         /* immutable after start */
};

struct journal {
    /* immutable after start */
    struct journal_options options;
    const struct fs *fs;
    char *dir;
    int lock_handle;
    uint8_t id[JOURNAL_ID_BYTES];
    struct file_id dir_id;
    struct format_key key;
    uint8_t boot_id[16];
    uint64_t run;
    struct producer *producers;
    uint32_t producers_len; /* 0 until start */
    bool started;
    pthread_t writer, syncer;

    /* from open to start */
    struct chain chain;
    struct old_ring *old;
    size_t old_len;
    bool existed;        /* some file says the id; else it was drawn just now */
    bool coherent;       /* the machine has run ever since: the rings can be trusted */
    bool run_begun;      /* the last run had set up its rings */
    size_t chain_end;    /* segments that belong to the history */
    uint64_t chain_lsn;  /* last LSN in the segments */
    uint64_t proven_lsn; /* up to where they say themselves that they were synced */

    _Alignas(CACHE_LINE) _Atomic uint64_t clock; /* cut << JOURNAL_LSN_BITS | lsn */

    /* atomic */
    _Alignas(CACHE_LINE) _Atomic int sleeping;
    _Atomic int policy;
    _Atomic int state;    /* enum journal_state; while LOST nothing is believed, nothing trimmed */
    _Atomic bool scarce;  /* no room on the disk for the next segment: what is left has to last */
    _Atomic bool pressed; /* and a write was refused for that */
    bool full_is_told;    /* journal thread */
    _Atomic bool stop;
    _Alignas(CACHE_LINE) _Atomic uint64_t written_lsn;
    _Atomic uint64_t durable_lsn;
    _Atomic uint64_t sync_request;
    _Atomic uint64_t trim_lsn;
    _Atomic uint32_t waiters; /* for progress */
    _Atomic int64_t last_sync_us;
    _Atomic int64_t gap_since_us;    /* an LSN that was handed out has not been appended; 0: none */
    _Atomic uint64_t oversize_first; /* not durable; UINT64_MAX: none. Changed under lock */
    _Atomic uint64_t oversize_bytes; /* of all records that lie in memory */
    _Atomic uint64_t room_left;      /* in current, for records that are not gathered yet */
    _Atomic bool suspect;  /* the sync thread thinks so: to be looked at by the journal thread */
    _Atomic uint32_t news; /* counts what the sync thread has done for the journal thread */

    /* under lock */
    struct lock lock;
    struct cond wake_cond; /* to the journal thread */
    bool wake;
    uint64_t oversize_newest; /* LSN */
    struct cond progress;     /* durable_lsn, room in rings or the state changed */
    struct cond sync_cond;    /* to the sync thread */
    bool sync_stop;
    struct sync_job job;
    struct segment *oldest;
    uint64_t segments_len, segments_bytes;
    uint64_t trimmed_lsn;
    struct err error;
    struct spare ready;  /* file NULL: none */
    uint64_t spare_want; /* least size of the next one */
    bool spare_failed;   /* the last attempt; error says why */
    bool spare_full;     /* and that was for want of room */

    struct lock names_lock;
    _Atomic uint32_t names_epoch; /* counts failed syncs of the directory */

    /* sync thread (before it runs: start) */
    struct spare making;
    struct mono looked_at;
    struct old_file pool[POOL_MAX];
    size_t pool_len;
    uint64_t spare_serial; /* the last one used */

    /* journal thread */
    struct segment *current;  /* NULL only while a new one cannot be made */
    struct segment *unsynced; /* the oldest one that is not synced */
    uint64_t offset;          /* in current: end of the last group */
    uint64_t next_number;
    uint64_t gathered_lsn; /* taken out of the rings; written_lsn follows */
    struct retained retained;
    bool broken;         /* current must not be written or synced again */
    bool untried;        /* broken since the last attempt to go on */
    uint64_t need_bytes; /* 0, or current has no room: the size that the next one must have */
    bool switched;       /* a sync is due because a segment was left */
    bool tidy;           /* marker written, memory given back */
    uint32_t news_seen;
    uint64_t gap_lsn; /* gathered_lsn when a gap was last looked for */
    uint32_t stalls;  /* passes in a row that waited for an LSN that is not appended yet */
    enum { PASS_NOTHING, PASS_WROTE, PASS_BLOCKED } pass; /* the last one's result */
    uint32_t last_source;       /* producer of the last record, where the next one is likely */
    struct mono unsynced_since; /* us 0: nothing is unsynced */
    struct mono retry_at;
    struct mono stop_by; /* us 0: not stopping */
};

/* ---- journal.c ---- */
uint64_t journal_lsn(const struct journal *j); /* handed out last */
/* Wakes the journal thread if it sleeps at least so deep. */
void journal_wake(struct journal *j, int depth);
/* Bytes at the end of the last segment that are kept for removals on a full disk. */
static inline uint64_t kept_room(const struct journal *j)
{
    return j->options.segment_bytes / FULL_DIVISOR;
}

/* ---- recover.c ---- */
void recover_release(struct journal *j); /* what only recovery needed */
/* What is wrong with a journal, the first that was found. */
struct examined {
    bool all; /* asked for: every record is read, and nothing is logged */
    enum flaw {
        FLAW_NONE,
        FLAW_HEADS,    /* the first segments have no header that verifies */
        FLAW_SEGMENTS, /* in chain_end - 1, at `at`: damage, or what follows is missing */
        FLAW_REST,     /* a ring is damaged, or files are missing that others tell of */
    } flaw;
    struct chain_place at; /* else where the segments end; its name is the journal's */
};
/* What a start would find in a directory, which the caller has locked, if it needed all of it.
 * RC_CORRUPT: `found` says what is wrong. *out is to be closed whatever is returned. */
MUST_CHECK enum rc recover_examine(const struct fs *fs, const char *dir, struct journal **out,
                                   struct examined *found, struct err *err);

/* ---- writer.c ---- */
void *writer_main(void *arg);
/* ---- group.c: journal thread ---- */
enum group_result { GROUP_WRITTEN, GROUP_NOTHING, GROUP_NO_SEGMENT, GROUP_NO_MEMORY, GROUP_FAILED };
enum group_result group_write(struct journal *j, struct err *err);
/* A marker after the last group, which the next group overwrites. */
MUST_CHECK enum rc group_write_mark(struct journal *j, struct err *err);
/* Writes a retained chunk at `offset` of another segment, its checksums changed to that. */
MUST_CHECK enum rc group_rewrite(struct journal *j, struct chunk *chunk, struct fs_file *file,
                                 uint64_t number, uint64_t offset, struct err *err);
/* written_lsn := gathered_lsn, and the rings' space is given back. */
void group_publish(struct journal *j);
/* durable_lsn := lsn; the rings say so, too. */
void group_set_durable(struct journal *j, uint64_t lsn);

/* ---- segment.c: journal thread (before it runs: start) ---- */
typedef enum rc segment_body(struct journal *j, struct fs_file *file, uint64_t number,
                             uint64_t *end, struct err *err);
struct segment *segment_new(struct journal *j, const struct spare *spare, uint64_t first_lsn,
                            uint64_t continues_after);
/* Header and body into a spare, then a sync, the name, and a sync of the directory. */
MUST_CHECK enum rc segment_write_whole(struct journal *j, struct spare *spare,
                                       const struct segment *s, segment_body *body, uint64_t *end,
                                       struct err *err);
void segment_link(struct journal *j, struct segment *s) EXCLUDES(j->lock); /* as the newest */
/* Makes it the current one, in place of those that hold nothing more than it does. */
void segment_adopt(struct journal *j, struct segment *s, uint64_t end);
/* Puts a new segment in place of the current one, which is full or broken (then all that is not
 * durable is written again). RC_AGAIN: no spare yet, the sync thread is at it, or a sync must come
 * first. */
MUST_CHECK enum rc segment_advance(struct journal *j, struct err *err);

/* ---- moved.c ---- */
/* Whether the directory is still the one that was locked, and the segments have their names: else
 * what is written and synced is in no journal that a start would find. RC_MOVED says so. */
MUST_CHECK enum rc moved_check(const struct journal *j, const struct watched *segments, size_t len,
                               struct err *err);
/* The same of every file that a start would need if the process ended now. */
MUST_CHECK enum rc moved_check_all(struct journal *j, struct err *err) EXCLUDES(j->lock);

/* ---- syncer.c ---- */
void *syncer_main(void *arg);
void syncer_run(struct journal *j, struct sync_job *job); /* in the calling thread */
/* Makes names durable that were given since `epoch`, which was read before the first of them. What
 * was not synced when a sync of the directory failed is lost for good, also when the next sync
 * succeeds: then no file whose name it may concern is used. */
MUST_CHECK enum rc names_sync(struct journal *j, uint32_t epoch, struct err *err);
/* One step towards a spare of `bytes` in j->making; *done when it is complete and synced. */
MUST_CHECK enum rc spare_step(struct journal *j, uint64_t bytes, bool *done, struct err *err);
void spare_discard(struct journal *j, struct spare *s);

#endif
