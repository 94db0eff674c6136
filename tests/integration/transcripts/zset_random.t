#| ZRANDMEMBER, ZSCAN.

# ZRANDMEMBER returns a member
> ZADD z 1 a
> ZRANDMEMBER z
< "a"
> ZRANDMEMBER missing
< nil
> ZRANDMEMBER missing 5
< []
> ZRANDMEMBER missing -5 WITHSCORES
< []
proto 3
> ZRANDMEMBER z
< "a"
> ZRANDMEMBER missing
< null

# A positive count gives distinct members
> ZADD z 1 a 2 b 3 c
> ZRANDMEMBER z 10
< any-order ["a", "b", "c"]
> ZRANDMEMBER z 2
< distinct 2
> ZRANDMEMBER z 0
< []
> ZRANDMEMBER z 9223372036854775807
< count 3
> ZADD z 4 d 5 e 6 f 7 g 8 h 9 i 10 j
> ZRANDMEMBER z 2
< distinct 2
> ZRANDMEMBER z 9
< distinct 9

# A negative count gives members again and again
> ZADD z 1 a
> ZRANDMEMBER z -3
< ["a", "a", "a"]
> ZRANDMEMBER z -2 WITHSCORES
< ["a", "1", "a", "1"]
proto 3
> ZRANDMEMBER z -2 WITHSCORES
< [["a", ,1], ["a", ,1]]
> ZRANDMEMBER z 2 withscores
< [["a", ,1]]

# What ZRANDMEMBER can never send it does not begin
> ZADD z 1 a
weir > ZRANDMEMBER z -9223372036854775807
weir < !ERR value is out of range
weir > ZRANDMEMBER z -4611686018427387903 WITHSCORES
weir < !ERR value is out of range
> ZRANDMEMBER z -4611686018427387904 WITHSCORES
< !ERR value is out of range
> ZRANDMEMBER z 4611686018427387904 WITHSCORES
< !ERR value is out of range

# Wrong counts
> ZRANDMEMBER z a
< !ERR value is not an integer or out of range
> ZRANDMEMBER z 1 FOO
< !ERR syntax error
> ZRANDMEMBER z 1 WITHSCORES x
< !ERR syntax error
> ZRANDMEMBER z -9223372036854775808
< !ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807

# ZSCAN goes over a small sorted set at once, in order
> ZADD z 2 b 1.5 a inf c
> ZSCAN z 0
< ["0", ["a", "1.5", "b", "2", "c", "inf"]]
> ZSCAN z 0 MATCH b
< ["0", ["b", "2"]]
> ZSCAN missing 0
< ["0", []]
> ZSCAN z 0 COUNT 0
< !ERR syntax error
> ZSCAN z 0 COUNT a
< !ERR value is not an integer or out of range
> ZSCAN z a
< !ERR invalid cursor
> ZSCAN z 0 FOO
< !ERR syntax error
proto 3
> ZSCAN z 0
< ["0", ["a", "1.5", "b", "2", "c", "inf"]]

# ZSCAN goes over a large one in steps
> CONFIG SET zset-max-listpack-entries 0
> ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h
walk> ZSCAN z * COUNT 2
< {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6", "g": "7", "h": "8"}
walk> ZSCAN z * COUNT 3 MATCH [ab]
< {"a": "1", "b": "2"}
> CONFIG SET zset-max-listpack-entries 128
