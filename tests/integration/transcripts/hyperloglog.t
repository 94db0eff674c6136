#| PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST. The bytes of a sketch are those that Redis writes;
#| what long sequences of additions come to is in tests/unit/hyperloglog_test.c.

# PFADD says whether the estimate may have changed
> PFADD k a b c
< 1
> PFADD k a b c
< 0
> PFADD k c d
< 1
> PFCOUNT k
< 4
> PFADD k
< 0
> PFADD k ""
< 1
> PFCOUNT k
< 5

# PFADD without elements creates the key
> PFADD e
< 1
> GET e
< "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"
> PFCOUNT e
< 0
> PFADD e
< 0
> TYPE e
< string

# The bytes are those of Redis
> PFADD a a b c
> GET a
< "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ"
> PFADD b foo bar zap a
> GET b
< "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\\\xb3\x90B\x07\x84HX\x80J\x8e\x84NW"
> PFMERGE m a b
< OK
> GET m
< "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\\\xb3\x90B\x07\x84B5\x80F!\x80J\x8e\x84K\xfb\x80BZ"
> OBJECT ENCODING m
< "raw"

# A value of Redis goes on growing here
> SET m "HYLL\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\\\xb3\x90B\x07\x84B5\x80F!\x80J\x8e\x84K\xfb\x80BZ"
> PFCOUNT m
< 6
> PFADD m foo
< 0
> PFADD m new
< 1
> PFCOUNT m
< 7

# The estimate that a value carries is believed as long as it is valid
> SET k "HYLL\x01\x00\x00\x00\x39\x30\x00\x00\x00\x00\x00\x00\x7f\xff"
> PFCOUNT k
< 12345
> PFCOUNT k k
< 0
> PFADD k a
< 1
> PFCOUNT k
< 1

# PFADD keeps the TTL
> PFADD k a
> EXPIRE k 100
> PFADD k b
< 1
> TTL k
< 99..100
> PFMERGE k k
> TTL k
< 99..100

# PFCOUNT of several keys counts their union
> PFADD a 1 2 3
> PFADD b 3 4 5
> PFCOUNT a b
< 5
> PFCOUNT a missing
< 3
> PFCOUNT missing gone
< 0
> PFCOUNT missing
< 0
> PFCOUNT a a
< 3
> PFDEBUG TODENSE b
< 1
> PFCOUNT a b
< 5

# PFMERGE adds to its destination
> PFADD a 1 2 3
> PFADD b 3 4 5
> PFADD d 9
> PFMERGE d a b missing
< OK
> PFCOUNT d
< 6
> PFMERGE fresh a b
< OK
> PFCOUNT fresh
< 5
> PFMERGE a a
< OK
> PFCOUNT a
< 3
> PFMERGE none
< OK
> PFCOUNT none
< 0
> EXISTS none
< 1
> PFMERGE gone missing
< OK
> EXISTS gone
< 1

# PFMERGE breaks a WATCH of its destination, also where nothing changes
> PFADD a 1 2 3
> PFMERGE a a
> WATCH a
A> PFMERGE a a
< OK
> MULTI
> PFCOUNT a
> EXEC
< nil-array

# PFMERGE is dense when one of its keys is
> PFADD a 1 2 3
> PFADD b 3 4 5
> PFDEBUG TODENSE b
> PFMERGE d a b
< OK
> PFDEBUG ENCODING d
< dense
> STRLEN d
< 12304
> PFCOUNT d
< 5
> PFMERGE a b
< OK
> PFDEBUG ENCODING a
< dense
> PFCOUNT a
< 5
> PFADD a 1
< 0
> PFADD a 6
< 1
> PFCOUNT a
< 6

# hll-sparse-max-bytes decides when a sketch becomes dense
> CONFIG SET hll-sparse-max-bytes 30
> PFADD k a b c
< 1
> PFDEBUG ENCODING k
< sparse
> PFADD k d e f
< 1
> PFDEBUG ENCODING k
< dense
> PFCOUNT k
< 6
> CONFIG SET hll-sparse-max-bytes 0
> PFADD other
< 1
> PFDEBUG ENCODING other
< sparse
> PFADD other a
< 1
> PFDEBUG ENCODING other
< dense
> CONFIG SET hll-sparse-max-bytes 3000

# What is not a sketch is refused
> SET s abc
> HSET h f v
> SET short "HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00"
> SET odd "HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"
> PFADD s a
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFCOUNT s
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFCOUNT missing s
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFMERGE d s
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFMERGE s d
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFADD short a
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFCOUNT odd
< !WRONGTYPE Key is not a valid HyperLogLog string value.
> PFADD h a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> PFCOUNT h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> PFCOUNT missing h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> PFMERGE d h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> PFMERGE h d
< !WRONGTYPE Operation against a key holding the wrong kind of value
> EXISTS d
< 0
> GET s
< "abc"

# What is corrupt is refused
> SET none "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
> SET less "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xfe"
> SET more "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\x00"
> PFCOUNT none
< !INVALIDOBJ Corrupted HLL object detected
> PFCOUNT less
< !INVALIDOBJ Corrupted HLL object detected
> PFCOUNT more
< !INVALIDOBJ Corrupted HLL object detected
> PFCOUNT missing less
< !INVALIDOBJ Corrupted HLL object detected
> PFADD none a
< !INVALIDOBJ Corrupted HLL object detected
> PFMERGE d less
< !INVALIDOBJ Corrupted HLL object detected
> PFMERGE less d
< !INVALIDOBJ Corrupted HLL object detected
> EXISTS d
< 0
> GET none
< "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"

# The estimate stays in the value until it may have changed
> PFADD one a
> PFCOUNT one
< 1
> GETRANGE one 0 15
< "HYLL\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
> PFADD one a
< 0
> GETRANGE one 8 15
< "\x01\x00\x00\x00\x00\x00\x00\x00"
> PFMERGE one
< OK
> GETRANGE one 8 15
< "\x01\x00\x00\x00\x00\x00\x00\x80"
> PFCOUNT one one
< 1
> GETRANGE one 8 15
< "\x01\x00\x00\x00\x00\x00\x00\x80"
> PFDEBUG TODENSE one
< 1
> PFCOUNT one
< 1
> GETRANGE one 8 15
< "\x01\x00\x00\x00\x00\x00\x00\x00"
> PFADD one b
< 1
> GETRANGE one 8 15
< "\x01\x00\x00\x00\x00\x00\x00\x80"

# The estimate of one key is not that of its copy
> SET k "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
> SETRANGE k 16399 "\x00"
> COPY k copy
> PFCOUNT k
< 0
> GETRANGE copy 8 15
< "\x00\x00\x00\x00\x00\x00\x00\x80"

# PFDEBUG looks inside
> PFADD k a b c
> PFDEBUG ENCODING k
< sparse
> PFDEBUG DECODE k
< "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
> PFDEBUG GETREG k
< count 16384
> PFDEBUG ENCODING k
< dense
> PFDEBUG DECODE k
< !ERR HLL encoding is not sparse
> PFDEBUG TODENSE k
< 0
> PFDEBUG NOSUCH k
< !ERR Unknown PFDEBUG subcommand 'NOSUCH'
> PFDEBUG NOSUCH missing
< !ERR The specified key does not exist
> PFDEBUG ENCODING
< !ERR wrong number of arguments for 'pfdebug' command

# PFSELFTEST is content
> PFSELFTEST
< OK
> PFSELFTEST now
< !ERR wrong number of arguments for 'pfselftest' command

# Arguments are needed
> PFADD
< !ERR wrong number of arguments for 'pfadd' command
> PFCOUNT
< !ERR wrong number of arguments for 'pfcount' command
> PFMERGE
< !ERR wrong number of arguments for 'pfmerge' command

# Sketches answer the same in RESP3 and in a transaction
proto 3
> PFADD k a b
< 1
> PFCOUNT k
< 2
> MULTI
> PFADD k c
> PFMERGE d k
> PFCOUNT d
> EXEC
< [1, OK, 3]

# Their keys are known
> COMMAND GETKEYS PFMERGE d a b
< ["d", "a", "b"]
> COMMAND GETKEYS PFCOUNT a b
< ["a", "b"]
> COMMAND GETKEYS PFADD k a b
< ["k"]
