#| LCS.

# LCS returns the longest common subsequence
> MSET a ohmytext b mynewtext
> LCS a b
< "mytext"
> LCS a b LEN
< 6
> LCS b a len
< 6
> LCS a missing
< ""
> LCS a missing LEN
< 0
> LCS missing missing
< ""

# LCS IDX tells where the matches lie, the last one first
> MSET a ohmytext b mynewtext
> LCS a b IDX
< ["matches", [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], "len", 6]
> LCS a b IDX MINMATCHLEN 4
< ["matches", [[[4, 7], [5, 8]]], "len", 6]
> LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN
< ["matches", [[[4, 7], [5, 8], 4]], "len", 6]
> LCS a b IDX WITHMATCHLEN
< ["matches", [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], "len", 6]
> LCS a b IDX MINMATCHLEN 100
< ["matches", [], "len", 6]
> LCS a b IDX MINMATCHLEN -5
< ["matches", [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], "len", 6]
> LCS a missing IDX
< ["matches", [], "len", 0]

# LCS IDX is a map in RESP3
proto 3
> MSET a ohmytext b mynewtext
> LCS a b IDX WITHMATCHLEN
< {"matches": [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], "len": 6}
> LCS a b LEN
< 6

# Of several answers LCS gives the one that Redis gives
> MSET a ABCBDAB b BDCABA
> LCS a b
< "BDAB"
> LCS a b IDX
< ["matches", [[[5, 6], [3, 4]], [[3, 4], [0, 1]]], "len", 4]
> LCS b a
< "BCBA"
> MSET a "\x00\x01\xff" b "\x01\x00\xff"
> LCS a b
< "\x01\xff"
> MSET a aaaa b aa
> LCS a b IDX WITHMATCHLEN
< ["matches", [[[2, 3], [0, 1], 2]], "len", 2]
> LCS a a
< "aaaa"

# LCS says what it does not understand
> MSET a x b y
> LCS a b LEN IDX
< !ERR If you want both the length and indexes, please just use IDX.
> LCS a b WHAT
< !ERR syntax error
> LCS a b MINMATCHLEN
< !ERR syntax error
> LCS a b MINMATCHLEN abc
< !ERR value is not an integer or out of range
> LCS a
< !ERR wrong number of arguments for 'lcs' command
> HSET h f v
> LCS a h
< !ERR The specified keys must contain string values
> LCS h missing WHAT
< !ERR The specified keys must contain string values

# LCS refuses a table larger than proto-max-bulk-len
> CONFIG SET proto-max-bulk-len 1mb
< OK
> SETRANGE a 1023 x
> SETRANGE b 1023 x
> LCS a b
< !ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len
> SETRANGE c 200 x
> LCS a c LEN
< 201
> CONFIG SET proto-max-bulk-len 512mb
< OK
