#| LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LLEN LRANGE LINDEX LSET LINSERT LREM LTRIM LPOS.

# Elements are pushed at both ends
> RPUSH l a b c
< 3
> LPUSH l x y
< 5
> LRANGE l 0 -1
< ["y", "x", "a", "b", "c"]
> LLEN l
< 5
> TYPE l
< list

# LPUSHX and RPUSHX push only where there is a list
> LPUSHX l a
< 0
> RPUSHX l a b
< 0
> EXISTS l
< 0
> RPUSH l m
> LPUSHX l a b
< 3
> RPUSHX l y z
< 5
> LRANGE l 0 -1
< ["b", "a", "m", "y", "z"]

# Elements are binary and may be empty
> RPUSH l "" "\x00\r\n" "\xff\x00" "x"*5000
< 4
> LRANGE l 0 2
< ["", "\x00\r\n", "\xff\x00"]
> LINDEX l 3
< "x"*5000
> LPOP l
< ""

# LPOP and RPOP take one element, and the last one takes the key with it
> RPUSH l a b c
> LPOP l
< "a"
> RPOP l
< "c"
> RPOP l
< "b"
> RPOP l
< nil
> EXISTS l
< 0
> SET l now-a-string
< OK

# LPOP and RPOP with a count
> RPUSH l a b c d e
> LPOP l 2
< ["a", "b"]
> RPOP l 2
< ["e", "d"]
> LPOP l 0
< []
> LPOP l 9223372036854775807
< ["c"]
> EXISTS l
< 0
> LPOP l 1
< nil-array
> LPOP l 0
< nil-array
> RPOP l
< nil
proto 3
> LPOP l 1
< null
> LPOP l
< null

# A count must be positive
> LPOP l -1
< !ERR value is out of range, must be positive
> RPOP l x
< !ERR value is out of range, must be positive
> RPOP l 9223372036854775808
< !ERR value is out of range, must be positive
> LPOP l -9223372036854775808
< !ERR value is out of range, must be positive
> LPOP l 1 2
< !ERR wrong number of arguments for 'lpop' command

# LRANGE takes any range
> RPUSH l a b c d e
> LRANGE l 0 0
< ["a"]
> LRANGE l 1 3
< ["b", "c", "d"]
> LRANGE l -2 -1
< ["d", "e"]
> LRANGE l -100 100
< ["a", "b", "c", "d", "e"]
> LRANGE l 3 1
< []
> LRANGE l 5 10
< []
> LRANGE l -9223372036854775808 9223372036854775807
< ["a", "b", "c", "d", "e"]
> LRANGE l 9223372036854775807 -9223372036854775808
< []
> LRANGE l 0 -6
< []
> LRANGE l 0 -5
< ["a"]
> LRANGE l 2147483648 -1
< []
> LRANGE missing 0 -1
< []
> LRANGE l 0 x
< !ERR value is not an integer or out of range
> LRANGE missing 1.5 0
< !ERR value is not an integer or out of range

# LINDEX counts from either end
> RPUSH l a b c
> LINDEX l 0
< "a"
> LINDEX l 2
< "c"
> LINDEX l -1
< "c"
> LINDEX l -3
< "a"
> LINDEX l 3
< nil
> LINDEX l -4
< nil
> LINDEX l 9223372036854775807
< nil
> LINDEX l -9223372036854775808
< nil
> LINDEX l x
< !ERR value is not an integer or out of range
> LINDEX missing x
< nil
proto 3
> LINDEX l 3
< null

# LSET replaces an element
> RPUSH l a b c
> LSET l 0 A
< OK
> LSET l -1 "long"*500
< OK
> LSET l 1 ""
< OK
> LRANGE l 0 -1
< ["A", "", "long"*500]
> LSET l 3 x
< !ERR index out of range
> LSET l -4 x
< !ERR index out of range
> LSET l 9223372036854775807 x
< !ERR index out of range
> LSET l -9223372036854775808 x
< !ERR index out of range
> LSET l x y
< !ERR value is not an integer or out of range
> LSET missing 0 x
< !ERR no such key
> LSET missing x x
< !ERR no such key

# LINSERT puts an element beside the first pivot
> RPUSH l a b b c
> LINSERT l BEFORE b x
< 5
> LINSERT l after b y
< 6
> LINSERT l BEFORE a first
< 7
> LINSERT l AFTER c last
< 8
> LRANGE l 0 -1
< ["first", "a", "x", "b", "y", "b", "c", "last"]
> LINSERT l BEFORE nosuch x
< -1
> LINSERT missing BEFORE a x
< 0
> LINSERT l BESIDE a x
< !ERR syntax error
> LINSERT missing BESIDE a x
< !ERR syntax error

# LREM removes from the head, the tail, or everywhere
> RPUSH l a b a c a d a
> LREM l 1 a
< 1
> LRANGE l 0 -1
< ["b", "a", "c", "a", "d", "a"]
> LREM l -2 a
< 2
> LRANGE l 0 -1
< ["b", "a", "c", "d"]
> LREM l 0 nosuch
< 0
> RPUSH l a
> LREM l 0 a
< 2
> LREM l -9223372036854775807 b
< 1
> LREM l 9223372036854775807 c
< 1
> LREM l 0 d
< 1
> EXISTS l
< 0
> LREM l 0 d
< 0
> LREM l x d
< !ERR value is not an integer or out of range
> LREM l -9223372036854775808 d
<7.2 !ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807

# LTRIM keeps a range
> RPUSH l a b c d e
> LTRIM l 1 -2
< OK
> LRANGE l 0 -1
< ["b", "c", "d"]
> LTRIM l -100 100
< OK
> LLEN l
< 3
> LTRIM l 0 1
< OK
> LRANGE l 0 -1
< ["b", "c"]
> LTRIM l -1 -1
< OK
> LRANGE l 0 -1
< ["c"]
> LTRIM l 5 9
< OK
> EXISTS l
< 0
> LTRIM l 0 -1
< OK
> RPUSH l a b c
> LTRIM l 2 1
< OK
> EXISTS l
< 0
> RPUSH l a b c
> LTRIM l 9223372036854775807 -9223372036854775808
< OK
> EXISTS l
< 0
> LTRIM l x 0
< !ERR value is not an integer or out of range
> LTRIM l 0 1e3
< !ERR value is not an integer or out of range

# LPOS finds elements
> RPUSH l a b c 1 2 3 c c
> LPOS l c
< 2
> LPOS l c RANK 2
< 6
> LPOS l c RANK -1
< 7
> LPOS l c RANK -3
< 2
> LPOS l c RANK 4
< nil
> LPOS l c RANK -4
< nil
> LPOS l c COUNT 2
< [2, 6]
> LPOS l c COUNT 0
< [2, 6, 7]
> LPOS l c COUNT 1 RANK 2
< [6]
> LPOS l c COUNT 0 RANK -2
< [6, 2]
> LPOS l c COUNT 9223372036854775807 RANK 9223372036854775807
< []
> LPOS l x
< nil
> LPOS l x COUNT 0
< []
> LPOS missing c
< nil
> LPOS missing c COUNT 2
< []
proto 3
> LPOS l x
< null
> LPOS missing c COUNT 2
< []

# LPOS looks at MAXLEN elements
> RPUSH l a b c d c
> LPOS l c MAXLEN 2
< nil
> LPOS l c MAXLEN 3
< 2
> LPOS l c MAXLEN 0 COUNT 0
< [2, 4]
> LPOS l c maxlen 4 count 0
< [2]
> LPOS l a RANK -1 MAXLEN 4
< nil
> LPOS l a RANK -1 MAXLEN 9223372036854775807
< 0
> LPOS l b RANK -9223372036854775807
< nil

# LPOS refuses what makes no sense
> LPOS l c RANK 0
< !ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
> LPOS l c RANK x
< !ERR value is not an integer or out of range
> LPOS l c RANK -9223372036854775808
<7.2 !ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
> LPOS l c COUNT -1
< !ERR COUNT can't be negative
> LPOS l c COUNT x
< !ERR COUNT can't be negative
> LPOS l c MAXLEN -1
< !ERR MAXLEN can't be negative
> LPOS l c MAXLEN
< !ERR syntax error
> LPOS l c LIMIT 1
< !ERR syntax error

# List commands want the right number of arguments
> LPUSH l
< !ERR wrong number of arguments for 'lpush' command
> RPUSH l
< !ERR wrong number of arguments for 'rpush' command
> LPUSHX l
< !ERR wrong number of arguments for 'lpushx' command
> RPUSHX l
< !ERR wrong number of arguments for 'rpushx' command
> LPOP
< !ERR wrong number of arguments for 'lpop' command
> RPOP
< !ERR wrong number of arguments for 'rpop' command
> LLEN
< !ERR wrong number of arguments for 'llen' command
> LRANGE l 0
< !ERR wrong number of arguments for 'lrange' command
> LINDEX l
< !ERR wrong number of arguments for 'lindex' command
> LSET l 0
< !ERR wrong number of arguments for 'lset' command
> LINSERT l BEFORE a
< !ERR wrong number of arguments for 'linsert' command
> LREM l 0
< !ERR wrong number of arguments for 'lrem' command
> LTRIM l 0
< !ERR wrong number of arguments for 'ltrim' command
> LPOS l
< !ERR wrong number of arguments for 'lpos' command

# List commands refuse a string
> SET s v
> LPUSH s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> RPUSH s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LPUSHX s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> RPUSHX s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LPOP s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> RPOP s 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LLEN s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LRANGE s 0 -1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LINDEX s x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LSET s x v
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LINSERT s BEFORE a x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LREM s 0 x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LTRIM s 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LPOS s x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HSET h f v
> LPUSH h a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> RPUSH l a
> GET l
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HGET l f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GET s
< "v"

# Inside a transaction a list that was emptied is gone
> RPUSH l a
> EXPIRE l 100
> MULTI
> LPOP l
> EXISTS l
> RPUSH l b c
> TTL l
> LREM l 0 b
> LTRIM l 1 0
> EXISTS l
> LPUSH l z
> EXEC
< ["a", 0, 2, -1, 1, OK, 0, 1]
> LRANGE l 0 -1
< ["z"]

# Changing a list keeps its TTL
> RPUSH l a b c
> EXPIRE l 100
> LPUSH l x
> RPOP l
> LSET l 0 y
> LINSERT l AFTER y z
> LTRIM l 0 1
> TTL l
< 99..100

# A list grows beyond a listpack, and back
> RPUSH l "x"*64 a b
> OBJECT ENCODING l
<7.2 "listpack"
> RPUSH l "x"*8192
> OBJECT ENCODING l
<7.2 "quicklist"
> RPOP l
> OBJECT ENCODING l
<7.2 "listpack"
> CONFIG SET list-max-listpack-size 4
< OK
> RPUSH l c
> OBJECT ENCODING l
<7.2 "listpack"
> RPUSH l d
> OBJECT ENCODING l
<7.2 "quicklist"
> LPUSH l e f g
> LRANGE l 0 -1
< ["g", "f", "e", "x"*64, "a", "b", "c", "d"]
> LSET l 4 "y"*9000
< OK
> LINSERT l BEFORE c "z"*100
< 9
> LREM l 1 "x"*64
< 1
> LRANGE l 0 -1
< ["g", "f", "e", "y"*9000, "b", "z"*100, "c", "d"]
> CONFIG SET list-max-listpack-size -2
< OK

# A list is renamed and copied with its elements
> RPUSH l a b c
> RENAME l m
> COPY m n
< 1
> RPUSH n d
> LPOP m
> LRANGE m 0 -1
< ["b", "c"]
> LRANGE n 0 -1
< ["a", "b", "c", "d"]
