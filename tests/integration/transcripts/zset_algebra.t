#| ZUNION, ZINTER, ZDIFF, ZINTERCARD and what stores them.

# ZUNION adds scores
> ZADD x 1 a 2 b 3 c
> ZADD y 10 b 20 d
> ZUNION 2 x y
< ["a", "c", "b", "d"]
> ZUNION 2 x y WITHSCORES
< ["a", "1", "c", "3", "b", "12", "d", "20"]
> ZUNION 2 x y WEIGHTS 2 0.5 WITHSCORES
< ["a", "2", "c", "6", "b", "9", "d", "10"]
> ZUNION 2 x y AGGREGATE MIN WITHSCORES
< ["a", "1", "b", "2", "c", "3", "d", "20"]
> ZUNION 2 x y AGGREGATE MAX WITHSCORES
< ["a", "1", "c", "3", "b", "10", "d", "20"]
> ZUNION 2 x y WEIGHTS -1 1 AGGREGATE SUM WITHSCORES
< ["c", "-3", "a", "-1", "b", "8", "d", "20"]
> ZUNION 2 x missing
< ["a", "b", "c"]
> ZUNION 1 missing
< []
> ZUNION 3 x x x WITHSCORES
< ["a", "3", "b", "6", "c", "9"]

# ZINTER
> ZADD x 1 a 2 b 3 c
> ZADD y 10 b 20 c 30 d
> ZINTER 2 x y
< ["b", "c"]
> ZINTER 2 x y WITHSCORES
< ["b", "12", "c", "23"]
> ZINTER 2 x y WEIGHTS 100 1 AGGREGATE MIN WITHSCORES
< ["b", "10", "c", "20"]
> ZINTER 2 x y AGGREGATE MAX WEIGHTS 100 1 WITHSCORES
< ["b", "200", "c", "300"]
> ZINTER 2 x missing
< []
> ZINTER 2 x x WITHSCORES
< ["a", "2", "b", "4", "c", "6"]

# ZDIFF keeps the scores of the first
> ZADD x 1 a 2 b 3 c
> ZADD y 10 b 20 d
> ZDIFF 2 x y
< ["a", "c"]
> ZDIFF 2 x y WITHSCORES
< ["a", "1", "c", "3"]
> ZDIFF 2 missing x
< []
> ZDIFF 2 x missing
< ["a", "b", "c"]
> ZDIFF 2 x x
< []
> ZDIFF 3 x y missing
< ["a", "c"]
> ZDIFF 1 x WITHSCORES
< ["a", "1", "b", "2", "c", "3"]

# ZINTERCARD counts, up to a limit
> ZADD x 1 a 2 b 3 c
> ZADD y 1 a 2 b 3 c 4 d
> ZINTERCARD 2 x y
< 3
> ZINTERCARD 2 x y LIMIT 2
< 2
> ZINTERCARD 2 x y LIMIT 0
< 3
> ZINTERCARD 2 x y LIMIT 9223372036854775807
< 3
> ZINTERCARD 2 x missing
< 0
> ZINTERCARD 2 x y LIMIT -1
< !ERR LIMIT can't be negative
> ZINTERCARD 2 x y LIMIT a
< !ERR LIMIT can't be negative
> ZINTERCARD 2 x y LIMIT
< !ERR syntax error
> ZINTERCARD 2 x y WITHSCORES
< !ERR syntax error
> ZINTERCARD 2 x y WEIGHTS 1 1
< !ERR syntax error
> ZINTERCARD 0 x
< !ERR at least 1 input key is needed for 'zintercard' command

# Sets are sources too
> SADD s a b z
> SADD n 1 2 3
> ZADD x 5 a 6 c 7 2
> ZUNION 2 x s WITHSCORES
< ["b", "1", "z", "1", "a", "6", "c", "6", "2", "7"]
> ZINTER 2 s x WITHSCORES
< ["a", "6"]
> ZINTER 2 n x WEIGHTS 10 1 WITHSCORES
< ["2", "17"]
> ZINTER 2 s n
< []
> ZDIFF 2 s x WITHSCORES
< ["b", "1", "z", "1"]
> ZDIFF 2 x n
< ["a", "c"]
> ZINTERCARD 2 s x
< 1
> ZUNIONSTORE d 2 s n WEIGHTS 2 3
< 6
> ZRANGE d 0 -1 WITHSCORES
< ["a", "2", "b", "2", "z", "2", "1", "3", "2", "3", "3", "3"]
> TYPE d
< zset

# Infinities
> ZADD x inf a
> ZADD y -inf a
> ZUNION 2 x y WITHSCORES
< ["a", "0"]
> ZINTER 2 x y WITHSCORES
< ["a", "0"]
> ZUNION 1 x WEIGHTS 0 WITHSCORES
< ["a", "0"]
> ZINTER 2 x x WEIGHTS 0 1 WITHSCORES
< ["a", "inf"]
> ZUNIONSTORE d 2 x y WEIGHTS 1 -1
< 1
> ZSCORE d a
< "inf"
> ZUNION 1 x WEIGHTS inf WITHSCORES
< ["a", "inf"]

# RESP3 has pairs
> ZADD x 1 a 2 b
> ZADD y 3 b
proto 3
> ZUNION 2 x y WITHSCORES
< [["a", ,1], ["b", ,5]]
> ZINTER 2 x y WITHSCORES
< [["b", ,5]]
> ZDIFF 2 x y WITHSCORES
< [["a", ,1]]
> ZDIFF 2 x y
< ["a"]

# ZUNIONSTORE, ZINTERSTORE and ZDIFFSTORE store
> ZADD x 1 a 2 b 3 c
> ZADD y 10 b 20 d
> ZUNIONSTORE d 2 x y
< 4
> ZRANGE d 0 -1 WITHSCORES
< ["a", "1", "c", "3", "b", "12", "d", "20"]
> ZINTERSTORE d 2 x y WEIGHTS 1 2 AGGREGATE SUM
< 1
> ZRANGE d 0 -1 WITHSCORES
< ["b", "22"]
> ZDIFFSTORE d 2 x y
< 2
> ZRANGE d 0 -1 WITHSCORES
< ["a", "1", "c", "3"]

# The destination may be a source
> ZADD x 1 a 2 b
> ZADD y 10 b
> ZUNIONSTORE x 2 x y
< 2
> ZRANGE x 0 -1 WITHSCORES
< ["a", "1", "b", "12"]
> ZINTERSTORE y 2 x y
< 1
> ZRANGE y 0 -1 WITHSCORES
< ["b", "22"]
> ZDIFFSTORE x 2 x x
< 0
> EXISTS x
< 0

# The destination is replaced, or removed when nothing is left
> ZADD x 1 a
> SET d string
> EXPIRE d 100
> ZUNIONSTORE d 1 x
< 1
> TYPE d
< zset
> TTL d
< -1
> ZINTERSTORE d 2 x missing
< 0
> EXISTS d
< 0
> SET d string
> ZUNIONSTORE d 1 missing
< 0
> EXISTS d
< 0
> ZDIFFSTORE d 2 x x
< 0

# Wrong arguments
> ZUNION a x
< !ERR value is not an integer or out of range
> ZUNION 0 x
< !ERR at least 1 input key is needed for 'zunion' command
> ZINTER -1 x
< !ERR at least 1 input key is needed for 'zinter' command
> ZDIFFSTORE d 0 x
< !ERR at least 1 input key is needed for 'zdiffstore' command
> ZUNION 2 x
< !ERR syntax error
> ZUNION 9223372036854775807 x
< !ERR syntax error
> ZUNION 1 x y
< !ERR syntax error
> ZUNION 2 x y WEIGHTS 1
< !ERR syntax error
> ZUNION 2 x y WEIGHTS 1 a
< !ERR weight value is not a float
> ZUNION 2 x y WEIGHTS 1 nan
< !ERR weight value is not a float
> ZUNION 2 x y AGGREGATE AVG
< !ERR syntax error
> ZUNION 2 x y AGGREGATE
< !ERR syntax error
> ZUNIONSTORE d 2 x y WITHSCORES
< !ERR syntax error
> ZDIFF 2 x y WEIGHTS 1 1
< !ERR syntax error
> ZDIFF 2 x y AGGREGATE SUM
< !ERR syntax error
> ZUNION 1 x LIMIT 1
< !ERR syntax error

# COMMAND GETKEYS knows where the keys are
> COMMAND GETKEYS ZUNIONSTORE d 2 x y WEIGHTS 1 2
< ["d", "x", "y"]
> COMMAND GETKEYS ZINTER 2 x y
< ["x", "y"]
> COMMAND GETKEYS ZMPOP 2 x y MIN
< ["x", "y"]
> COMMAND GETKEYS BZMPOP 0 2 x y MIN
< ["x", "y"]
> COMMAND GETKEYS BZPOPMIN x y 0
< ["x", "y"]
> COMMAND GETKEYS ZRANGESTORE d s 0 -1
< ["d", "s"]
> COMMAND GETKEYS ZUNION 3 x y
< !ERR Invalid arguments specified for command
