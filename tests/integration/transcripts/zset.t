#| ZADD, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK.

# ZADD counts the new members, ZSCORE finds them
> ZADD z 1 one
< 1
> ZADD z 2 two 3 three
< 2
> ZADD z 2 two 4 three 5 five
< 1
> ZSCORE z three
< "4"
> ZSCORE z missing
< nil
> ZCARD z
< 4
> ZRANGE z 0 -1 WITHSCORES
< ["one", "1", "two", "2", "three", "4", "five", "5"]
> TYPE z
< zset
> ZCARD missing
< 0
> ZSCORE missing m
< nil

# A member named twice has the last score
> ZADD z 1 a 2 a
< 1
> ZSCORE z a
< "2"

# Members are binary and may be empty
> ZADD z 1 "" 2 "\x00\r\n" 3 "\xff\x00"
< 3
> ZRANGE z 0 -1
< ["", "\x00\r\n", "\xff\x00"]
> ZSCORE z ""
< "1"
> ZREM z ""
< 1

# Equal scores are ordered by the bytes of the member
> ZADD z 0 b 0 "\xff" 0 a 0 ab 0 "" 0 B
> ZRANGE z 0 -1
< ["", "B", "a", "ab", "b", "\xff"]

# Scores are written with as few digits as are needed
> ZADD z 3 int -7 neg 1.5 half 1e20 big 4503599627370497 edge 1e-7 small 123456789012 long
> ZMSCORE z int neg half big edge small long missing
<7.2 ["3", "-7", "1.5", "1e+20", "4503599627370497", "1e-7", "123456789012", nil]
> ZADD z 0.1 tenth 3.14159265358979 pi 1.7976931348623157e308 max
> ZMSCORE z tenth pi max
<7.2 ["0.1", "3.14159265358979", "1.7976931348623157e+308"]

# Infinite, tiny and negative-zero scores
> ZADD z inf a -inf b +inf c Infinity d 5e-324 e -0.0 f
< 6
> ZRANGE z 0 -1 WITHSCORES
<7.2 ["b", "-inf", "f", "0", "e", "5e-324", "a", "inf", "c", "inf", "d", "inf"]
> ZADD z CH 0 f
< 0
> ZSCORE z f
< "0"
> ZADD z 0x10 hex
> ZSCORE z hex
< "16"

# A score must be a number
> ZADD z nan m
< !ERR value is not a valid float
> ZADD z 1 a x b
< !ERR value is not a valid float
> ZADD z "" m
< !ERR value is not a valid float
> ZADD z " 1" m
< !ERR value is not a valid float
> ZADD z 1e400 m
< !ERR value is not a valid float
> ZADD z "1 " m
< !ERR value is not a valid float
> EXISTS z
< 0

# RESP3 has doubles
> ZADD z 1.5 a inf b
proto 3
> ZSCORE z a
< ,1.5
> ZSCORE z b
< ,inf
> ZSCORE z missing
< null
> ZMSCORE z a missing
< [,1.5, null]
> ZMSCORE missing a
< [null]
> ZINCRBY z 1 a
< ,2.5
> ZADD z INCR 1 a
< ,3.5
> ZADD z NX INCR 1 a
< null
> ZADD z XX INCR 1 missing
< null

# ZADD with NX only adds, with XX only updates
> ZADD z NX 1 a 2 b
< 2
> ZADD z NX 10 a 3 c
< 1
> ZADD z XX 20 a 30 d
< 0
> ZADD z XX CH 21 a 30 d
< 1
> ZRANGE z 0 -1 WITHSCORES
< ["b", "2", "c", "3", "a", "21"]
> ZADD missing XX 1 a
< 0
> ZADD missing XX INCR 1 a
< nil
> EXISTS missing
< 0

# ZADD with GT and LT
> ZADD z 10 a 10 b
> ZADD z GT CH 5 a 15 b 1 c
< 2
> ZADD z LT CH 5 a 25 b
< 1
> ZADD z GT XX CH 100 d 6 a
< 1
> ZADD z LT XX CH 6 a
< 0
> ZADD z gt ch 6 a
< 0
> ZRANGE z 0 -1 WITHSCORES
< ["c", "1", "a", "6", "b", "15"]
> ZADD z GT INCR -1 a
< nil
> ZADD z GT INCR 1 a
< "7"
> ZADD z LT INCR 1 a
< nil
> ZADD z LT INCR -3 a
< "4"
> ZADD z INCR 0 a
< "4"
> ZADD z GT INCR 0 a
< nil

# CH counts what was changed
> ZADD z CH 1 a 2 b
< 2
> ZADD z CH 1 a 3 b 4 c
< 2
> ZADD z ch CH 1 a
< 0

# ZADD refuses what contradicts itself
> ZADD z NX XX 1 a
< !ERR XX and NX options at the same time are not compatible
> ZADD z NX GT 1 a
< !ERR GT, LT, and/or NX options at the same time are not compatible
> ZADD z LT NX 1 a
< !ERR GT, LT, and/or NX options at the same time are not compatible
> ZADD z LT GT 1 a
< !ERR GT, LT, and/or NX options at the same time are not compatible
> ZADD z INCR 1 a 2 b
< !ERR INCR option supports a single increment-element pair
> ZADD z NX 1
< !ERR syntax error
> ZADD z NX XX
< !ERR syntax error
> ZADD z 1 a 2
< !ERR syntax error
> ZADD z FOO 1 a
< !ERR syntax error
> ZADD z 1 a NX
< !ERR syntax error
> ZADD z 1
< !ERR wrong number of arguments for 'zadd' command
> EXISTS z
< 0

# ZINCRBY adds
> ZINCRBY z 5 a
< "5"
> ZINCRBY z -1.5 a
< "3.5"
> ZINCRBY z 0 a
< "3.5"
> ZINCRBY z abc a
< !ERR value is not a valid float
> ZINCRBY z nan a
< !ERR value is not a valid float
> ZINCRBY z nx 1
< !ERR syntax error
> ZSCORE z a
< "3.5"
> ZINCRBY z 0.1 f
> ZINCRBY z 0.2 f
< "0.30000000000000004"

# Infinity minus infinity is no score
> ZADD z inf a
> ZINCRBY z -inf a
< !ERR resulting score is not a number (NaN)
> ZADD z INCR -inf a
< !ERR resulting score is not a number (NaN)
> ZSCORE z a
< "inf"
> ZINCRBY z 1 a
< "inf"

# ZREM counts what it removed, and the last member takes the set with it
> ZADD z 1 a 2 b 3 c
> ZREM z a missing a
< 1
> ZREM z missing
< 0
> ZREM missing a
< 0
> ZREM z b c d
< 2
> EXISTS z
< 0
> ZADD z 1 a
> MULTI
> ZREM z a
> EXISTS z
> ZADD z 2 b
> ZRANGE z 0 -1
> EXEC
< [1, 0, 1, ["b"]]
> EXPIRE z 100
> ZADD z 3 c
> TTL z
< 99..100
> ZREM z b c
> ZADD z 1 a
> TTL z
< -1

# ZRANK and ZREVRANK
> ZADD z 10 a 20 b 20 c 30 d
> ZRANK z a
< 0
> ZRANK z c
< 2
> ZREVRANK z c
< 1
> ZREVRANK z a
< 3
> ZRANK z missing
< nil
> ZRANK missing a
< nil
> ZREVRANK missing a
< nil

# WITHSCORE tells the score too
> ZADD z 10 a 20.5 b
> ZRANK z b WITHSCORE
<7.2 [1, "20.5"]
> ZREVRANK z b withscore
<7.2 [0, "20.5"]
> ZRANK z missing WITHSCORE
<7.2 nil-array
> ZRANK missing a WITHSCORE
<7.2 nil-array
> ZRANK z a WITHSCORES
<7.2 !ERR syntax error
> ZRANK z a WITHSCORE x
<7.2 !ERR wrong number of arguments for 'zrank' command
proto 3
> ZRANK z b WITHSCORE
<7.2 [1, ,20.5]
> ZRANK z missing WITHSCORE
<7.2 null
> ZRANK z missing
< null

# A sorted set grows from a list to a skip list
> ZADD z 1 a
> OBJECT ENCODING z
< "listpack"
> ZADD z 1 "x"*64
> OBJECT ENCODING z
< "listpack"
> ZADD z 1 "x"*65
> OBJECT ENCODING z
< "skiplist"
> ZREM z "x"*65
> OBJECT ENCODING z
< "skiplist"
> ZADD y 1 "x"*65
> OBJECT ENCODING y
< "skiplist"
> CONFIG SET zset-max-listpack-entries 3
> ZADD x 1 a 2 b 3 c
> ZADD x 5 a
> OBJECT ENCODING x
< "listpack"
> ZADD x 4 d
> OBJECT ENCODING x
< "skiplist"
> ZRANGE x 0 -1 WITHSCORES
< ["b", "2", "c", "3", "d", "4", "a", "5"]
> CONFIG SET zset-max-listpack-entries 128

# Sorted set commands refuse a string
> SET s v
> ZADD s 1 a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZADD s XX 1 a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZINCRBY s 1 a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREM s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZSCORE s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZMSCORE s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZCARD s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZRANK s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREVRANK s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZRANGE s 0 -1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZRANGESTORE d s 0 -1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZRANGEBYSCORE s 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREVRANGEBYSCORE s 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZRANGEBYLEX s - +
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREVRANGEBYLEX s + -
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREVRANGE s 0 -1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZCOUNT s 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZLEXCOUNT s - +
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREMRANGEBYRANK s 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREMRANGEBYSCORE s 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZREMRANGEBYLEX s - +
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZPOPMIN s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZPOPMAX s 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZMPOP 2 missing s MIN
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BZPOPMIN s 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BZPOPMAX s 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BZMPOP 1 1 s MAX
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZRANDMEMBER s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZSCAN s 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZUNION 1 s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZINTER 2 missing s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZDIFF 2 missing s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZINTERCARD 2 missing s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZUNIONSTORE d 1 s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZINTERSTORE d 1 s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> ZDIFFSTORE d 1 s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GET s
< "v"

# Sorted set commands want the right number of arguments
> ZREM z
< !ERR wrong number of arguments for 'zrem' command
> ZSCORE z
< !ERR wrong number of arguments for 'zscore' command
> ZMSCORE z
< !ERR wrong number of arguments for 'zmscore' command
> ZCARD
< !ERR wrong number of arguments for 'zcard' command
> ZINCRBY z 1
< !ERR wrong number of arguments for 'zincrby' command
> ZRANK z
< !ERR wrong number of arguments for 'zrank' command
> ZREVRANK z
< !ERR wrong number of arguments for 'zrevrank' command
> ZCOUNT z 1
< !ERR wrong number of arguments for 'zcount' command
> ZLEXCOUNT z -
< !ERR wrong number of arguments for 'zlexcount' command
> ZRANGE z 0
< !ERR wrong number of arguments for 'zrange' command
> ZRANGESTORE d z 0
< !ERR wrong number of arguments for 'zrangestore' command
> ZRANGEBYSCORE z 0
< !ERR wrong number of arguments for 'zrangebyscore' command
> ZREVRANGEBYSCORE z 0
< !ERR wrong number of arguments for 'zrevrangebyscore' command
> ZRANGEBYLEX z -
< !ERR wrong number of arguments for 'zrangebylex' command
> ZREVRANGEBYLEX z +
< !ERR wrong number of arguments for 'zrevrangebylex' command
> ZREVRANGE z 0
< !ERR wrong number of arguments for 'zrevrange' command
> ZREMRANGEBYRANK z 0
< !ERR wrong number of arguments for 'zremrangebyrank' command
> ZREMRANGEBYSCORE z 0
< !ERR wrong number of arguments for 'zremrangebyscore' command
> ZREMRANGEBYLEX z -
< !ERR wrong number of arguments for 'zremrangebylex' command
> ZPOPMIN
< !ERR wrong number of arguments for 'zpopmin' command
> ZPOPMAX
< !ERR wrong number of arguments for 'zpopmax' command
> ZMPOP 1 z
< !ERR wrong number of arguments for 'zmpop' command
> BZPOPMIN z
< !ERR wrong number of arguments for 'bzpopmin' command
> BZPOPMAX z
< !ERR wrong number of arguments for 'bzpopmax' command
> BZMPOP 1 1 z
< !ERR wrong number of arguments for 'bzmpop' command
> ZRANDMEMBER
< !ERR wrong number of arguments for 'zrandmember' command
> ZSCAN z
< !ERR wrong number of arguments for 'zscan' command
> ZUNION 1
< !ERR wrong number of arguments for 'zunion' command
> ZINTER 1
< !ERR wrong number of arguments for 'zinter' command
> ZDIFF 1
< !ERR wrong number of arguments for 'zdiff' command
> ZINTERCARD 1
< !ERR wrong number of arguments for 'zintercard' command
> ZUNIONSTORE d 1
< !ERR wrong number of arguments for 'zunionstore' command
> ZINTERSTORE d 1
< !ERR wrong number of arguments for 'zinterstore' command
> ZDIFFSTORE d 1
< !ERR wrong number of arguments for 'zdiffstore' command
