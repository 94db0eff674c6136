#| What sorted set commands tell keyspace notifications, and clients that wait for a member.

# Each change tells its event, and nothing else does
> CONFIG SET notify-keyspace-events Ezg
E> PSUBSCRIBE __key*__:*
> ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h
E< ["pmessage", "__key*__:*", "__keyevent@0__:zadd", "z"]
> ZADD z 1 a
> ZADD z NX 2 a
> ZADD z CH 3 a
E< ["pmessage", "__key*__:*", "__keyevent@0__:zadd", "z"]
> ZINCRBY z 1 a
E< ["pmessage", "__key*__:*", "__keyevent@0__:zincr", "z"]
> ZADD z INCR 1 a
E< ["pmessage", "__key*__:*", "__keyevent@0__:zincr", "z"]
> ZADD z XX INCR 1 missing
> ZREM z missing
> ZREM z a
E< ["pmessage", "__key*__:*", "__keyevent@0__:zrem", "z"]
> ZREMRANGEBYRANK z 0 0
E< ["pmessage", "__key*__:*", "__keyevent@0__:zremrangebyrank", "z"]
> ZREMRANGEBYSCORE z 3 3
E< ["pmessage", "__key*__:*", "__keyevent@0__:zremrangebyscore", "z"]
> ZREMRANGEBYSCORE z 3 3
> ZREMRANGEBYLEX z - [d
E< ["pmessage", "__key*__:*", "__keyevent@0__:zremrangebylex", "z"]
> ZPOPMIN z 0
> ZPOPMIN z
E< ["pmessage", "__key*__:*", "__keyevent@0__:zpopmin", "z"]
> ZPOPMAX z
E< ["pmessage", "__key*__:*", "__keyevent@0__:zpopmax", "z"]
> ZMPOP 1 z MIN
E< ["pmessage", "__key*__:*", "__keyevent@0__:zpopmin", "z"]
> BZPOPMAX z 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:zpopmax", "z"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "z"]
> CONFIG SET notify-keyspace-events ""

# With the last member the key goes
> CONFIG SET notify-keyspace-events Ezg
> ZADD a 1 m
> ZADD b 1 m
> ZADD c 1 m
> ZADD d 1 m
E> PSUBSCRIBE __key*__:*
> ZREM a m
E< ["pmessage", "__key*__:*", "__keyevent@0__:zrem", "a"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "a"]
> ZREMRANGEBYRANK b 0 -1
E< ["pmessage", "__key*__:*", "__keyevent@0__:zremrangebyrank", "b"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "b"]
> ZPOPMAX c 5
E< ["pmessage", "__key*__:*", "__keyevent@0__:zpopmax", "c"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "c"]
> ZMPOP 1 d MIN COUNT 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:zpopmin", "d"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "d"]
> CONFIG SET notify-keyspace-events ""

# What is stored tells so, and nothing stored is a deletion
> CONFIG SET notify-keyspace-events Ezg
> ZADD z 1 a 2 b
E> PSUBSCRIBE __key*__:*
> ZUNIONSTORE d 1 z
E< ["pmessage", "__key*__:*", "__keyevent@0__:zunionstore", "d"]
> ZINTERSTORE d 1 z
E< ["pmessage", "__key*__:*", "__keyevent@0__:zinterstore", "d"]
> ZDIFFSTORE d 1 z
E< ["pmessage", "__key*__:*", "__keyevent@0__:zdiffstore", "d"]
> ZRANGESTORE d z 0 0
E< ["pmessage", "__key*__:*", "__keyevent@0__:zrangestore", "d"]
> ZRANGESTORE d z 5 9
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "d"]
> ZINTERSTORE d 2 z missing
> ZUNIONSTORE z 1 missing
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "z"]
> CONFIG SET notify-keyspace-events ""

# BZPOPMIN waits for a member
A>> BZPOPMIN y z 0
until> CLIENT LIST TYPE normal
< /cmd=bzpopmin/
> ZADD z 2 b 1 a
< 2
A< ["z", "a", "1"]
> ZRANGE z 0 -1
< ["b"]

# BZMPOP waits for members, and ZUNIONSTORE brings them
A>> BZMPOP 0 2 y z MAX COUNT 5
until> CLIENT LIST TYPE normal
< /cmd=bzmpop/
> ZADD x 1 a 2 b
> ZUNIONSTORE z 1 x
< 2
A< ["z", [["b", "2"], ["a", "1"]]]
> EXISTS z
< 0

# Who has waited longest is served first
A>> BZPOPMAX z 0
until> CLIENT LIST TYPE normal
< /cmd=bzpopmax/
B>> BZPOPMIN z 0
until> CLIENT LIST TYPE normal
< /cmd=bzpopmin/
> ZADD z 1 a 2 b 3 c
< 3
A< ["z", "c", "3"]
B< ["z", "a", "1"]
> ZRANGE z 0 -1
< ["b"]
