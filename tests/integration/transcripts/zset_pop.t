#| ZPOPMIN, ZPOPMAX, ZMPOP; BZPOPMIN, BZPOPMAX, BZMPOP where nobody has to wait.

# ZPOPMIN and ZPOPMAX take from the ends
> ZADD z 1 a 2 b 2 c 3 d 4.5 e
> ZPOPMIN z
< ["a", "1"]
> ZPOPMAX z
< ["e", "4.5"]
> ZPOPMIN z 2
< ["b", "2", "c", "2"]
> ZADD z 3 e 5 f
> ZPOPMAX z 2
< ["f", "5", "e", "3"]
> ZPOPMAX z 100
< ["d", "3"]
> EXISTS z
< 0
> ZPOPMIN z
< []
> ZPOPMIN missing 5
< []
> ZPOPMAX missing 0
< []

# The count of ZPOPMIN
> ZADD z 1 a
> ZPOPMIN z 0
< []
> ZPOPMIN z -1
< !ERR value is out of range, must be positive
> ZPOPMIN z abc
< !ERR value is out of range, must be positive
> ZPOPMIN missing -1
< !ERR value is out of range, must be positive
> ZPOPMAX z 1 1
< !ERR syntax error
> ZPOPMAX z 9223372036854775807
< ["a", "1"]

# ZPOPMIN in RESP3 has pairs when it has a count
> ZADD z 1 a 2 b 3 c
proto 3
> ZPOPMIN z
< ["a", ,1]
> ZPOPMIN z 1
< [["b", ,2]]
> ZPOPMAX z 5
< [["c", ,3]]
> ZPOPMAX z
< []

# ZMPOP takes from the first that has members
> ZADD y 1 a 2 b 3 c
> ZMPOP 2 missing y MIN
< ["y", [["a", "1"]]]
> ZMPOP 2 missing y max COUNT 5
< ["y", [["c", "3"], ["b", "2"]]]
> EXISTS y
< 0
> ZMPOP 2 missing y MAX
< nil-array
> ZADD z 1 a
> ZADD y 2 b
> ZMPOP 2 z y MIN COUNT 10
< ["z", [["a", "1"]]]
proto 3
> ZMPOP 2 z y MIN COUNT 10
< ["y", [["b", ,2]]]
> ZMPOP 2 z y MIN
< null

# ZMPOP checks its arguments
> ZMPOP 0 z MIN
< !ERR numkeys should be greater than 0
> ZMPOP a z MIN
< !ERR numkeys should be greater than 0
> ZMPOP -1 z MIN
< !ERR numkeys should be greater than 0
> ZMPOP 2 z MIN
< !ERR syntax error
> ZMPOP 9223372036854775807 z MIN
< !ERR syntax error
> ZMPOP 1 z MIDDLE
< !ERR syntax error
> ZMPOP 1 z MIN COUNT
< !ERR syntax error
> ZMPOP 1 z MIN COUNT 0
< !ERR count should be greater than 0
> ZMPOP 1 z MIN COUNT -1
< !ERR count should be greater than 0
> ZMPOP 1 z MIN COUNT a
< !ERR count should be greater than 0
> ZMPOP 1 z MIN COUNT 1 COUNT 2
< !ERR syntax error
> ZMPOP 1 z MIN FOO 1
< !ERR syntax error

# BZPOPMIN and BZPOPMAX take at once what is there
> ZADD z 1 a 2 b 3 c
> BZPOPMIN missing z 1
< ["z", "a", "1"]
> BZPOPMAX z missing 0
< ["z", "c", "3"]
proto 3
> BZPOPMIN z 1
< ["z", "b", ,2]
> EXISTS z
< 0

# BZMPOP takes at once what is there
> ZADD z 1 a 2 b 3 c
> BZMPOP 1 2 missing z MAX
< ["z", [["c", "3"]]]
> BZMPOP 0 1 z MIN COUNT 9
< ["z", [["a", "1"], ["b", "2"]]]
> EXISTS z
< 0

# Inside EXEC nobody waits
> ZADD z 1 a
> MULTI
> BZPOPMIN z 0
> BZPOPMIN z 0
> BZPOPMAX z y 0
> BZMPOP 0 1 z MIN
> EXEC
< [["z", "a", "1"], nil-array, nil-array, nil-array]

# Timeouts
> BZPOPMIN z -1
< !ERR timeout is negative
> BZPOPMIN z abc
< !ERR timeout is not a float or out of range
> BZMPOP -1 1 z MIN
< !ERR timeout is negative
> BZMPOP abc 1 z MIN
< !ERR timeout is not a float or out of range
> BZMPOP abc 0 z MIN
< !ERR numkeys should be greater than 0
> BZMPOP 1 1 z FOO
< !ERR syntax error
> BZMPOP 1 1 z MIN COUNT 0
< !ERR count should be greater than 0
> BZPOPMIN z 0.01
< nil-array
> BZPOPMAX z y 0.01
< nil-array
> BZMPOP 0.01 1 z MIN
< nil-array

# Popping from a large sorted set
> CONFIG SET zset-max-listpack-entries 0
> ZADD z 1 a 2 b 3 c 4 d
> ZPOPMIN z
< ["a", "1"]
> ZPOPMAX z 2
< ["d", "4", "c", "3"]
> ZPOPMAX z 2
< ["b", "2"]
> EXISTS z
< 0
> CONFIG SET zset-max-listpack-entries 128
