/* A table of nodes against a list of them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/chains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES = 3000 };

struct item {
    struct chain_node node; /* first */
    bool in;
    unsigned seen;
};

static struct item items[NODES];

static uint64_t random_below(uint64_t n)
{
    return (uint64_t)lrand48() % n;
}

static bool finds(struct chains *c, const struct item *it)
{
    for (struct chain_node *n = chains_first(c, it->node.hash); n != NULL; n = chains_next(n)) {
        assert_true(n->hash == it->node.hash);
        if (n == &it->node)
            return true;
    }
    return false;
}

static void see(void *ctx, struct chain_node *node)
{
    (void)ctx;
    ((struct item *)node)->seen++;
}

static void check(struct chains *c)
{
    uint32_t in = 0;
    for (int i = 0; i < NODES; i++)
        items[i].seen = 0;
    chains_each(c, see, NULL);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(items[i].seen, items[i].in);
        assert_true(finds(c, &items[i]) == items[i].in);
        in += items[i].in;
    }
    assert_int_equal(c->len, in);
}

static void what_is_in_is_found_whatever_comes_and_goes(void **state)
{
    (void)state;
    struct chains c = {0};
    for (int i = 0; i < NODES; i++) /* some share their hash */
        items[i] = (struct item){.node.hash = random_below(NODES * 2) * UINT64_C(0x9E3779B1)};
    for (int round = 0; round < 40; round++) {
        bool grows = round % 4 < 2;
        for (int i = 0; i < NODES; i++) {
            struct item *it = &items[random_below(NODES)];
            if (it->in == grows)
                continue;
            if (grows)
                chains_add(&c, &it->node);
            else
                chains_remove(&c, &it->node);
            it->in = grows;
        }
        check(&c);
    }
    chains_fini(&c);
}

static struct chains *place;

static void take(void *ctx, struct chain_node *node)
{
    (void)ctx;
    chains_take(&place, node);
    ((struct item *)node)->in = false;
}

static void a_walk_may_remove_all_that_it_is_given(void **state)
{
    (void)state;
    for (int n = 1; n <= NODES; n += n < 20 ? 1 : 991) {
        for (int i = 0; i < NODES; i++)
            items[i] = (struct item){.node.hash = (uint64_t)i * 7, .in = i < n};
        for (int i = 0; i < n; i++)
            assert_true(chains_try_put(&place, &items[i].node));
        check(place);
        chains_each(place, take, NULL);
        check(place);
        assert_true(chains_try_put(&place, &items[0].node));
        chains_take(&place, &items[0].node);
        assert_null(place);
    }
}

int main(void)
{
    srand48(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_is_found_whatever_comes_and_goes),
        cmocka_unit_test(a_walk_may_remove_all_that_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
