#| What the backend gets of a list: the elements that changed, by position.
weir-only

# The view shows a list in its order
> RPUSH l b c
> LPUSH l a
> SET s v
> WEIR FLUSH
backend> SELECT key, value FROM list ORDER BY key, position
< [["l", "a"], ["l", "b"], ["l", "c"]]
> LPOP l
> LINSERT l BEFORE c x
> WEIR FLUSH
backend> SELECT value FROM list WHERE key = 'l' ORDER BY position
< [["b"], ["x"], ["c"]]
> DEL l
> WEIR FLUSH
backend> SELECT count(*) FROM weir_list
< [[0]]

# A queue costs the ends that were pushed and popped
> RPUSH l 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
> WEIR FLUSH
mark
> RPUSH l 21 22
> LPOP l
> LPOP l 2
> WEIR FLUSH
stat flushed_items +1
stat flushed_rows +5
> RPUSH l 23
> RPOP l
> WEIR FLUSH
stat flushed_rows +5
> RPOP l
> RPUSH l new
> WEIR FLUSH
stat flushed_rows +6
backend> SELECT count(*), min(value), max(value) FROM list WHERE key = 'l'
< [[19, "10", "new"]]

# A change in the middle is a row or two
> RPUSH l 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
> WEIR FLUSH
mark
> LSET l 7 new
> WEIR FLUSH
stat flushed_rows +1
> LINSERT l AFTER 15 between
> WEIR FLUSH
stat flushed_rows +2
> LREM l 1 12
> WEIR FLUSH
stat flushed_rows +3
> LMOVE l m LEFT LEFT
> WEIR FLUSH
stat flushed_rows +6
backend> SELECT value FROM list WHERE key = 'l' ORDER BY position LIMIT 8 OFFSET 5
< [["7"], ["new"], ["9"], ["10"], ["11"], ["13"], ["14"], ["15"]]

# What changed nothing writes nothing
> RPUSH l a b c
> SET s v
> WEIR FLUSH
mark
> LPUSHX missing a
> LPOP missing
> LPOP l 0
> LREM l 0 nosuch
> LTRIM l 0 -1
> LTRIM missing 5 1
> LINSERT l BEFORE nosuch x
> LMOVE missing l LEFT LEFT
> LMOVE l l LEFT LEFT
> LMPOP 2 missing other LEFT
> BLPOP missing 0.01
> LRANGE l 0 -1
> LPUSH s x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LMOVE l s LEFT LEFT
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LSET l 9 x
< !ERR index out of range
stat writes +0
stat journal_last_lsn +0
> WEIR FLUSH
stat flushed_items +0

# A list comes back from the backend, and goes on where it was
> RPUSH l a b c d e f
> LREM l 1 c
> LINSERT l AFTER d x
> WEIR FLUSH
restart
> RPUSH l z
< 7
> LPUSH l y
< 8
> LRANGE l 0 -1
< ["y", "a", "b", "d", "x", "e", "f", "z"]
> WEIR FLUSH
stat flushed_rows =2
kill
> LRANGE l 0 -1
< ["y", "a", "b", "d", "x", "e", "f", "z"]

# What was popped by a command that may wait is journalled as what it did
> RPUSH l a b c d e f g
> BLPOP l 0
> BRPOP l 0
> BLMOVE l m LEFT RIGHT 0
> BRPOPLPUSH l m 0
> BLMPOP 0 2 none l LEFT COUNT 2
> LMPOP 1 m RIGHT
kill
> LRANGE l 0 -1
< ["e"]
> LRANGE m 0 -1
< ["f"]

# A list that another takes the place of leaves nothing behind
> RPUSH l a b c
> RPUSH m x
> WEIR FLUSH
> SET l string
> WEIR FLUSH
backend> SELECT count(*) FROM list WHERE key = 'l'
< [[0]]
> DEL l
> RPUSH l 1
> RENAME m l
> WEIR FLUSH
backend> SELECT key, value FROM list
< [["l", "x"]]
