#| INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

# Counters start at zero
> INCR k
< 1
> INCRBY k 10
< 11
> DECR k
< 10
> DECRBY k 3
< 7
> GET k
< "7"
> DECR fresh
< -1
> INCRBY other -5
< -5

# A counter keeps its TTL and its encoding
> SET k 5 EX 100
> INCR k
< 6
> TTL k
< 99..100
> OBJECT ENCODING k
< "int"

# A counter ends at 64 bits
> SET k 9223372036854775807
> INCR k
< !ERR increment or decrement would overflow
> INCRBY k 1
< !ERR increment or decrement would overflow
> DECR k
< 9223372036854775806
> SET k -9223372036854775808
> DECR k
< !ERR increment or decrement would overflow
> DECRBY k 1
< !ERR increment or decrement would overflow
> INCRBY k -1
< !ERR increment or decrement would overflow
> GET k
< "-9223372036854775808"
> DECRBY k -9223372036854775808
< !ERR decrement would overflow
> INCRBY k 9223372036854775808
< !ERR value is not an integer or out of range

# Only plain decimal numbers count
> SET k " 1"
> INCR k
< !ERR value is not an integer or out of range
> SET k "1 "
> INCR k
< !ERR value is not an integer or out of range
> SET k 007
> INCR k
< !ERR value is not an integer or out of range
> SET k +1
> INCR k
< !ERR value is not an integer or out of range
> SET k -0
> INCR k
< !ERR value is not an integer or out of range
> SET k ""
> INCR k
< !ERR value is not an integer or out of range
> SET k 1.0
> INCR k
< !ERR value is not an integer or out of range
> SET k 1
> INCRBY k abc
< !ERR value is not an integer or out of range
> INCRBY k ""
< !ERR value is not an integer or out of range
> DECRBY k 1.5
< !ERR value is not an integer or out of range
> GET k
< "1"

# The increment is looked at before the key
> HSET h f v
> INCRBY h abc
< !ERR value is not an integer or out of range
> INCR h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> DECR h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> INCRBY h 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> DECRBY h 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> INCRBYFLOAT h 1
< !WRONGTYPE Operation against a key holding the wrong kind of value

# Counters want the right number of arguments
> INCR
< !ERR wrong number of arguments for 'incr' command
> DECR a b
< !ERR wrong number of arguments for 'decr' command
> INCRBY a
< !ERR wrong number of arguments for 'incrby' command
> DECRBY a
< !ERR wrong number of arguments for 'decrby' command
> INCRBYFLOAT a
< !ERR wrong number of arguments for 'incrbyfloat' command

# Floats are written without trailing zeros or an exponent
> INCRBYFLOAT k 10.5
< "10.5"
> INCRBYFLOAT k 0.1
< "10.6"
> INCRBYFLOAT k -5
< "5.6"
> SET k 5.0e3
> INCRBYFLOAT k 2.0e2
< "5200"
> SET k 0
> INCRBYFLOAT k 1e5
< "100000"
> SET k 1
> INCRBYFLOAT k -1
< "0"
> SET k 3.0
> INCRBYFLOAT k 1.000000000000000005
< "4.00000000000000001"
> SET k 1e20
> INCRBYFLOAT k 0
< "100000000000000000000"
> SET k 0
> INCRBYFLOAT k 0x10
< "16"
> INCRBYFLOAT k -16
< "0"
> INCRBYFLOAT k -0.0
< "0"

# A float counter keeps its TTL
> SET k 1.5 EX 100
> INCRBYFLOAT k 1
< "2.5"
> TTL k
< 99..100
proto 3
> INCRBYFLOAT k 1
< "3.5"

# NaN and infinity are refused
> SET k 1
> INCRBYFLOAT k nan
< !ERR value is not a valid float
> INCRBYFLOAT k inf
< !ERR increment would produce NaN or Infinity
> INCRBYFLOAT k -inf
< !ERR increment would produce NaN or Infinity
> INCRBYFLOAT k 1e5000
< !ERR value is not a valid float
> SET k 1.18973149535723176502e+4932
> INCRBYFLOAT k 1.18973149535723176502e+4932
< !ERR increment would produce NaN or Infinity
> SET k inf
> INCRBYFLOAT k 1
< !ERR increment would produce NaN or Infinity
> GET k
< "inf"

# What is no float is not counted
> SET k abc
> INCRBYFLOAT k 1
< !ERR value is not a valid float
> SET k ""
> INCRBYFLOAT k 1
< !ERR value is not a valid float
> SET k " 1"
> INCRBYFLOAT k 1
< !ERR value is not a valid float
> SET k "1 "
> INCRBYFLOAT k 1
< !ERR value is not a valid float
> SET k 1
> INCRBYFLOAT k ""
< !ERR value is not a valid float
> INCRBYFLOAT k "1\x00"
< !ERR value is not a valid float

# Numbers as long as they like, where Redis takes them
> INCRBYFLOAT f 1e4000
< *
> INCRBYFLOAT f 1e4000
< *
> STRLEN f
< 4001
> ZADD z 1 a
< 1
> ZRANGEBYSCORE z "0."*300 1
< !ERR min or max is not a float
> ZRANGEBYSCORE z "0"*600 1
< ["a"]
> ZCOUNT z "0"*6000 1
< 1
> ZADD z "0"*7000 b
< 1
> ZSCORE z b
< "0"
> INCRBYFLOAT f "1"*6000
< !ERR value is not a valid float
