#| SORT and SORT_RO of the elements themselves: order, limits, storing. BY and GET: sort_keys.t.

# SORT wants a key, and options that there are
> SORT
< !ERR wrong number of arguments for 'sort' command
> SORT_RO
< !ERR wrong number of arguments for 'sort_ro' command
> RPUSH l 1 2
> SORT l x
< !ERR syntax error
> SORT l LIMIT
< !ERR syntax error
> SORT l LIMIT 0
< !ERR syntax error
> SORT l LIMIT a 1
< !ERR value is not an integer or out of range
> SORT l LIMIT 0 b
< !ERR value is not an integer or out of range
> SORT l LIMIT 9223372036854775808 1
< !ERR value is not an integer or out of range
> SORT l BY
< !ERR syntax error
> SORT l GET
< !ERR syntax error
> SORT l STORE
< !ERR syntax error
> SORT l ASC DESC ALPHA x
< !ERR syntax error
> SORT_RO l STORE d
< !ERR syntax error
> SORT_RO l x
< !ERR syntax error
> SORT missing x
< !ERR syntax error

# Only lists, sets and sorted sets can be sorted
> SET s v
> HSET h f v
> SORT s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SORT_RO s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SORT h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SORT h BY nosort
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SORT s STORE d
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SORT s LIMIT a b
< !ERR value is not an integer or out of range

# What is not there is empty
> SORT missing
< []
> SORT_RO missing
< []
> SORT missing BY w_* GET #
< []
> SORT missing LIMIT 0 10
< []
> SORT missing STORE d
< 0
> EXISTS d
< 0
proto 3
> SORT missing
< []

# Numbers are sorted as numbers, texts by their bytes
> RPUSH l 10 9 2.5 -3 1e1 0x10 100 -inf inf
> SORT l
< ["-inf", "-3", "2.5", "9", "10", "1e1", "0x10", "100", "inf"]
> SORT l DESC
< ["inf", "100", "0x10", "1e1", "10", "9", "2.5", "-3", "-inf"]
> SORT l ASC
< ["-inf", "-3", "2.5", "9", "10", "1e1", "0x10", "100", "inf"]
> SORT l DESC ASC
< ["-inf", "-3", "2.5", "9", "10", "1e1", "0x10", "100", "inf"]
> SORT l ALPHA
< ["-3", "-inf", "0x10", "10", "100", "1e1", "2.5", "9", "inf"]
> SORT l ALPHA DESC
< ["inf", "9", "2.5", "1e1", "100", "10", "0x10", "-inf", "-3"]
> SORT_RO l
< ["-inf", "-3", "2.5", "9", "10", "1e1", "0x10", "100", "inf"]
> RPUSH t b a C "" aa
> SORT t ALPHA
< ["", "C", "a", "aa", "b"]
> SORT t ALPHA DESC
< ["b", "aa", "a", "C", ""]

# A text ends at a NUL, and equal ones stay as they are; not so where they are stored
> RPUSH l b "a\x00z" a "a\x00b" ""
> SORT l ALPHA
< ["", "a\x00z", "a", "a\x00b", "b"]
> SORT l ALPHA DESC
< ["b", "a\x00z", "a", "a\x00b", ""]
> SORT l ALPHA STORE d
> LRANGE d 0 -1
< ["", "a", "a\x00b", "a\x00z", "b"]

# Equal numbers are sorted by their texts
> RPUSH l 1.0 1 1.00 01 +1 0 -0 0.0
> SORT l
< ["-0", "0", "0.0", "+1", "01", "1", "1.0", "1.00"]
> SORT l DESC
< ["1.00", "1.0", "1", "01", "+1", "0.0", "0", "-0"]

# What is no number cannot be sorted as one
> RPUSH l 1 two 3
> SORT l
< !ERR One or more scores can't be converted into double
> SORT_RO l LIMIT 0 0
< !ERR One or more scores can't be converted into double
> SORT l STORE d
< !ERR One or more scores can't be converted into double
> EXISTS d
< 0
> RPUSH m 1 "1 "
> SORT m
< !ERR One or more scores can't be converted into double
> RPUSH n nan
> SORT n
< !ERR One or more scores can't be converted into double
> RPUSH o "" " 7" -1
> SORT o
< ["-1", "", " 7"]

# A number too large for a double is none, and spoils no later SORT
weir > RPUSH l 1 1e999
weir > SORT l
< !ERR One or more scores can't be converted into double
weir > RPUSH m 2 1
weir > SORT m
< ["1", "2"]

# Sets and sorted sets
> SADD i 3 1 2 -5
> SORT i
< ["-5", "1", "2", "3"]
> SORT i DESC
< ["3", "2", "1", "-5"]
> SADD s c a b
> SORT s ALPHA
< ["a", "b", "c"]
> SORT s
< !ERR One or more scores can't be converted into double
> ZADD z 3 a 1 c 2 b
> SORT z ALPHA
< ["a", "b", "c"]
> SORT z ALPHA DESC LIMIT 0 2
< ["c", "b"]
> SORT z
< !ERR One or more scores can't be converted into double

# LIMIT takes a part
> RPUSH l 5 3 1 4 2
> SORT l LIMIT 0 2
< ["1", "2"]
> SORT l LIMIT 1 2
< ["2", "3"]
> SORT l LIMIT 3 10
< ["4", "5"]
> SORT l LIMIT 5 10
< []
> SORT l LIMIT 9223372036854775807 9223372036854775807
< []
> SORT l LIMIT -1 2
< ["1", "2"]
> SORT l LIMIT -9223372036854775808 2
< ["1", "2"]
> SORT l LIMIT 2 -1
< ["3", "4", "5"]
> SORT l LIMIT 2 -9223372036854775808
< ["3", "4", "5"]
> SORT l LIMIT 0 0
< []
> SORT l LIMIT 2147483648 1
< []
> SORT l LIMIT 1 4294967296
< ["2", "3", "4", "5"]
> SORT l LIMIT 0 1 LIMIT 1 1
< ["2"]
> SORT l LIMIT 1 2 DESC ALPHA
< ["4", "3"]

# A pattern without a star asks for no order
> RPUSH l 3 1 2
> SORT l BY nosort
< ["3", "1", "2"]
> SORT l BY nosort DESC
< ["2", "1", "3"]
> SORT l BY "" LIMIT 1 1
< ["1"]
> SORT l BY nosort DESC LIMIT 0 2
< ["2", "1"]
> SORT l BY nosort LIMIT 3 1
< []
> SORT l BY nosort LIMIT 1 -1
< ["1", "2"]
> SORT l BY nosort BY w_*
< ["3", "1", "2"]
> SORT l BY w_* BY nosort
< ["3", "1", "2"]
> ZADD z 3 a 1 c 2 b
> SORT z BY nosort
< ["c", "b", "a"]
> SORT z BY nosort DESC
< ["a", "b", "c"]
> SORT z BY nosort LIMIT 1 1
< ["b"]
> SORT z BY nosort DESC LIMIT 1 5
< ["b", "c"]
> SORT z BY nosort DESC LIMIT 3 5
< []
> SORT z BY # STORE d
< 3
> LRANGE d 0 -1
< ["c", "b", "a"]
> SADD i 30 10 20
> SORT i BY nosort
< ["10", "20", "30"]
> SORT i BY nosort LIMIT 1 1
< ["20"]

# A set that is stored is sorted as text, so that the list does not depend on chance
> SADD i 10 9 -1 100
> SORT i BY nosort STORE d
< 4
> LRANGE d 0 -1
< ["-1", "10", "100", "9"]
> SORT i BY nosort DESC LIMIT 0 2 STORE d
< 2
> LRANGE d 0 -1
< ["9", "100"]

# STORE makes a list of what was sorted
> RPUSH l 3 1 2
> SET d v EX 100
> SORT l STORE d
< 3
> TYPE d
< list
> TTL d
< -1
> LRANGE d 0 -1
< ["1", "2", "3"]
> SORT l DESC LIMIT 0 2 STORE d
< 2
> LRANGE d 0 -1
< ["3", "2"]
> SORT l STORE x STORE l
< 3
> LRANGE l 0 -1
< ["1", "2", "3"]
> EXISTS x
< 0
> SORT l LIMIT 5 1 STORE d
< 0
> EXISTS d
< 0
> RPUSH d 1
> SORT missing STORE d
< 0
> EXISTS d
< 0

# Storing is told
> CONFIG SET notify-keyspace-events Elg
E> PSUBSCRIBE __key*__:*
> RPUSH l 2 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "l"]
> SORT l STORE d
E< ["pmessage", "__key*__:*", "__keyevent@0__:sortstore", "d"]
> SORT missing STORE d
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "d"]
> SORT missing STORE d
> SORT l
> SORT l STORE d
E< ["pmessage", "__key*__:*", "__keyevent@0__:sortstore", "d"]

# A client that waits for a list gets what is stored
A>> BLPOP d 0
until> INFO clients
< /blocked_clients:1/
> RPUSH l 2 1
> SORT l STORE d
< 2
A< ["d", "1"]
> LRANGE d 0 -1
< ["2"]

# Where the keys of a SORT are
> COMMAND GETKEYS SORT l
< ["l"]
> COMMAND GETKEYS SORT l BY w_* GET x_* STORE d
< ["l", "d"]
> COMMAND GETKEYS SORT l BY store GET store LIMIT 0 1 ALPHA
< ["l"]
> COMMAND GETKEYS SORT l STORE x STORE d
< ["l", "d"]
> COMMAND GETKEYS SORT_RO l BY w_*
< ["l"]
> COMMAND GETKEYSANDFLAGS SORT l BY w_* STORE d
< [["l", [RO, access]], ["d", [OW, update]]]

# What is stored is written back as a list
> SADD i 3 1 2
> SADD d x
> SADD e x
weir > WEIR FLUSH
restart
> SORT i LIMIT 9 9 STORE e
< 0
> EXISTS e
< 0
> SORT i DESC STORE d
< 3
> SORT i LIMIT 9 9 STORE i
< 0
weir > WEIR FLUSH
backend> SELECT value FROM list WHERE key = 'd' ORDER BY position
< [["3"], ["2"], ["1"]]
backend> SELECT count(*) FROM "set"
< [[0]]
