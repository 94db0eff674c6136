#| What reaches the backend, how often, and what comes back from it. The server of these tests
#| flushes only when WEIR FLUSH says so.
weir-only

# Many writes of a key are flushed once
> SET k 0
> WEIR FLUSH
mark
> INCR k
> INCR k
> APPEND k !
> SETRANGE k 0 9
> EXPIRE k 100
stat writes +5
stat coalesced_writes +4
stat flushed_items +0
> WEIR FLUSH
stat flushed_items +1
stat flushed_rows +1
> WEIR FLUSH
stat flushed_items +1
backend> SELECT key, value FROM string
< [["k", "9!"]]

# A write that changes nothing leaves nothing to flush
> SET k v
> HSET h f v
> WEIR FLUSH
mark
> DEL missing
> SETNX k w
> SET k w NX
> SET missing w XX
> MSETNX k 1 other 2
> PERSIST k
> EXPIRE missing 100
> EXPIRE k 100 XX
> GETDEL missing
> GETEX k
> GETEX k PERSIST
> SETRANGE k 10 ""
> APPEND k ""
> HDEL h missing
> HDEL missing f
> HSETNX h f w
> RENAMENX k h
> RENAME k k
> COPY k h
> COPY missing k REPLACE
> MOVE missing 1
> SWAPDB 2 2
> INCRBY k 9223372036854775808
< !ERR value is not an integer or out of range
> INCR k
< !ERR value is not an integer or out of range
stat writes +0
stat journal_last_lsn +0
> WEIR FLUSH
stat flushed_items +0

# Values look in SQLite as they look here
> SET text "gr\xc3\xbc\xc3\x9fe"
> SET number 42
> SET bytes "\x00\xff"
> SET "\xff\x00" binary-key
> SET expiring v PXAT 33177117420000
> HSET user name Ada year 1815 photo "\xff\xd8"
> WEIR FLUSH
backend> SELECT key, value, expires_at FROM string WHERE key IN ('text', 'number', 'bytes', 'expiring') ORDER BY key
< [["bytes", "\x00\xff", nil], ["expiring", "v", 33177117420000], ["number", "42", nil], ["text", "gr\xc3\xbc\xc3\x9fe", nil]]
backend> SELECT typeof(value) FROM string WHERE key IN ('text', 'bytes') ORDER BY key
< [["blob"], ["text"]]
backend> SELECT hex(key), value FROM string WHERE typeof(key) = 'blob'
< [["FF00", "binary-key"]]
backend> SELECT key, field, value FROM hash ORDER BY field
< [["user", "name", "Ada"], ["user", "photo", "\xff\xd8"], ["user", "year", "1815"]]

# Of a changed hash only the changed fields are flushed
> HSET h a 1 b 2 c 3 d 4 e 5
> WEIR FLUSH
mark
> HSET h b 20
> HINCRBY h b 1
> HDEL h d missing
> WEIR FLUSH
stat flushed_items +1
stat flushed_rows +2..3
backend> SELECT field, value FROM hash ORDER BY field
< [["a", "1"], ["b", "21"], ["c", "3"], ["e", "5"]]

# Deleting reaches the backend
> MSET a 1 b 2
> HSET h f v g w
> WEIR FLUSH
> DEL a
> HDEL h f g
> WEIR FLUSH
backend> SELECT key FROM keys
< [["b"]]
> GETDEL b
> WEIR FLUSH
backend> SELECT key FROM keys
< []

# Written and deleted in between leaves no trace
> SET passing 1
> DEL passing
> WEIR FLUSH
backend> SELECT key FROM keys
< []
> EXISTS passing
< 0

# A key that changes its type is the new one only
> HSET k f v
> WEIR FLUSH
> SET k string
> WEIR FLUSH
backend> SELECT key, type FROM keys
< [["k", "string"]]
backend> SELECT count(*) FROM hash
< [[0]]
> DEL k
> HSET k g w
> WEIR FLUSH
backend> SELECT field, value FROM hash
< [["g", "w"]]
backend> SELECT count(*) FROM string
< [[0]]

# A hash deleted and made anew has no old fields
> HSET h a 1 b 2
> WEIR FLUSH
> DEL h
> HSET h c 3
> WEIR FLUSH
backend> SELECT field, value FROM hash
< [["c", "3"]]
> RENAME h g
> HSET h a 1
> WEIR FLUSH
backend> SELECT key, field FROM hash ORDER BY key
< [["g", "c"], ["h", "a"]]

# Databases are kept apart
> SET k zero
> SELECT 3
> SET k three
> WEIR FLUSH
backend> SELECT db, value FROM string ORDER BY db
< [[0, "zero"], [3, "three"]]
> SWAPDB 0 3
> WEIR FLUSH
backend> SELECT db, value FROM string ORDER BY db
< [[0, "three"], [3, "zero"]]
> FLUSHDB
> WEIR FLUSH
backend> SELECT db, value FROM string ORDER BY db
< [[0, "three"]]
> SELECT 0
> GET k
< "three"

# An expired key is deleted in the backend too
> SET k v PX 60
> SET other v
> WEIR FLUSH
until> DBSIZE
< 1
> WEIR FLUSH
backend> SELECT key FROM keys
< [["other"]]

# After a restart a key is loaded when it is asked for, once
> SET k v
> HSET h a 1 b 2
> WEIR FLUSH
kill
mark
> GET k
< "v"
> GET k
< "v"
stat backend_loads +1
> HGETALL h
< any-order ["a", "1", "b", "2"]
> HLEN h
< 2
stat backend_loads +2
> GET missing
< nil
> GET missing
< nil
stat backend_loads +2..3
stat backend_load_absent +0..1

# An overwrite does not load
> SET k old EX 100
> HSET h f v
> WEIR FLUSH
kill
mark
> SET k new
< OK
> SETEX h 100 string
< OK
> MSET x 1 y 2
< OK
stat backend_loads +0
> GET k
< "new"
> TTL k
< -1
> TYPE h
< string
> WEIR FLUSH
backend> SELECT key, value FROM string ORDER BY key
< [["h", "string"], ["k", "new"], ["x", "1"], ["y", "2"]]
backend> SELECT count(*) FROM hash
< [[0]]

# Every update finds what the backend has
> MSET n 5 s abc f 1.5
> SET t v PXAT 33177117420000
> HSET h a 1 b 2
> WEIR FLUSH
kill
> INCR n
< 6
> APPEND s def
< 6
> INCRBYFLOAT f 1
< "2.5"
> SET t w KEEPTTL
< OK
> PEXPIRETIME t
< 33177117420000
> HSET h a 10 c 3
< 1
> HINCRBY h b 5
< 7
> SETNX s other
< 0
> MGET n s f t
< ["6", "abcdef", "2.5", "w"]
> WEIR FLUSH
kill
> HGETALL h
< any-order ["a", "10", "b", "7", "c", "3"]
> DEL n missing s
< 2
> EXISTS n s f
< 1

# RENAME and COPY of keys that are only in the backend
> MSET a 1 b 2
> HSET h f v
> WEIR FLUSH
kill
> RENAME h b
< OK
> COPY a c
< 1
> RENAMENX a b
< 0
> WEIR FLUSH
kill
> HGETALL b
< ["f", "v"]
> MGET a c h
< ["1", "1", nil]

# SCAN, KEYS, DBSIZE and RANDOMKEY speak of the backend's keys too
> MSET k1 1 k2 2 k3 3 k4 4 k5 5 x1 1
> HSET h1 f v
> WEIR FLUSH
kill
> DBSIZE
< 7
> RANDOMKEY
< /^(k[1-5]|x1|h1)$/
> KEYS *
< any-order ["k1", "k2", "k3", "k4", "k5", "x1", "h1"]
> KEYS k*
< any-order ["k1", "k2", "k3", "k4", "k5"]
> GET k1
> DEL k2
> SET k6 6
walk> SCAN * COUNT 2
< ["h1", "k1", "k3", "k4", "k5", "k6", "x1"]
walk> SCAN * TYPE hash
< ["h1"]
walk> SCAN * MATCH x*
< ["x1"]
> KEYS *
< any-order ["k1", "k3", "k4", "k5", "k6", "x1", "h1"]
> DBSIZE
< 7

# A clean stop flushes everything
> SET k v
> HSET h f v
restart
backend> SELECT key, type FROM keys ORDER BY key
< [["h", "hash"], ["k", "string"]]
> GET k
< "v"

# After kill -9 the journal has it
> SET k v
> HSET h f v
> INCR n
kill
> INCR n
< 2
> GET k
< "v"
kill
> INCR n
< 3
> WEIR FLUSH
backend> SELECT key, type FROM keys ORDER BY key
< [["h", "hash"], ["k", "string"], ["n", "string"]]

# A transaction is flushed as one, and read back as one
> MULTI
> SET a 1
> HSET h f v
> EXPIRE a 100
> DEL h
> INCR a
> EXEC
< [OK, 1, 1, 1, 2]
kill
> GET a
< "2"
> TTL a
< 98..100
> EXISTS h
< 0
