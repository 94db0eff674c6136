#| ZRANGE in all its forms and under its old names, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*.

# ZRANGE by rank
> ZADD z 1 a 2 b 3 c 4 d
> ZRANGE z 0 -1
< ["a", "b", "c", "d"]
> ZRANGE z 1 2
< ["b", "c"]
> ZRANGE z -2 -1
< ["c", "d"]
> ZRANGE z -100 1
< ["a", "b"]
> ZRANGE z 2 100
< ["c", "d"]
> ZRANGE z 3 1
< []
> ZRANGE z 4 9
< []
> ZRANGE z 0 -5
< []
> ZRANGE z 0 -9223372036854775808
< []
> ZRANGE z -9223372036854775808 9223372036854775807
< ["a", "b", "c", "d"]
> ZRANGE z 0 1 REV
< ["d", "c"]
> ZRANGE z -1 -1 REV
< ["a"]
> ZRANGE z 1 2 REV WITHSCORES
< ["c", "3", "b", "2"]
> ZREVRANGE z 0 1
< ["d", "c"]
> ZREVRANGE z 0 0 WITHSCORES
< ["d", "4"]
> ZREVRANGE z 1 -2
< ["c", "b"]
> ZRANGE missing 0 -1
< []
> ZREVRANGE missing 0 -1
< []
> ZRANGE z a 1
< !ERR value is not an integer or out of range
> ZRANGE z 0 1.5
< !ERR value is not an integer or out of range
> ZRANGE missing a 1
< !ERR value is not an integer or out of range

# ZRANGE BYSCORE
> ZADD z 1 a 2 b 2 c 3 d inf e -inf f
> ZRANGE z 1 2 BYSCORE
< ["a", "b", "c"]
> ZRANGE z (1 (3 BYSCORE
< ["b", "c"]
> ZRANGE z -inf +inf BYSCORE
< ["f", "a", "b", "c", "d", "e"]
> ZRANGE z (-inf (+inf BYSCORE
< ["a", "b", "c", "d"]
> ZRANGE z 3 1 BYSCORE
< []
> ZRANGE z 3 1 BYSCORE REV
< ["d", "c", "b", "a"]
> ZRANGE z (3 1 REV BYSCORE WITHSCORES
< ["c", "2", "b", "2", "a", "1"]
> ZRANGE z 1 3 BYSCORE REV
< []
> ZRANGE z (2 (2 BYSCORE
< []
> ZRANGE z 2 2 BYSCORE
< ["b", "c"]
> ZRANGEBYSCORE z 1 2
< ["a", "b", "c"]
> ZRANGEBYSCORE z (1 inf WITHSCORES
< ["b", "2", "c", "2", "d", "3", "e", "inf"]
> ZREVRANGEBYSCORE z 3 (1
< ["d", "c", "b"]
> ZREVRANGEBYSCORE z +inf -inf LIMIT 1 2 WITHSCORES
< ["d", "3", "c", "2"]
> ZREVRANGEBYSCORE z 1 3
< []
> ZRANGEBYSCORE missing 1 2
< []

# Bounds are read laxly
> ZADD z 0 a 5 b 16 c
> ZRANGEBYSCORE z "" " 5"
< ["a", "b"]
> ZRANGEBYSCORE z ( 1e400
< ["b", "c"]
> ZCOUNT z 0x10 infinity
< 1
> ZRANGEBYSCORE z (0 (0x10
< ["b"]

# Bounds that are no numbers
> ZRANGEBYSCORE z a 1
< !ERR min or max is not a float
> ZRANGEBYSCORE z 1 nan
< !ERR min or max is not a float
> ZRANGE z 1 "1 " BYSCORE
< !ERR min or max is not a float
> ZCOUNT z (nan 1
< !ERR min or max is not a float
> ZCOUNT z ((1 2
< !ERR min or max is not a float
> ZREMRANGEBYSCORE z [1 2
< !ERR min or max is not a float
> ZREVRANGEBYSCORE z x 1
< !ERR min or max is not a float

# LIMIT
> ZADD z 1 a 2 b 3 c 4 d
> ZRANGEBYSCORE z -inf inf LIMIT 1 2
< ["b", "c"]
> ZRANGEBYSCORE z -inf inf LIMIT 1 -1
< ["b", "c", "d"]
> ZRANGEBYSCORE z -inf inf LIMIT 1 -9223372036854775808
< ["b", "c", "d"]
> ZRANGEBYSCORE z -inf inf LIMIT -1 2
< []
> ZRANGEBYSCORE z -inf inf LIMIT 0 0
< []
> ZRANGEBYSCORE z -inf inf LIMIT 4 1
< []
> ZRANGEBYSCORE z -inf inf LIMIT 9223372036854775807 9223372036854775807
< []
> ZRANGEBYSCORE z -inf inf LIMIT 3 9223372036854775807
< ["d"]
> ZRANGE z inf -inf BYSCORE REV LIMIT 1 2
< ["c", "b"]
> ZRANGEBYSCORE z -inf inf LIMIT a 1
< !ERR value is not an integer or out of range
> ZRANGEBYSCORE z -inf inf LIMIT 1 9223372036854775808
< !ERR value is not an integer or out of range
> ZRANGEBYSCORE z -inf inf LIMIT 1
< !ERR syntax error
> ZRANGEBYSCORE z 1 2 LIMIT 0 1 WITHSCORES LIMIT 1 1
< ["b", "2"]
> ZRANGE z 0 -1 LIMIT 0 1
< !ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
> ZRANGE z 0 -1 LIMIT 0 -1
< ["a", "b", "c", "d"]
> ZREVRANGE z 0 -1 LIMIT 1 1
< !ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX

# ZRANGE BYLEX
> ZADD z 0 a 0 b 0 c 0 ca 0 d
> ZRANGE z - + BYLEX
< ["a", "b", "c", "ca", "d"]
> ZRANGE z [b [c BYLEX
< ["b", "c"]
> ZRANGE z (b (ca BYLEX
< ["c"]
> ZRANGE z [c + BYLEX
< ["c", "ca", "d"]
> ZRANGE z - (c BYLEX
< ["a", "b"]
> ZRANGE z [bb [bz BYLEX
< []
> ZRANGE z + - BYLEX
< []
> ZRANGE z + - BYLEX REV
< ["d", "ca", "c", "b", "a"]
> ZRANGE z [c [b REV BYLEX
< ["c", "b"]
> ZRANGE z + - BYLEX REV LIMIT 1 2
< ["ca", "c"]
> ZRANGE z + + BYLEX
< []
> ZRANGE z - - BYLEX
< []
> ZRANGE z [ + BYLEX LIMIT 0 2
< ["a", "b"]
> ZRANGE z (c (c BYLEX
< []
> ZRANGE z [c (c BYLEX
< []
> ZRANGEBYLEX z [b (d
< ["b", "c", "ca"]
> ZRANGEBYLEX z - + LIMIT 1 2
< ["b", "c"]
> ZREVRANGEBYLEX z (d [b
< ["ca", "c", "b"]
> ZREVRANGEBYLEX z + - LIMIT 0 1
< ["d"]
> ZREVRANGEBYLEX z - +
< []
> ZLEXCOUNT z - +
< 5
> ZLEXCOUNT z (a (d
< 3
> ZLEXCOUNT z [d [a
< 0
> ZLEXCOUNT missing - +
< 0
> ZRANGEBYLEX missing - +
< []

# Bounds that are no names
> ZRANGEBYLEX z a +
< !ERR min or max not valid string range item
> ZRANGEBYLEX z - ++
< !ERR min or max not valid string range item
> ZRANGEBYLEX z "" +
< !ERR min or max not valid string range item
> ZRANGE z -x + BYLEX
< !ERR min or max not valid string range item
> ZLEXCOUNT z 1 2
< !ERR min or max not valid string range item
> ZREMRANGEBYLEX z [a b
< !ERR min or max not valid string range item
> ZRANGESTORE d z a b BYLEX
< !ERR min or max not valid string range item

# Options that do not go together
> ZADD z 0 a
> ZRANGE z - + BYLEX WITHSCORES
< !ERR syntax error, WITHSCORES not supported in combination with BYLEX
> ZRANGEBYLEX z - + WITHSCORES
< !ERR syntax error, WITHSCORES not supported in combination with BYLEX
> ZRANGE z - + BYLEX BYSCORE
< !ERR syntax error
> ZRANGE z 0 -1 REV REV
< !ERR syntax error
> ZREVRANGE z 0 -1 REV
< !ERR syntax error
> ZRANGEBYSCORE z 0 1 BYSCORE
< !ERR syntax error
> ZRANGE z 0 -1 FOO
< !ERR syntax error
> ZRANGESTORE d z 0 -1 WITHSCORES
< !ERR syntax error

# RESP3 has pairs
> ZADD z 1 a 2.5 b
proto 3
> ZRANGE z 0 -1 WITHSCORES
< [["a", ,1], ["b", ,2.5]]
> ZRANGE z 0 -1
< ["a", "b"]
> ZREVRANGE z 0 -1 WITHSCORES
< [["b", ,2.5], ["a", ,1]]
> ZRANGEBYSCORE z 2 3 WITHSCORES
< [["b", ,2.5]]
> ZRANGE missing 0 -1 WITHSCORES
< []

# ZCOUNT
> ZADD z 1 a 2 b 2 c 3 d
> ZCOUNT z -inf +inf
< 4
> ZCOUNT z 2 2
< 2
> ZCOUNT z (2 3
< 1
> ZCOUNT z (1 (3
< 2
> ZCOUNT z 3 1
< 0
> ZCOUNT missing 0 1
< 0

# ZRANGESTORE stores what ZRANGE shows
> ZADD z 1 a 2 b 3 c 4 d
> ZRANGESTORE d z 1 2
< 2
> ZRANGE d 0 -1 WITHSCORES
< ["b", "2", "c", "3"]
> ZRANGESTORE d z 0 0 REV
< 1
> ZRANGE d 0 -1
< ["d"]
> ZRANGESTORE d z (1 +inf BYSCORE LIMIT 1 1
< 1
> ZRANGE d 0 -1
< ["c"]
> ZRANGESTORE d z +inf (1 BYSCORE REV LIMIT 0 2
< 2
> ZRANGE d 0 -1
< ["c", "d"]
> ZRANGESTORE d z [b + BYLEX
< 3
> ZRANGESTORE z z 1 2
< 2
> ZRANGE z 0 -1
< ["b", "c"]
> OBJECT ENCODING z
< "listpack"

# ZRANGESTORE of nothing removes the destination
> ZADD z 1 a
> ZADD d 1 x
> ZRANGESTORE d z 5 9
< 0
> EXISTS d
< 0
> SET d string
> ZRANGESTORE d missing 0 -1
< 0
> EXISTS d
< 0
> SET d string
> EXPIRE d 100
> ZRANGESTORE d z 0 -1
< 1
> TTL d
< -1
> ZRANGESTORE z z 1 0
< 0
> EXISTS z
< 0

# ZREMRANGEBYRANK
> ZADD z 1 a 2 b 3 c 4 d 5 e
> ZREMRANGEBYRANK z 1 2
< 2
> ZRANGE z 0 -1
< ["a", "d", "e"]
> ZREMRANGEBYRANK z -1 -1
< 1
> ZREMRANGEBYRANK z 5 9
< 0
> ZREMRANGEBYRANK z a 9
< !ERR value is not an integer or out of range
> ZREMRANGEBYRANK z 0 -1
< 2
> EXISTS z
< 0
> ZREMRANGEBYRANK missing 0 -1
< 0

# ZREMRANGEBYSCORE
> ZADD z 1 a 2 b 3 c 4 d 5 e
> ZREMRANGEBYSCORE z (1 3
< 2
> ZREMRANGEBYSCORE z 9 10
< 0
> ZRANGE z 0 -1
< ["a", "d", "e"]
> ZREMRANGEBYSCORE z -inf inf
< 3
> EXISTS z
< 0
> ZREMRANGEBYSCORE missing 0 1
< 0

# ZREMRANGEBYLEX
> ZADD z 0 a 0 b 0 c 0 d
> ZREMRANGEBYLEX z (a [c
< 2
> ZRANGE z 0 -1
< ["a", "d"]
> ZREMRANGEBYLEX z - +
< 2
> EXISTS z
< 0

# A large sorted set answers like a small one
> CONFIG SET zset-max-listpack-entries 0
> ZADD z 1 a 2 b 2 c 3 d 5 e 6 f 7 g 7 h 7 i 8 j
> OBJECT ENCODING z
< "skiplist"
> ZRANGE z 2 4
< ["c", "d", "e"]
> ZRANGE z 2 4 REV
< ["h", "g", "f"]
> ZRANGE z (7 (2 BYSCORE REV WITHSCORES
< ["f", "6", "e", "5", "d", "3"]
> ZRANK z h
< 7
> ZREVRANK z h
< 2
> ZCOUNT z (2 7
< 6
> ZREMRANGEBYSCORE z 2 6
< 5
> ZRANGE z 0 -1
< ["a", "g", "h", "i", "j"]
> ZADD lex 0 c 0 a 0 d 0 b
> ZRANGEBYLEX lex (a [c
< ["b", "c"]
> ZREVRANGEBYLEX lex + (b LIMIT 1 5
< ["c"]
> ZREMRANGEBYLEX lex [b +
< 3
> ZRANGE lex 0 -1
< ["a"]
> CONFIG SET zset-max-listpack-entries 128
