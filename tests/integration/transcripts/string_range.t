#| APPEND, STRLEN, GETRANGE, SUBSTR, SETRANGE.

# APPEND adds and answers the length
> APPEND k abc
< 3
> APPEND k def
< 6
> GET k
< "abcdef"
> APPEND k ""
< 6
> APPEND empty ""
< 0
> EXISTS empty
< 1

# APPEND keeps the TTL
> SET k a EX 100
> APPEND k b
< 2
> TTL k
< 99..100

# APPEND works on numbers and long values
> SET k 12
> APPEND k 3
< 3
> INCR k
< 124
> SET big "x"*40000
> APPEND big "y"*40000
< 80000
> GETRANGE big 39998 40001
< "xxyy"
> APPEND big z
< 80001
> GETRANGE big -2 -1
< "yz"
> APPEND fresh "z"*40000
< 40000

# APPEND refuses a hash
> HSET h f v
> APPEND h x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> APPEND h
< !ERR wrong number of arguments for 'append' command

# STRLEN counts bytes
> SET k "a\x00\xc3\xa4"
> STRLEN k
< 4
> STRLEN missing
< 0
> SET n 12345
> STRLEN n
< 5
> HSET h f v
> STRLEN h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> STRLEN
< !ERR wrong number of arguments for 'strlen' command

# GETRANGE counts from either end
> SET k "Hello World"
> GETRANGE k 0 3
< "Hell"
> GETRANGE k 0 -1
< "Hello World"
> GETRANGE k -4 -1
< "orld"
> GETRANGE k -5000 3
< "Hell"
> GETRANGE k 5 3
< ""
> GETRANGE k 5 5000
< " World"
> GETRANGE k -5000 10000
< "Hello World"
> GETRANGE k 100 200
< ""
> GETRANGE k -1 -5
< ""
> GETRANGE k -100 -50
< "H"
> GETRANGE k 0 -100
< "H"
> GETRANGE missing 0 -1
< ""

# GETRANGE takes any 64-bit numbers
> SET k abc
> GETRANGE k -9223372036854775808 9223372036854775807
< "abc"
> GETRANGE k 9223372036854775807 9223372036854775807
< ""
> GETRANGE k 0 4294967297
< "abc"
> GETRANGE k -9223372036854775808 -9223372036854775808
< "a"
> SET empty ""
> GETRANGE empty 0 4294967297
< ""
> GETRANGE k a 1
< !ERR value is not an integer or out of range
> GETRANGE k 0 9223372036854775808
< !ERR value is not an integer or out of range
> SET n 1234567
> GETRANGE n 2 4
< "345"
> HSET h f v
> GETRANGE h 0 -1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GETRANGE h 0
< !ERR wrong number of arguments for 'getrange' command

# SUBSTR is GETRANGE's old name
> SET k abcdef
> SUBSTR k 1 -2
< "bcde"
> SUBSTR missing 0 1
< ""
> HSET h f v
> SUBSTR h 0 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SUBSTR k
< !ERR wrong number of arguments for 'substr' command

# SETRANGE overwrites and pads with zeros
> SETRANGE k 3 abc
< 6
> GET k
< "\x00\x00\x00abc"
> SETRANGE k 0 xy
< 6
> GET k
< "xy\x00abc"
> SETRANGE k 5 long
< 9
> GET k
< "xy\x00ablong"
> SET n 1234
> SETRANGE n 1 9
< 4
> GET n
< "1934"
> INCR n
< 1935

# SETRANGE with nothing changes nothing
> SETRANGE missing 5 ""
< 0
> EXISTS missing
< 0
> SET k abc
> SETRANGE k 10 ""
< 3
> GET k
< "abc"
> SETRANGE missing 600000000 ""
< 0

# SETRANGE keeps the TTL
> SET k abc EX 100
> SETRANGE k 1 xyz
< 4
> TTL k
< 99..100

# SETRANGE has a limit
> SET k abc
> SETRANGE k -1 x
< !ERR offset is out of range
> SETRANGE k 536870911 xx
< !ERR string exceeds maximum allowed size (proto-max-bulk-len)
> SETRANGE k 9223372036854775807 x
< !ERR string exceeds maximum allowed size (proto-max-bulk-len)
> SETRANGE k 4294967296 x
< !ERR string exceeds maximum allowed size (proto-max-bulk-len)
> SETRANGE missing 536870912 x
< !ERR string exceeds maximum allowed size (proto-max-bulk-len)
> SETRANGE k a x
< !ERR value is not an integer or out of range
> GET k
< "abc"
> HSET h f v
> SETRANGE h 0 x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SETRANGE h -1 x
< !ERR offset is out of range
> SETRANGE k 0
< !ERR wrong number of arguments for 'setrange' command

# SETRANGE on a large value leaves the rest
> SET big "x"*50000
> SETRANGE big 49998 abcd
< 50002
> GETRANGE big 49996 -1
< "xxabcd"
> STRLEN big
< 50002
