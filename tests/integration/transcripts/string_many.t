#| MGET, MSET, MSETNX.

# MSET stores all, MGET returns them in order
> MSET a 1 b 2 c 3
< OK
> MGET c missing a b a
< ["3", nil, "1", "2", "1"]

# MGET shows a key of another type as null
> SET a 1
> HSET h f v
> MGET a h
< ["1", nil]
proto 3
> MGET a h
< ["1", null]

# The last of two values of one key wins
> MSET a 1 a 2
< OK
> GET a
< "2"
> MSETNX b 1 b 2
< 1
> GET b
< "2"

# MSET replaces any type and drops the TTL
> HSET h f v
> SET s v EX 100
> MSET h 1 s 2
< OK
> TYPE h
< string
> TTL s
< -1

# MSETNX stores all or nothing
> MSETNX a 1 b 2
< 1
> MSETNX b 3 c 4
< 0
> MGET a b c
< ["1", "2", nil]
> HSET h f v
> MSETNX x 1 h 2
< 0
> EXISTS x
< 0

# They want keys with values
> MGET
< !ERR wrong number of arguments for 'mget' command
> MSET a
< !ERR wrong number of arguments for 'mset' command
> MSET a 1 b
< !ERR wrong number of arguments for 'mset' command
> MSETNX a
< !ERR wrong number of arguments for 'msetnx' command
> MSETNX a 1 b
< !ERR wrong number of arguments for 'msetnx' command
> DBSIZE
< 0
