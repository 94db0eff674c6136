#| SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.

# SETBIT answers the bit that was there
> SETBIT k 7 1
< 0
> SETBIT k 7 1
< 1
> SETBIT k 7 0
< 1
> GET k
< "\x00"
> SETBIT k 17 1
< 0
> GET k
< "\x00\x00@"
> OBJECT ENCODING k
< "raw"
> SETBIT zero 20 0
< 0
> STRLEN zero
< 3

# SETBIT works on numbers and keeps the TTL
> SET n 1
> SETBIT n 6 1
< 0
> GET n
< "3"
> INCR n
< 4
> SET k a EX 100
> SETBIT k 0 1
> TTL k
< 99..100
> SETBIT k 90 1
> TTL k
< 99..100

# SETBIT on a large value leaves the rest
> SET big "\xff"*40000
> SETBIT big 160000 0
< 1
> GETRANGE big 19999 20001
< "\xff\x7f\xff"
> SETBIT big 320000 1
< 0
> STRLEN big
< 40001
> BITCOUNT big
< 320000

# SETBIT and GETBIT refuse offsets that no string has
> SETBIT k -1 1
< !ERR bit offset is not an integer or out of range
> SETBIT k 4294967296 1
< !ERR bit offset is not an integer or out of range
> SETBIT k 9223372036854775807 1
< !ERR bit offset is not an integer or out of range
> SETBIT k 9223372036854775808 1
< !ERR bit offset is not an integer or out of range
> SETBIT k -9223372036854775808 1
< !ERR bit offset is not an integer or out of range
> SETBIT k #1 1
< !ERR bit offset is not an integer or out of range
> SETBIT k "" 1
< !ERR bit offset is not an integer or out of range
> SETBIT k 01 1
< !ERR bit offset is not an integer or out of range
> GETBIT k -1
< !ERR bit offset is not an integer or out of range
> GETBIT k 4294967296
< !ERR bit offset is not an integer or out of range
> GETBIT k x
< !ERR bit offset is not an integer or out of range
> GETBIT k 4294967295
< 0
> SETBIT k 0 2
< !ERR bit is not an integer or out of range
> SETBIT k 0 -1
< !ERR bit is not an integer or out of range
> SETBIT k 0 x
< !ERR bit is not an integer or out of range
> SETBIT k x x
< !ERR bit offset is not an integer or out of range
> EXISTS k
< 0

# A string may be as long as proto-max-bulk-len
> CONFIG SET proto-max-bulk-len 1mb
> SETBIT k 8388607 1
< 0
> STRLEN k
< 1048576
> SETBIT k 8388608 1
< !ERR bit offset is not an integer or out of range
> GETBIT k 8388608
< !ERR bit offset is not an integer or out of range
> BITFIELD k SET u8 8388600 255
< [1]
> BITFIELD k GET u8 8388608
< !ERR bit offset is not an integer or out of range
> CONFIG SET proto-max-bulk-len 512mb

# SETBIT and GETBIT check their arguments before the type
> HSET h f v
> SETBIT h 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SETBIT h -1 1
< !ERR bit offset is not an integer or out of range
> SETBIT h 0 2
< !ERR bit is not an integer or out of range
> GETBIT h 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GETBIT h -1
< !ERR bit offset is not an integer or out of range
> SETBIT h 0
< !ERR wrong number of arguments for 'setbit' command
> GETBIT h
< !ERR wrong number of arguments for 'getbit' command

# GETBIT counts from the highest bit of the first byte
> SET k "\x80\x01"
> GETBIT k 0
< 1
> GETBIT k 1
< 0
> GETBIT k 15
< 1
> GETBIT k 16
< 0
> GETBIT missing 0
< 0
> SET n 1
> GETBIT n 2
< 1

# BITCOUNT counts a whole string
> SET k foobar
> BITCOUNT k
< 26
> BITCOUNT missing
< 0
> SET empty ""
> BITCOUNT empty
< 0
> BITCOUNT empty 0 -1
< 0
> SET n 123
> BITCOUNT n
< 10
> SET big "\xff"*100001
> BITCOUNT big
< 800008

# BITCOUNT counts a range of bytes
> SET k foobar
> BITCOUNT k 0 0
< 4
> BITCOUNT k 1 1
< 6
> BITCOUNT k 0 -5
< 10
> BITCOUNT k 1 -2 BYTE
< 18
> BITCOUNT k -1 -6
< 0
> BITCOUNT k 5 1
< 0
> BITCOUNT k 0 -100
< 4
> BITCOUNT k 100 200
< 0
> BITCOUNT k -9223372036854775808 9223372036854775807
< 26
> BITCOUNT k 9223372036854775807 9223372036854775807
< 0

# BITCOUNT counts a range of bits
> SET k foobar
> BITCOUNT k 5 30 BIT
< 17
> BITCOUNT k 0 0 bit
< 0
> BITCOUNT k 1 1 BIT
< 1
> BITCOUNT k -1 -1 BIT
< 0
> BITCOUNT k -2 -1 BIT
< 1
> BITCOUNT k 3 4 BIT
< 0
> BITCOUNT k 0 -1 BIT
< 26
> BITCOUNT k -9223372036854775808 9223372036854775807 BIT
< 26

# BITCOUNT refuses what it does not know, but a missing key comes first
> SET k foobar
> HSET h f v
> BITCOUNT k 0
< !ERR syntax error
> BITCOUNT k 0 1 2
< !ERR syntax error
> BITCOUNT k 0 1 BIT BIT
< !ERR syntax error
> BITCOUNT k a 1
< !ERR value is not an integer or out of range
> BITCOUNT k 0 9223372036854775808
< !ERR value is not an integer or out of range
> BITCOUNT k -1 -2 nonsense
< 0
> BITCOUNT missing a b c d e
< 0
> BITCOUNT h a b
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITCOUNT
< !ERR wrong number of arguments for 'bitcount' command

# BITPOS finds the first bit
> SET k "\xff\xf0\x00"
> BITPOS k 0
< 12
> BITPOS k 1
< 0
> SET k "\x00\xff\xf0"
> BITPOS k 1 0
< 8
> BITPOS k 1 2
< 16
> BITPOS k 1 2 -1 BYTE
< 16
> BITPOS k 1 7 15 BIT
< 8
> BITPOS k 1 9 15 BIT
< 9
> BITPOS k 1 -2 -1
< 8
> SET k "\x00\x00\x00"
> BITPOS k 1
< -1
> BITPOS k 1 7 -3 BIT
< -1
> SET far "\x00"*50000
> SETBIT far 399990 1
> BITPOS far 1
< 399990
> BITPOS far 0
< 0

# BITPOS thinks zeros after a string unless an end is given
> SET k "\xff\xff\xff"
> BITPOS k 0
< 24
> BITPOS k 0 1
< 24
> BITPOS k 0 0 -1
< -1
> BITPOS k 0 3
< -1
> BITPOS k 0 3 10
< -1
> BITPOS k 0 2 2 BIT
< -1
> BITPOS k 1 3
< -1
> SET empty ""
> BITPOS empty 0
< -1
> BITPOS empty 1
< -1
> BITPOS missing 0
< 0
> BITPOS missing 1
< -1
> BITPOS missing 0 5 10
< 0
> SET big "\xff"*50000
> BITPOS big 0
< 400000

# BITPOS takes any 64-bit numbers
> SET k "\x00\xff"
> BITPOS k 1 -9223372036854775808 9223372036854775807
< 8
> BITPOS k 1 -9223372036854775808 9223372036854775807 BIT
< 8
> BITPOS k 1 9223372036854775807
< -1
> BITPOS k 0 -1 -9223372036854775808
< -1

# BITPOS refuses what it does not know
> SET k a
> HSET h f v
> BITPOS k 2
< !ERR The bit argument must be 1 or 0.
> BITPOS k x
< !ERR value is not an integer or out of range
> BITPOS k 1 a
< !ERR value is not an integer or out of range
> BITPOS k 1 0 a
< !ERR value is not an integer or out of range
> BITPOS k 1 0 a nonsense
< !ERR syntax error
> BITPOS k 1 0 1 nonsense
< !ERR syntax error
> BITPOS k 1 0 1 BIT BIT
< !ERR syntax error
> BITPOS missing 2
< !ERR The bit argument must be 1 or 0.
> BITPOS missing 1 a b c
< -1
> BITPOS h 2
< !ERR The bit argument must be 1 or 0.
> BITPOS h 1 a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITPOS k
< !ERR wrong number of arguments for 'bitpos' command

# BITOP combines strings of any length
> SET a "\xf0\xff\x0f"
> SET b "\xff\x0f"
> BITOP AND d a b
< 3
> GET d
< "\xf0\x0f\x00"
> OBJECT ENCODING d
< "raw"
> BITOP or d a b
< 3
> GET d
< "\xff\xff\x0f"
> BITOP XOR d a b
< 3
> GET d
< "\x0f\xf0\x0f"
> BITOP NOT d a
< 3
> GET d
< "\x0f\x00\xf0"
> BITOP AND d a missing
< 3
> GET d
< "\x00\x00\x00"
> BITOP OR d missing a
< 3
> GET d
< "\xf0\xff\x0f"
> BITOP XOR d a a a
< 3
> GET d
< "\xf0\xff\x0f"
> BITOP AND d a
< 3
> GET d
< "\xf0\xff\x0f"

# BITOP combines large strings
> SET a "\xf0\x0f"*40000
> SET b "\xff"*70000
> BITOP XOR d a b
< 80000
> GETRANGE d 69998 70003
< "\x0f\xf0\xf0\x0f\xf0\x0f"
> BITOP NOT d d
< 80000
> BITCOUNT d
< 320000
> BITOP AND a a b
< 80000
> BITCOUNT a
< 280000
> GETRANGE a 69999 70001
< "\x0f\x00\x00"

# BITOP stores over whatever is there, also over a source
> HSET d f v
> SET a abc
> EXPIRE d 100
> BITOP OR d a
< 3
> GET d
< "abc"
> TTL d
< -1
> EXPIRE a 100
> BITOP NOT a a
< 3
> BITOP NOT a a
< 3
> GET a
< "abc"
> TTL a
< -1
> SET n 5
> BITOP OR n n
< 1
> INCR n
< 6

# BITOP of nothing removes its destination
> SET d v
> BITOP AND d missing gone
< 0
> EXISTS d
< 0
> HSET d f v
> SET empty ""
> BITOP NOT d empty
< 0
> EXISTS d
< 0
> BITOP XOR d missing
< 0

# BITOP refuses what it cannot do and leaves the destination
> SET d v
> SET a abc
> HSET h f v
> BITOP NAND d a
< !ERR syntax error
> BITOP NOT d a a
< !ERR BITOP NOT must be called with a single source key.
> BITOP NOT d h h
< !ERR BITOP NOT must be called with a single source key.
> BITOP OR d a h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITOP OR d missing h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GET d
< "v"
> BITOP OR d
< !ERR wrong number of arguments for 'bitop' command

# The bit commands answer the same in RESP3
proto 3
> SETBIT k 1 1
< 0
> GETBIT k 1
< 1
> BITCOUNT k
< 1
> BITPOS k 1
< 1
> BITOP NOT d k
< 1

# The bit commands run in a transaction
> MULTI
> SETBIT a 0 1
> SETBIT b 1 1
> BITOP OR c a b
> BITCOUNT c
> BITFIELD c GET u8 0
> EXEC
< [0, 0, 1, 2, [192]]

# The bit commands know their keys
> COMMAND GETKEYS BITOP AND d a b
< ["d", "a", "b"]
> COMMAND GETKEYS BITFIELD k GET u8 0
< ["k"]
> COMMAND GETKEYS BITFIELD_RO k GET u8 0
< ["k"]
