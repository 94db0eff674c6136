#| Sorted sets in the journal and in the backend: what a change costs, and what comes back.
weir-only

# SQLite shows members and scores
> ZADD z 1 one 2.5 two -3 three
> ZADD y 1 "\xff"
> WEIR FLUSH
backend> SELECT key, member, score FROM zset WHERE key = 'z' ORDER BY score
< [["z", "three", ,-3.0], ["z", "one", ,1.0], ["z", "two", ,2.5]]
backend> SELECT hex(member), typeof(member), typeof(score) FROM zset WHERE key = 'y'
< [["FF", "blob", "real"]]
backend> SELECT key, type FROM keys ORDER BY key
< [["y", "zset"], ["z", "zset"]]

# Every score survives the backend
> ZADD z inf a -inf b 5e-324 c 2.2250738585072014e-308 d 1.7976931348623157e308 e 0.1 f -0.0 g 4503599627370497 h 9007199254740993 i 123456789.125 j
> ZADD large inf a -inf b 5e-324 c 0.1 f -0.0 g 9007199254740993 i 1 "x"*65
> WEIR FLUSH
restart
mark
> ZRANGE z 0 -1 WITHSCORES
< ["b", "-inf", "g", "0", "c", "5e-324", "d", "2.2250738585072014e-308", "f", "0.1", "j", "123456789.125", "h", "4503599627370497", "i", "9007199254740992", "e", "1.7976931348623157e+308", "a", "inf"]
stat backend_loads +1
> ZRANGE large 0 -1
< ["b", "g", "c", "f", "x"*65, "i", "a"]
> OBJECT ENCODING large
< "skiplist"
> OBJECT ENCODING z
< "listpack"

# Of a changed sorted set only the changed members are flushed
> ZADD z 1 a 2 b 3 c 4 d 5 e
> WEIR FLUSH
mark
> ZADD z 20 b
> ZINCRBY z 1 b
> ZREM z d missing
> ZADD z 5 e
> WEIR FLUSH
stat flushed_items +1
stat flushed_rows +2..3
backend> SELECT member, score FROM zset ORDER BY score
< [["a", ,1.0], ["c", ,3.0], ["e", ,5.0], ["b", ,21.0]]

# A change of a large one costs as little
> CONFIG SET zset-max-listpack-entries 4
> ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i 10 j
> WEIR FLUSH
mark
> ZADD z 0 j
> ZPOPMIN z
< ["j", "0"]
> ZPOPMAX z
< ["i", "9"]
> WEIR FLUSH
stat flushed_rows +2..3
mark
> ZADD z 9 i
> ZREM z i
> WEIR FLUSH
stat flushed_rows +0..2
backend> SELECT count(*) FROM zset
< [[8]]
> CONFIG SET zset-max-listpack-entries 128

# What changes nothing leaves nothing to flush
> ZADD z 1 a 2 b
> WEIR FLUSH
mark
> ZADD z 1 a
> ZADD z NX 5 a
> ZADD z XX 5 missing
> ZADD z GT 0 a 1 b
> ZADD z LT INCR 1 a
> ZINCRBY z 0 a
> ZADD missing XX 1 a
> ZREM z missing
> ZREM missing a
> ZREMRANGEBYRANK z 5 9
> ZREMRANGEBYSCORE z 5 9
> ZREMRANGEBYLEX z [x [y
> ZPOPMIN z 0
> ZPOPMIN missing
> ZMPOP 1 missing MIN
> BZPOPMIN missing 0.001
> ZUNIONSTORE missing 1 missing
> ZRANGESTORE missing z 5 9
> ZINCRBY z nan a
< !ERR value is not a valid float
stat writes +0
stat journal_last_lsn +0
> WEIR FLUSH
stat flushed_items +0

# A sorted set that is stored over another replaces all of its rows
> ZADD z 1 a 2 b 3 c
> ZADD y 9 x
> WEIR FLUSH
> ZUNIONSTORE z 1 y
< 1
> WEIR FLUSH
backend> SELECT key, member, score FROM zset ORDER BY key
< [["y", "x", ,9.0], ["z", "x", ,9.0]]
> ZDIFFSTORE z 2 y y
< 0
> WEIR FLUSH
backend> SELECT key FROM keys
< [["y"]]

# A destination that only the backend has is removed by an empty result
> ZADD z 1 a
> SET d string
> WEIR FLUSH
restart
> ZINTERSTORE d 2 z missing
< 0
> EXISTS d
< 0
> WEIR FLUSH
backend> SELECT key FROM keys
< [["z"]]

# A sorted set is loaded once, and changed without being rewritten
> ZADD z 1 a 2 b 3 c
> WEIR FLUSH
restart
mark
> ZADD z 5 a
< 0
> ZRANGE z 0 -1
< ["b", "c", "a"]
> ZRANK z a
< 2
stat backend_loads +1
> WEIR FLUSH
stat flushed_rows +1..2

# The journal alone brings everything back
> ZADD z 1 a 2 b 3 c 4 d 5 e
> ZINCRBY z 0.1 a
> ZADD z INCR inf b
> ZPOPMIN z
< ["a", "1.1"]
> ZMPOP 2 missing z MAX COUNT 2
< ["z", [["b", "inf"], ["e", "5"]]]
> BZPOPMAX z 1
< ["z", "d", "4"]
> ZADD q 1 m
> BZMPOP 1 2 q z MIN
< ["q", [["m", "1"]]]
> SADD s x y
> ZUNIONSTORE u 2 z s WEIGHTS 2 1
< 3
> ZRANGESTORE r u 0 1
< 2
> ZREMRANGEBYRANK u 0 0
< 1
kill
> ZRANGE z 0 -1 WITHSCORES
< ["c", "3"]
> EXISTS q
< 0
> ZRANGE u 0 -1 WITHSCORES
< ["y", "1", "c", "6"]
> ZRANGE r 0 -1 WITHSCORES
< ["x", "1", "y", "1"]

# What was flushed and changed again is neither lost nor undone
> ZADD z 1 a 2 b 3 c
> WEIR FLUSH
> ZREM z a
> ZADD z 20 b 4 d
kill
> ZRANGE z 0 -1 WITHSCORES
< ["c", "3", "d", "4", "b", "20"]
> WEIR FLUSH
backend> SELECT member, score FROM zset ORDER BY score
< [["c", ,3.0], ["d", ,4.0], ["b", ,20.0]]
