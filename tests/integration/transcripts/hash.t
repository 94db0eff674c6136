#| HSET HMSET HSETNX HGET HMGET HGETALL HKEYS HVALS HLEN HSTRLEN HEXISTS HDEL HINCRBY HINCRBYFLOAT.

# HSET counts the new fields
> HSET h a 1
< 1
> HSET h a 2 b 3 c 4
< 2
> HSET h a 5
< 0
> HMGET h a b c missing
< ["5", "3", "4", nil]
> HLEN h
< 3
> TYPE h
< hash

# A field named twice is set twice
> HSET h a 1 a 2
< 1
> HGETALL h
< ["a", "2"]

# HMSET says OK
> HMSET h a 1 b 2
< OK
> HGETALL h
< ["a", "1", "b", "2"]

# HGETALL is a map in RESP3
> HSET h a 1 b 2
> HGETALL h
< ["a", "1", "b", "2"]
> HGETALL missing
< []
proto 3
> HGETALL h
< {"a": "1", "b": "2"}
> HGETALL missing
< {}
> HKEYS h
< ["a", "b"]
> HVALS h
< ["1", "2"]
> HGET h missing
< null
> HMGET missing a b
< [null, null]

# Fields and values are binary and may be empty
> HSET h "" empty "\x00\r\n" "\xff\x00" v ""
< 3
> HGET h ""
< "empty"
> HGET h "\x00\r\n"
< "\xff\x00"
> HGET h v
< ""
> HSTRLEN h v
< 0
> HEXISTS h v
< 1

# A small hash keeps the order of insertion
> HSET h z 1 a 2 m 3
> HSET h a 9 q 4
> HKEYS h
< ["z", "a", "m", "q"]
> HDEL h a
> HSET h a 5
> HKEYS h
< ["z", "m", "q", "a"]
> HVALS h
< ["1", "3", "4", "5"]

# HSET wants fields with values
> HSET h a
< !ERR wrong number of arguments for 'hset' command
> HSET h a 1 b
< !ERR wrong number of arguments for 'hset' command
> HMSET h a 1 b
< !ERR wrong number of arguments for 'hmset' command
> HMSET h a
< !ERR wrong number of arguments for 'hmset' command
> HSETNX h a
< !ERR wrong number of arguments for 'hsetnx' command
> EXISTS h
< 0

# Hash commands want the right number of arguments
> HGET h
< !ERR wrong number of arguments for 'hget' command
> HMGET h
< !ERR wrong number of arguments for 'hmget' command
> HGETALL
< !ERR wrong number of arguments for 'hgetall' command
> HKEYS
< !ERR wrong number of arguments for 'hkeys' command
> HVALS
< !ERR wrong number of arguments for 'hvals' command
> HLEN
< !ERR wrong number of arguments for 'hlen' command
> HSTRLEN h
< !ERR wrong number of arguments for 'hstrlen' command
> HEXISTS h
< !ERR wrong number of arguments for 'hexists' command
> HDEL h
< !ERR wrong number of arguments for 'hdel' command
> HINCRBY h f
< !ERR wrong number of arguments for 'hincrby' command
> HINCRBYFLOAT h f
< !ERR wrong number of arguments for 'hincrbyfloat' command

# Hash commands refuse a string
> SET s v
> HSET s f v
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HMSET s f v
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HSETNX s f v
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HGET s f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HMGET s f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HGETALL s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HKEYS s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HVALS s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HLEN s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HSTRLEN s f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HEXISTS s f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HDEL s f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HINCRBY s f 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HINCRBYFLOAT s f 1
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HRANDFIELD s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HSCAN s 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GET s
< "v"

# A hash that is not there is empty
> HGET h f
< nil
> HMGET h a b
< [nil, nil]
> HKEYS h
< []
> HVALS h
< []
> HLEN h
< 0
> HSTRLEN h f
< 0
> HEXISTS h f
< 0
> HDEL h f
< 0
> EXISTS h
< 0

# HSETNX stores only new fields
> HSETNX h f v
< 1
> HSETNX h f w
< 0
> HGET h f
< "v"
> HSETNX h g w
< 1

# HDEL counts what it removed, and the last field takes the hash with it
> HSET h a 1 b 2 c 3
> HDEL h a missing a
< 1
> HDEL h missing
< 0
> HDEL h b c d
< 2
> EXISTS h
< 0
> TYPE h
< none
> SET h now-a-string
< OK

# Inside a transaction too
> HSET h a 1
> MULTI
> HDEL h a
> EXISTS h
> HSET h b 2
> HGETALL h
> EXEC
< [1, 0, 1, ["b", "2"]]
> EXPIRE h 100
> MULTI
> HDEL h b
> HSET h c 3
> TTL h
> EXEC
< [1, 1, -1]

# Setting a field keeps the TTL of the hash
> HSET h a 1
> EXPIRE h 100
> HSET h b 2
> HINCRBY h a 1
> HDEL h b
> TTL h
< 99..100
> HDEL h a
> HSET h a 1
> TTL h
< -1

# HSTRLEN counts bytes
> HSET h f "a\x00b"
> HSTRLEN h f
< 3
> HINCRBY h n 12345
> HSTRLEN h n
< 5

# HINCRBY counts in a field
> HINCRBY h n 5
< 5
> HINCRBY h n -7
< -2
> HGET h n
< "-2"
> HSET h n 9223372036854775807
> HINCRBY h n 1
< !ERR increment or decrement would overflow
> HSET h n -9223372036854775808
> HINCRBY h n -1
< !ERR increment or decrement would overflow
> HINCRBY h n 9223372036854775808
< !ERR value is not an integer or out of range
> HINCRBY h n 1.5
< !ERR value is not an integer or out of range
> HSET h s abc t " 1" u "" v 1.5 w 007
> HINCRBY h s 1
< !ERR hash value is not an integer
> HINCRBY h t 1
< !ERR hash value is not an integer
> HINCRBY h u 1
< !ERR hash value is not an integer
> HINCRBY h v 1
< !ERR hash value is not an integer
> HINCRBY h w 1
< !ERR hash value is not an integer

# HINCRBY that fails creates nothing
> HINCRBY h n abc
< !ERR value is not an integer or out of range
> HINCRBYFLOAT h n abc
< !ERR value is not a valid float
> HINCRBYFLOAT h n inf
< !ERR value is NaN or Infinity
> EXISTS h
< 0

# HINCRBYFLOAT counts with fractions
> HINCRBYFLOAT h n 10.5
< "10.5"
> HINCRBYFLOAT h n 0.1
< "10.6"
> HINCRBYFLOAT h n -10.6
< "0"
> HSET h n 5.0e3
> HINCRBYFLOAT h n 2.0e2
< "5200"
> HGET h n
< "5200"
> HINCRBYFLOAT h n nan
< !ERR value is not a valid float
> HINCRBYFLOAT h n inf
< !ERR value is NaN or Infinity
> HSET h s abc e ""
> HINCRBYFLOAT h s 1
< !ERR hash value is not a float
> HSET h big 1.18973149535723176502e+4932
> HINCRBYFLOAT h big 1.18973149535723176502e+4932
< !ERR increment would produce NaN or Infinity
proto 3
> HINCRBYFLOAT h n 1
< "5201"

# A hash grows from a list to a table
> HSET h f v
> OBJECT ENCODING h
< "listpack"
> HSET h long "x"*64
> OBJECT ENCODING h
< "listpack"
> HSET h long "x"*65
> OBJECT ENCODING h
< "hashtable"
> HMGET h f long
< ["v", "x"*65]
> HDEL h long
> OBJECT ENCODING h
< "hashtable"
> HSET g "x"*65 v
> OBJECT ENCODING g
< "hashtable"

# A hash of many fields loses none
> HSET h f1 1 f2 2 f3 3 f4 4 f5 5 f6 6 f7 7 f8 8 f9 9 f10 10 f11 11 f12 12 f13 13 f14 14 f15 15 f16 16 f17 17 f18 18 f19 19 f20 20
< 20
> CONFIG SET hash-max-listpack-entries 4
< OK
> OBJECT ENCODING h
< "listpack"
> HSET h f21 21
> OBJECT ENCODING h
< "hashtable"
> HLEN h
< 21
> HGETALL h
< count 42
> HDEL h f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18
< 18
> HKEYS h
< any-order ["f19", "f20", "f21"]
> HVALS h
< any-order ["19", "20", "21"]
> CONFIG SET hash-max-listpack-entries 128
< OK
