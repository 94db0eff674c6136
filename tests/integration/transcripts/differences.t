#| Differences that tests/differential has found: kept, so that they stay mended.

# EXEC with arguments aborts and ends the transaction
> MULTI
> SET k v
> EXEC now
< !EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
> GET k
< nil
> EXEC now
< !EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command

# UNWATCH may stand in a transaction of a client that watches
> WATCH k
> MULTI
> UNWATCH
> SET k v
> EXEC
< [OK, OK]
> GET k
< "v"

# COMMAND GETKEYS names the key of MOVE once
> COMMAND GETKEYS MOVE k 1
< ["k"]

# The options of LMPOP and ZMPOP are judged from left to right
> RPUSH l a
> ZADD z 1 a
> ZMPOP 2 z l MIN COUNT 01 COUNT 1
< !ERR count should be greater than 0
> ZMPOP 1 z MIN COUNT -0 WITHSCORES
< !ERR count should be greater than 0
> ZMPOP 1 z MIN COUNT 1 COUNT 1
< !ERR syntax error
> LMPOP 2 l z LEFT COUNT 0 COUNT 1
< !ERR count should be greater than 0
> LMPOP 1 l LEFT COUNT 1 WITHSCORES
< !ERR syntax error

# A score of -0 is 0 in a small sorted set
> ZADD z -0 a 1 b
> ZRANGE z 0 -1 WITHSCORES
< ["a", "0", "b", "1"]
> ZSCORE z a
< "0"

# BLMPOP judges its timeout after all else
> BLMPOP x 2 a b UP
< !ERR syntax error
> BLMPOP x 0 a LEFT
< !ERR numkeys should be greater than 0
> BLMPOP x 1 a LEFT COUNT 0
< !ERR count should be greater than 0
> BLMPOP x 1 a LEFT
< !ERR timeout is not a float or out of range
