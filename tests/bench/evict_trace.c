/* Hit ratios of the store's eviction beside LRU, FIFO and SIEVE, on Zipf-distributed reads that are
 * mixed with scans. The first column is the real store; the others are simulated.
 *
 *   evict_trace [ROOM_PERCENT]
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HOT_KEYS = 200000,   /* Zipf-distributed */
    COLD_KEYS = 2000000, /* read one after the other by scans, each rarely twice */
    REQUESTS = 4000000,  /* of which the first half warms up */
    SCAN_LEN = 20000,    /* a scan in one go */
    KEYS = HOT_KEYS + COLD_KEYS,
    NOBODY = -1,
};

static double zipf_sum[HOT_KEYS];
static uint64_t random_state;

static uint64_t draw(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void prepare_zipf(double skew)
{
    double sum = 0;
    for (int i = 0; i < HOT_KEYS; i++)
        zipf_sum[i] = sum += pow(i + 1, -skew);
}

static int draw_hot(void)
{
    double at = (double)(draw() >> 11) / 9007199254740992.0 * zipf_sum[HOT_KEYS - 1];
    int low = 0, high = HOT_KEYS - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (zipf_sum[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next key of a trace in which `scan_percent` of the requests belong to scans. */
static int next_key(int scan_percent)
{
    static int scanning, cold;
    if (scanning == 0 && scan_percent > 0 &&
        draw() % ((uint64_t)SCAN_LEN * (100 - (unsigned)scan_percent)) < (unsigned)scan_percent)
        scanning = SCAN_LEN;
    if (scanning == 0)
        return draw_hot();
    scanning--;
    cold = (cold + 1) % COLD_KEYS;
    return HOT_KEYS + cold;
}

/* --- Simulated policies: a list from newest (head) to oldest (tail) --- */

enum policy { LRU, FIFO, SIEVE };

static struct node {
    int newer, older;
    bool here, visited;
} nodes[KEYS];
static int head, tail, hand, resident;

static void unlink_node(int n)
{
    if (nodes[n].newer != NOBODY)
        nodes[nodes[n].newer].older = nodes[n].older;
    else
        head = nodes[n].older;
    if (nodes[n].older != NOBODY)
        nodes[nodes[n].older].newer = nodes[n].newer;
    else
        tail = nodes[n].newer;
}

static void push_node(int n)
{
    nodes[n].newer = NOBODY;
    nodes[n].older = head;
    if (head != NOBODY)
        nodes[head].newer = n;
    else
        tail = n;
    head = n;
}

static void drop_one(enum policy policy)
{
    int victim = tail;
    if (policy == SIEVE) {
        victim = hand == NOBODY ? tail : hand;
        while (nodes[victim].visited) {
            nodes[victim].visited = false;
            victim = nodes[victim].newer == NOBODY ? tail : nodes[victim].newer;
        }
        hand = nodes[victim].newer;
    }
    unlink_node(victim);
    nodes[victim].here = false;
    resident--;
}

static bool simulate(enum policy policy, int key, int room)
{
    if (nodes[key].here) {
        nodes[key].visited = true;
        if (policy == LRU) {
            unlink_node(key);
            push_node(key);
        }
        return true;
    }
    if (resident == room)
        drop_one(policy);
    nodes[key] = (struct node){.here = true};
    push_node(key);
    resident++;
    return false;
}

/* --- The store --- */

static bool run_store(struct store *s, int key, int room) NO_TSA
{
    static uint32_t next_shard;
    struct slice name = slice_of(&key, sizeof(key));
    uint64_t hash = store_hash(s, 1, name);
    struct shard *sh = store_shard(s, hash);
    struct entry *e = entry_find(sh, hash, 1, name);
    if (e != NULL) {
        store_touch(e, false);
        return true;
    }
    while (s->dbs[1].keys >= room) {
        (void)shard_evict(&s->shards[next_shard], 16, false);
        next_shard = (next_shard + 1) % s->shards_len;
    }
    must(entry_set_string(sh, (struct key_at){hash, 1, name, NULL}, name, 0) != NULL);
    return false;
}

static double hit_ratio(int policy, int scan_percent, int room)
{
    struct store s;
    int hits = 0, wanted = 0;
    random_state = 88172645463325252u;
    head = tail = hand = NOBODY;
    resident = 0;
    memset(nodes, 0, sizeof(nodes));
    must(store_open(&s, 256, NULL) == RC_OK);
    for (int i = 0; i < REQUESTS; i++) {
        int key = next_key(scan_percent);
        bool hit = policy < 0 ? run_store(&s, key, room) : simulate((enum policy)policy, key, room);
        if (i >= REQUESTS / 2 && key < HOT_KEYS) {
            wanted++;
            hits += hit;
        }
    }
    store_close(&s);
    return 100.0 * hits / wanted;
}

int main(int argc, char **argv)
{
    int room = HOT_KEYS / 100 * (argc > 1 ? atoi(argv[1]) : 10);
    if (room <= 0 || room > HOT_KEYS)
        return 2;
    printf("hit ratio of Zipf reads, room for %d of %d keys\n", room, HOT_KEYS);
    printf("skew  scans   store     LRU    FIFO   SIEVE\n");
    static const double skews[] = {0.8, 0.99};
    static const int scans[] = {0, 10, 40};
    for (unsigned k = 0; k < COUNT_OF(skews); k++) {
        prepare_zipf(skews[k]);
        for (unsigned i = 0; i < COUNT_OF(scans); i++)
            printf("%.2f  %3d %%  %5.1f %%  %5.1f %%  %5.1f %%  %5.1f %%\n", skews[k], scans[i],
                   hit_ratio(-1, scans[i], room), hit_ratio(LRU, scans[i], room),
                   hit_ratio(FIFO, scans[i], room), hit_ratio(SIEVE, scans[i], room));
    }
    return 0;
}
