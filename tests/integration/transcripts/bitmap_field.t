#| BITFIELD, BITFIELD_RO.

# BITFIELD sets, adds and reads in order
> BITFIELD k SET u8 0 255 GET u4 2 INCRBY u4 4 1 GET u8 0
< [0, 15, 0, 240]
> GET k
< "\xf0"
> BITFIELD k INCRBY i5 100 1 GET u4 0
< [1, 15]
> STRLEN k
< 14
> BITFIELD k
< []
> BITFIELD missing
< []
> EXISTS missing
< 0

# BITFIELD counts in fields with a number sign
> BITFIELD k SET u16 #1 258 SET u16 #0 1
< [0, 0]
> GET k
< "\x00\x01\x01\x02"
> BITFIELD k GET u16 #1 GET u8 #3 GET u16 16 GET u16 #2
< [258, 2, 258, 0]

# BITFIELD takes fields that begin and end anywhere
> BITFIELD k SET i64 3 -2 GET i64 3 GET u63 4 GET i64 2
< [0, -2, 9223372036854775806, 9223372036854775807]
> GET k
< "\x1f\xff\xff\xff\xff\xff\xff\xff\xc0"
> BITFIELD k SET u63 7 4611686018427387905 GET u63 7 GET u1 7 GET i1 8 GET i1 69
< [9223372036854775792, 4611686018427387905, 1, 0, -1]
> BITFIELD k GET u8 1000 GET i64 68
< [0, 4611686018427387904]

# BITFIELD wraps unless told otherwise
> BITFIELD k SET u8 0 300 GET u8 0 SET u8 0 -1 GET u8 0
< [0, 44, 44, 255]
> BITFIELD k INCRBY u8 0 1 INCRBY u8 0 -1 INCRBY u8 0 511
< [0, 255, 254]
> BITFIELD k SET i8 8 127 INCRBY i8 8 1 INCRBY i8 8 -1
< [0, -128, 127]
> BITFIELD k SET i8 8 128 GET i8 8
< [127, -128]
> BITFIELD k SET i64 64 9223372036854775807 INCRBY i64 64 1 INCRBY i64 64 -1
< [0, -9223372036854775808, 9223372036854775807]
> BITFIELD k INCRBY u63 128 9223372036854775807 INCRBY u63 128 1 INCRBY u63 128 -1
< [9223372036854775807, 0, 9223372036854775807]
> BITFIELD k SET i1 200 1 GET i1 200 INCRBY i1 200 1
< [0, -1, 0]

# BITFIELD saturates
> BITFIELD k OVERFLOW SAT SET u8 0 300 GET u8 0 INCRBY u8 0 1 INCRBY u8 0 -256 INCRBY u8 0 -1
< [0, 255, 255, 0, 0]
> BITFIELD k OVERFLOW SAT SET u8 0 -1 GET u8 0
< [0, 255]
> BITFIELD k OVERFLOW SAT INCRBY i8 8 200 INCRBY i8 8 -300 INCRBY i8 8 -9223372036854775808
< [127, -128, -128]
> BITFIELD k OVERFLOW SAT SET i8 8 -129 GET i8 8 SET i8 8 128 GET i8 8
< [-128, -128, -128, 127]
> BITFIELD k OVERFLOW SAT SET i64 64 9223372036854775807 INCRBY i64 64 1
< [0, 9223372036854775807]
> BITFIELD k OVERFLOW SAT SET i64 64 -9223372036854775808 INCRBY i64 64 -1
< [9223372036854775807, -9223372036854775808]
> BITFIELD k OVERFLOW SAT INCRBY u63 128 9223372036854775807 INCRBY u63 128 9223372036854775807
< [9223372036854775807, 9223372036854775807]
> BITFIELD k OVERFLOW SAT SET i8 200 -9223372036854775808 GET i8 200
< [0, 127]

# BITFIELD fails with nothing
> BITFIELD k OVERFLOW FAIL SET u8 0 255 INCRBY u8 0 1 GET u8 0 INCRBY u8 0 -256 SET u8 0 256
< [0, nil, 255, nil, nil]
> BITFIELD k OVERFLOW FAIL INCRBY i8 8 127 INCRBY i8 8 1 OVERFLOW WRAP INCRBY i8 8 1
< [127, nil, -128]
> BITFIELD k OVERFLOW FAIL SET i64 64 9223372036854775807 INCRBY i64 64 1 INCRBY i64 64 -1
< [0, nil, 9223372036854775806]
> BITFIELD k OVERFLOW FAIL INCRBY u2 400 9
< [nil]
> STRLEN k
< 51
> BITFIELD fresh OVERFLOW FAIL INCRBY u2 8 9
< [nil]
> GET fresh
< "\x00\x00"

# BITFIELD's nothing is null in RESP3
proto 3
> BITFIELD k OVERFLOW FAIL SET u8 0 256 SET u8 0 1
< [null, 0]
> BITFIELD_RO k GET u8 0
< [1]

# The last OVERFLOW counts, for what follows it
> BITFIELD k SET u8 0 255 OVERFLOW FAIL OVERFLOW SAT INCRBY u8 0 1 overflow wrap incrby u8 0 1 OVERFLOW FAIL
< [0, 255, 0]
> BITFIELD k OVERFLOW SAT
< []

# BITFIELD works on numbers and keeps the TTL
> SET n 1 EX 100
> BITFIELD n GET u8 0 SET u8 0 50
< [49, 49]
> INCR n
< 3
> TTL n
< 99..100

# BITFIELD changes nothing when one of its arguments is wrong
> BITFIELD k SET u8 0 1 GET u64 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k SET u8 0 1 GET i65 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k GET u0 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k GET I8 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k GET "" 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k GET u 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k GET u99999999999999999999 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
> BITFIELD k SET u8 0 1 GET u8 -1
< !ERR bit offset is not an integer or out of range
> BITFIELD k SET u8 0 1 GET u8 #-1
< !ERR bit offset is not an integer or out of range
> BITFIELD k GET u8 #
< !ERR bit offset is not an integer or out of range
> BITFIELD k GET u8 4294967296
< !ERR bit offset is not an integer or out of range
> BITFIELD k GET i64 #67108864
< !ERR bit offset is not an integer or out of range
> BITFIELD k SET u8 0 1 SET u8 0 x
< !ERR value is not an integer or out of range
> BITFIELD k INCRBY u8 0 9223372036854775808
< !ERR value is not an integer or out of range
> BITFIELD k SET u8 0 1 OVERFLOW NEVER
< !ERR Invalid OVERFLOW type specified
> BITFIELD k SET u8 0 1 NOSUCH
< !ERR syntax error
> BITFIELD k SET u8 0 1 GET u8
< !ERR syntax error
> BITFIELD k SET u8 0
< !ERR syntax error
> BITFIELD k INCRBY u8 0
< !ERR syntax error
> BITFIELD k OVERFLOW
< !ERR syntax error
> EXISTS k
< 0
> BITFIELD
< !ERR wrong number of arguments for 'bitfield' command

# BITFIELD checks its arguments before the type
> HSET h f v
> BITFIELD h GET u8 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITFIELD h SET u8 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITFIELD h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITFIELD h GET u64 0
< !ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.

# BITFIELD_RO only reads
> SET k abc
> BITFIELD_RO k GET u8 0 GET u8 #2 GET i8 100
< [97, 99, 0]
> BITFIELD_RO k OVERFLOW SAT GET u8 8
< [98]
> BITFIELD_RO k
< []
> BITFIELD_RO missing GET u8 0
< [0]
> BITFIELD_RO k SET u8 0 1
< !ERR BITFIELD_RO only supports the GET subcommand
> BITFIELD_RO k GET u8 0 INCRBY u8 0 1
< !ERR BITFIELD_RO only supports the GET subcommand
> BITFIELD_RO k SET u8 0 x
< !ERR value is not an integer or out of range
> BITFIELD_RO k NOSUCH
< !ERR syntax error
> GET k
< "abc"
> HSET h f v
> BITFIELD_RO h GET u8 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BITFIELD_RO h SET u8 0 1
< !ERR BITFIELD_RO only supports the GET subcommand
> BITFIELD_RO
< !ERR wrong number of arguments for 'bitfield_ro' command

# GET may begin at the last bit that a string can have; a write must fit
> BITFIELD k GET u32 4294967295
< [0]
> BITFIELD k GET u32 #134217727 GET i8 4294967295
< [0, 0]
> BITFIELD k GET u8 4294967296
< !ERR bit offset is not an integer or out of range
> BITFIELD_RO k GET u63 4294967295
< [0]
weir > BITFIELD k SET u32 4294967295 1
< !ERR bit offset is not an integer or out of range
> EXISTS k
< 0
