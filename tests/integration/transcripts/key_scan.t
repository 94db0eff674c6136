#| SCAN, KEYS, DBSIZE, RANDOMKEY.

# KEYS matches globs
> MSET one 1 two 2 three 3 four 4 "a*b" 5
> KEYS *
< any-order ["one", "two", "three", "four", "a*b"]
> KEYS *o*
< any-order ["one", "two", "four"]
> KEYS t*
< any-order ["two", "three"]
> KEYS t??
< ["two"]
> KEYS [ft]*
< any-order ["two", "three", "four"]
> KEYS [^ft]*
< any-order ["one", "a*b"]
> KEYS [a-o]*
< any-order ["one", "four", "a*b"]
> KEYS "a\\*b"
< ["a*b"]
> KEYS a*b
< ["a*b"]
> KEYS one
< ["one"]
> KEYS nothing
< []
> KEYS ""
< []
> KEYS
< !ERR wrong number of arguments for 'keys' command
> KEYS a b
< !ERR wrong number of arguments for 'keys' command

# KEYS shows binary names
> SET "\x00\r\n" 1
> SET "" 2
> KEYS *
< any-order ["\x00\r\n", ""]

# KEYS knows its database
> SET a 1
> SELECT 7
> SET b 1
> KEYS *
< ["b"]
> DBSIZE
< 1
> RANDOMKEY
< "b"
> SCAN 0
< ["0", ["b"]]

# A pattern of many stars takes no time
> SET aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1
> KEYS a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b
< []

# DBSIZE counts live keys
> DBSIZE
< 0
> MSET a 1 b 2
> HSET h f v
> DBSIZE
< 3
> SET a 2
> DBSIZE
< 3
> DEL a
> DBSIZE
< 2
> DBSIZE x
< !ERR wrong number of arguments for 'dbsize' command

# RANDOMKEY of one, of none
> RANDOMKEY
< nil
> SET k v
> RANDOMKEY
< "k"
> RANDOMKEY x
< !ERR wrong number of arguments for 'randomkey' command
> DEL k
proto 3
> RANDOMKEY
< null

# RANDOMKEY finds each of them
> MSET a 1 b 2
until> RANDOMKEY
< "a"
until> RANDOMKEY
< "b"

# SCAN finds every key
> MSET k1 1 k2 2 k3 3 k4 4 k5 5 k6 6 k7 7 k8 8 k9 9 x1 1 x2 2
> HSET h1 f v
> HSET h2 f v
walk> SCAN *
< ["h1", "h2", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "x1", "x2"]
walk> SCAN * COUNT 1
< ["h1", "h2", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "x1", "x2"]
walk> SCAN * MATCH x* COUNT 2
< ["x1", "x2"]
walk> SCAN * MATCH nothing
< []
walk> SCAN * TYPE hash
< ["h1", "h2"]
walk> SCAN * TYPE HASH MATCH *2 COUNT 100
< ["h2"]
walk> SCAN * TYPE string MATCH [hx]*
< ["x1", "x2"]
walk> SCAN * TYPE list
< []
walk> SCAN * TYPE nonsense
< []
> SCAN 0 COUNT 100000000
< ["0", count 13]

# SCAN of an empty database ends at once
> SCAN 0
< ["0", []]
proto 3
> SCAN 0
< ["0", []]

# SCAN says what it does not understand
> SCAN abc
< !ERR invalid cursor
> SCAN " 0"
< !ERR invalid cursor
> SCAN 18446744073709551616
< !ERR invalid cursor
> SCAN 0 COUNT
< !ERR syntax error
> SCAN 0 COUNT 0
< !ERR syntax error
> SCAN 0 COUNT -5
< !ERR syntax error
> SCAN 0 COUNT abc
< !ERR value is not an integer or out of range
> SCAN 0 WHAT x
< !ERR syntax error
> SCAN 0 MATCH
< !ERR syntax error
> SCAN
< !ERR wrong number of arguments for 'scan' command

# SCAN does not show what has expired or was deleted
> MSET a 1 b 2 c 3
> DEL a
> PEXPIRE b 10
until> EXISTS b
< 0
walk> SCAN *
< ["c"]

# They work inside a transaction, and see it
> SET a 1
> MULTI
> SET b 2
> DEL a
> KEYS *
> DBSIZE
> SCAN 0 COUNT 1000
> RANDOMKEY
> EXEC
< [OK, 1, ["b"], 1, ["0", ["b"]], "b"]

# A cursor is what strtoul takes
> SCAN -1
< [/.*/, *]
> SCAN +0
< ["0", []]
> SCAN ""
< ["0", []]
> SCAN 000
< ["0", []]
> SADD s a
> SSCAN s -1
< *
> SSCAN s ""
< ["0", ["a"]]
> SCAN -
< !ERR invalid cursor
> SCAN +
< !ERR invalid cursor
> SCAN " 1"
< !ERR invalid cursor
> SCAN 0x10
< !ERR invalid cursor
> SCAN 18446744073709551616
< !ERR invalid cursor
