#| What the bit commands and HyperLogLog leave to be journalled and flushed.
weir-only

# Many bits of a string are flushed once
> SETBIT k 0 1
> WEIR FLUSH
mark
> SETBIT k 1 1
> SETBIT k 9 1
> BITFIELD k SET u8 16 65 INCRBY u8 16 1
stat writes +3
> WEIR FLUSH
stat flushed_items +1
stat flushed_rows +1
backend> SELECT key, hex(value) FROM string
< [["k", "C04042"]]
> BITOP OR copy k
> BITOP OR k missing
< 0
> WEIR FLUSH
backend> SELECT key, hex(value) FROM string
< [["copy", "C04042"]]

# What changes nothing leaves nothing to flush
> SETBIT k 1 1
> PFADD p a b c
> PFMERGE q p
> WEIR FLUSH
mark
> SETBIT k 1 1
< 1
> SETBIT k 0 0
< 0
> BITFIELD k GET u8 0 SET u8 0 64 INCRBY u8 0 0 OVERFLOW FAIL INCRBY u8 0 255
< [64, 64, 64, nil]
> BITFIELD k GET u8 100
< [0]
> BITFIELD missing GET u8 100
< [0]
> BITOP AND missing gone
< 0
> PFADD p a b
< 0
> PFADD p
< 0
> PFMERGE q p
< OK
> PFCOUNT p
< 3
> PFCOUNT p q
< 3
stat writes +0
stat journal_last_lsn +0
> WEIR FLUSH
stat flushed_items +0

# A sketch is one row, and PFCOUNT costs none
> PFADD p a
> WEIR FLUSH
mark
> PFADD p b c
> PFADD p d
> GETRANGE p 8 15
< "\x00\x00\x00\x00\x00\x00\x00\x80"
> PFCOUNT p
< 4
> GETRANGE p 8 15
< "\x04\x00\x00\x00\x00\x00\x00\x00"
> PFADD p d
< 0
> PFCOUNT p
< 4
stat writes +2
> WEIR FLUSH
stat flushed_rows +1
backend> SELECT key, substr(hex(value), 1, 10) FROM string
< [["p", "48594C4C01"]]

# A sketch that became dense by the configured limit is so after recovery with another
> PFADD a 1 2 3
> PFADD b 4 5 6
> CONFIG SET hll-sparse-max-bytes 30
> PFMERGE m a b
> PFADD a 4 5 6
> CONFIG SET hll-sparse-max-bytes 3000
kill
> PFDEBUG ENCODING m
< dense
> PFDEBUG ENCODING a
< dense
> PFDEBUG ENCODING b
< sparse
> PFCOUNT m
< 6
> PFCOUNT a
< 6

# A read by BITFIELD is taken where a write is refused
> SET k abc
> WEIR FLUSH
> CONFIG SET maxmemory 1
until> SETBIT k 1 1
< !OOM command not allowed when used memory > 'maxmemory'.
> BITFIELD k GET u8 0
< [97]
> BITFIELD k GET u8 0 GET u8 8
< [97, 98]
until> BITFIELD k SET u8 0 97
< !OOM command not allowed when used memory > 'maxmemory'.
> CONFIG SET maxmemory 0
until> SETBIT k 1 1
< 1
