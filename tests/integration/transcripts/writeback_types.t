#| What a person sees in SQLite after each kind of change: one type becomes another, keys move, copy, expire and come back.
weir-only

# Each type has its rows in the view of its own
> SET s text
> HSET h f v
> RPUSH l a b
> SADD t m
> ZADD z 1.5 m
> WEIR FLUSH
stat flushed_items =5
backend> SELECT db, key, type, expires_at FROM keys ORDER BY key
< [[0, "h", "hash", nil], [0, "l", "list", nil], [0, "s", "string", nil], [0, "t", "set", nil], [0, "z", "zset", nil]]
backend> SELECT key, value FROM string
< [["s", "text"]]
backend> SELECT key, field, value FROM hash
< [["h", "f", "v"]]
backend> SELECT key, value FROM list ORDER BY position
< [["l", "a"], ["l", "b"]]
backend> SELECT key, member FROM "set"
< [["t", "m"]]
backend> SELECT key, member, score FROM zset
< [["z", "m", ,1.5]]

# A key that becomes another type leaves nothing of the old one
> HSET k f v g w
> WEIR FLUSH
> DEL k
> RPUSH k a b c
> WEIR FLUSH
backend> SELECT type FROM keys
< [["list"]]
backend> SELECT count(*) FROM hash
< [[0]]
> SET k text
> WEIR FLUSH
backend> SELECT count(*) FROM list
< [[0]]
backend> SELECT value FROM string
< [["text"]]
> DEL k
> ZADD k 1 m
> WEIR FLUSH
> SADD src x y
> SUNIONSTORE k src
> DEL src
> WEIR FLUSH
backend> SELECT key, type FROM keys
< [["k", "set"]]
backend> SELECT count(*) FROM zset
< [[0]]
backend> SELECT member FROM "set" ORDER BY member
< [["x"], ["y"]]

# A key that is deleted and made again has only what it was made with
> HSET h a 1 b 2
> RPUSH l a b c
> SADD t a b
> ZADD z 1 a 2 b
> WEIR FLUSH
> DEL h l t z
> HSET h c 3
> RPUSH l d
> SADD t c
> ZADD z 3 c
> WEIR FLUSH
backend> SELECT field, value FROM hash
< [["c", "3"]]
backend> SELECT value FROM list
< [["d"]]
backend> SELECT member FROM "set"
< [["c"]]
backend> SELECT member, score FROM zset
< [["c", ,3.0]]

# So has one of which the last element went
> HSET h a 1
> RPUSH l a
> SADD t a
> ZADD z 1 a
> WEIR FLUSH
> HDEL h a
> LPOP l
> SREM t a
> ZREM z a
> HSET h b 2
> WEIR FLUSH
backend> SELECT key, type FROM keys
< [["h", "hash"]]
backend> SELECT (SELECT count(*) FROM hash), (SELECT count(*) FROM list), (SELECT count(*) FROM "set"), (SELECT count(*) FROM zset)
< [[1, 0, 0, 0]]

# A renamed key takes its rows and its deadline along
> HSET h f v
> PEXPIREAT h 99000000000000
> SADD old x
> WEIR FLUSH
> RENAME h old
> WEIR FLUSH
backend> SELECT key, type, expires_at FROM keys
< [["old", "hash", 99000000000000]]
backend> SELECT key, field, value FROM hash
< [["old", "f", "v"]]
backend> SELECT count(*) FROM "set"
< [[0]]

# A copy in another database is a key of that database
> RPUSH l a b
> EXPIREAT l 99000000000
> COPY l l DB 1
> COPY l m
> WEIR FLUSH
backend> SELECT db, key, expires_at FROM keys ORDER BY db, key
< [[0, "l", 99000000000000], [0, "m", 99000000000000], [1, "l", 99000000000000]]
> LPUSH m z
> WEIR FLUSH
backend> SELECT db, key, value FROM list ORDER BY db, key, position
< [[0, "l", "a"], [0, "l", "b"], [0, "m", "z"], [0, "m", "a"], [0, "m", "b"], [1, "l", "a"], [1, "l", "b"]]

# A moved key has gone where it was
> ZADD z 1 a
> WEIR FLUSH
> MOVE z 1
> ZADD z 2 b
> WEIR FLUSH
backend> SELECT db, member FROM zset ORDER BY db
< [[0, "b"], [1, "a"]]

# Exchanged databases are exchanged without a row
> HSET h f v
> SELECT 1
> SADD t m
> WEIR FLUSH
mark
> SWAPDB 0 1
> WEIR FLUSH
stat flushed_rows +0
backend> SELECT db, key FROM keys ORDER BY db
< [[0, "t"], [1, "h"]]
> HSET h g w
> WEIR FLUSH
stat flushed_rows +1
backend> SELECT db, field FROM hash ORDER BY field
< [[1, "f"], [1, "g"]]

# A flushed database shows nothing, and what comes then is new
> HSET h a 1 b 2
> RPUSH l a
> WEIR FLUSH
mark
> FLUSHDB
> HSET h c 3
> WEIR FLUSH
backend> SELECT key, field FROM hash
< [["h", "c"]]
backend> SELECT key FROM keys
< [["h"]]
stat flushed_items +1

# A deadline alone is one row; without it again, another
> HSET h a 1 b 2 c 3 d 4 e 5
> WEIR FLUSH
mark
> PEXPIREAT h 99000000000000
> WEIR FLUSH
stat flushed_rows +1
backend> SELECT expires_at FROM keys
< [[99000000000000]]
> PERSIST h
> WEIR FLUSH
stat flushed_rows +2
backend> SELECT expires_at FROM keys
< [[nil]]

# An expired key goes with all of its rows
> HSET h a 1 b 2
> RPUSH l a
> PEXPIREAT l 99000000000000
> WEIR FLUSH
> PEXPIRE h 1
> PEXPIREAT l 1
until> EXISTS h l
< 0
> HSET h c 3
> WEIR FLUSH
backend> SELECT key, expires_at FROM keys
< [["h", nil]]
backend> SELECT field FROM hash
< [["c"]]
backend> SELECT count(*) FROM list
< [[0]]

# A stored result is written once, whole, and nothing of what was there stays
> SADD a 1 2 3
> SADD b 3 4
> ZADD z 1 x 2 y 3 w
> SADD dst old1 old2
> WEIR FLUSH
mark
> SUNIONSTORE dst a b
> WEIR FLUSH
stat flushed_items +1
backend> SELECT member FROM "set" WHERE key = 'dst' ORDER BY member
< [["1"], ["2"], ["3"], ["4"]]
> ZUNIONSTORE dst 2 z a
> WEIR FLUSH
backend> SELECT member, score FROM zset WHERE key = 'dst' ORDER BY member
< [["1", ,1.0], ["2", ,1.0], ["3", ,1.0], ["w", ,3.0], ["x", ,1.0], ["y", ,2.0]]
> SINTERSTORE dst a missing
> WEIR FLUSH
backend> SELECT count(*) FROM keys WHERE key = 'dst'
< [[0]]

# One changed element of a large value is one row
> RPUSH l a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9
> SADD t a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9
> ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i 10 j 11 k 12 l 13 m 14 n 15 o 16 p
> HSET h a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11 l 12 m 13 n 14 o 15 p 16
> WEIR FLUSH
mark
> LPUSH l first
> WEIR FLUSH
stat flushed_rows +1
> LSET l 17 changed
> SADD t new
> ZINCRBY z 100 a
> HSET h a changed
> WEIR FLUSH
stat flushed_rows +5
> RPOP l
> SREM t new
> ZREM z a
> HDEL h a
> WEIR FLUSH
stat flushed_rows +9

# Elements that move from key to key cost a row on each side
> RPUSH l a b c
> RPUSH m x
> SADD t a b
> SADD u c
> WEIR FLUSH
mark
> LMOVE l m LEFT RIGHT
> SMOVE t u a
> WEIR FLUSH
stat flushed_items +4
stat flushed_rows +4
backend> SELECT key, value FROM list ORDER BY key, position
< [["l", "b"], ["l", "c"], ["m", "x"], ["m", "a"]]
backend> SELECT key, member FROM "set" ORDER BY key, member
< [["t", "b"], ["u", "a"], ["u", "c"]]

# A transaction arrives as a whole
> MULTI
> SET a 1
> RPUSH l x
> SELECT 1
> HSET h f v
> EXEC
> WEIR FLUSH
backend> SELECT db, key FROM keys ORDER BY db, key
< [[0, "a"], [0, "l"], [1, "h"]]

# What was expired when a command looked at it is so when the journal is read again
> SADD src a b
> SADD dst old
> PEXPIRE src 1
until> EXISTS src
< 0
> SUNIONSTORE dst src
> SADD kept x
kill
> SMEMBERS kept
< ["x"]
> EXISTS dst
< 0

# A key that was persisted in time is there, though its deadline in the backend has passed
> RPUSH l a b
> PEXPIRE l 300
> WEIR FLUSH
> PERSIST l
> SET other x PX 300
until> EXISTS other
< 0
kill
> LRANGE l 0 -1
< ["a", "b"]
> PTTL l
< -1

# A key moved over an expired one does not take the deletion with it
> SET k v
> SELECT 1
> SET k old PX 1
until> EXISTS k
< 0
> SELECT 0
> MOVE k 1
< 1
kill
> SELECT 1
> GET k
< "v"
> WEIR FLUSH
backend> SELECT db, value FROM string
< [[1, "v"]]
