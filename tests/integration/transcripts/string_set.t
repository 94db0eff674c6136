#| GET, SET and its options, SETEX, PSETEX, SETNX, GETSET, GETDEL, GETEX.

# GET returns what SET stored
> SET k v
< OK
> GET k
< "v"
> GET missing
< nil

# Keys and values are binary
> SET "a\x00b\r\n" "\x00\xff\r\n"
< OK
> GET "a\x00b\r\n"
< "\x00\xff\r\n"
> SET "" empty-key
< OK
> GET ""
< "empty-key"
> SET empty ""
< OK
> GET empty
< ""

# A null is a null of the protocol
proto 3
> GET missing
< null
> SET k v NX
< OK
> SET k v NX
< null

# GET and SET want the right number of arguments
> GET
< !ERR wrong number of arguments for 'get' command
> GET a b
< !ERR wrong number of arguments for 'get' command
> SET k
< !ERR wrong number of arguments for 'set' command
> set
< !ERR wrong number of arguments for 'set' command

# GET refuses a hash
> HSET h f v
< 1
> GET h
< !WRONGTYPE Operation against a key holding the wrong kind of value

# SET replaces any type and drops the TTL
> HSET h f v
> EXPIRE h 100
< 1
> SET h now-a-string
< OK
> TYPE h
< string
> TTL h
< -1

# SET keeps the TTL only with KEEPTTL
> SET k v EX 100
< OK
> TTL k
< 99..100
> SET k w KEEPTTL
< OK
> GET k
< "w"
> TTL k
< 99..100
> SET k x
< OK
> TTL k
< -1
> SET fresh v KEEPTTL
< OK
> TTL fresh
< -1

# SET takes a TTL in four units
> SET k v EX 100
> PTTL k
< 99000..100000
> SET k v PX 100000
> PTTL k
< 99000..100000
> SET k v EXAT @s+100
> EXPIRETIME k
< @s+99..@s+100
> SET k v PXAT @ms+100000
> PEXPIRETIME k
< @ms+99000..@ms+100000
> SET k v px 5000 ex 100
< !ERR syntax error

# The options of SET are words of any case
> SET k v eX 100 nX
< OK
> TTL k
< 99..100
> SET k w xX gEt kEePtTl
< "v"
> TTL k
< 99..100

# An option given twice counts once, the last time wins
> SET k v EX 10 EX 100
< OK
> TTL k
< 99..100
> SET k w XX XX
< OK
> SET k2 v PX 1 PX 100000
< OK
> GET k2
< "v"

# SET NX stores only what was not there
> SET k v NX
< OK
> SET k w NX
< nil
> GET k
< "v"
> HSET h f v
> SET h v NX
< nil
> SET k w NX EX 100
< nil
> TTL k
< -1

# SET XX stores only what was there
> SET k v XX
< nil
> EXISTS k
< 0
> SET k v
> SET k w XX
< OK
> GET k
< "w"
> HSET h f v
> SET h s XX
< OK
> TYPE h
< string

# SET GET returns the value before
> SET k v GET
< nil
> SET k w GET
< "v"
> SET k x GET EX 100
< "w"
> TTL k
< 99..100
> SET k y KEEPTTL GET
< "x"
> TTL k
< 99..100

# SET GET works together with NX and XX
> SET k v NX GET
< nil
> SET k w NX GET
< "v"
> GET k
< "v"
> SET k w XX GET
< "v"
> GET k
< "w"
> SET missing w XX GET
< nil
> EXISTS missing
< 0

# SET GET refuses a hash and leaves it
> HSET h f v
> SET h v GET
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SET h v NX GET
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HGET h f
< "v"

# Options of SET that exclude each other are a syntax error
> SET k v NX XX
< !ERR syntax error
> SET k v KEEPTTL EX 1
< !ERR syntax error
> SET k v EX 1 KEEPTTL
< !ERR syntax error
> SET k v EX 1 PXAT 5
< !ERR syntax error
> SET k v PERSIST
< !ERR syntax error
> SET k v EX
< !ERR syntax error
> SET k v WHAT
< !ERR syntax error
> SET k v ""
< !ERR syntax error
> EXISTS k
< 0

# A TTL must be a positive number that fits
> SET k v EX 0
< !ERR invalid expire time in 'set' command
> SET k v EX -1
< !ERR invalid expire time in 'set' command
> SET k v EX abc
< !ERR value is not an integer or out of range
> SET k v EX 1.5
< !ERR value is not an integer or out of range
> SET k v EX 9223372036854775807
< !ERR invalid expire time in 'set' command
> SET k v EX 9223372036854776
< !ERR invalid expire time in 'set' command
> SET k v PX 9223372036854775807
< !ERR invalid expire time in 'set' command
> SET k v EX 9223372036854775808
< !ERR value is not an integer or out of range
> SET k v EXAT -5
< !ERR invalid expire time in 'set' command
> SET k v PXAT 0
< !ERR invalid expire time in 'set' command
> SET k v NX EX 0
< !ERR invalid expire time in 'set' command
> EXISTS k
< 0

# SET with a time that has passed leaves nothing
> SET k old
> SET k v PXAT 1
< OK
> EXISTS k
< 0
> SET k v EXAT @s-10
< OK
> GET k
< nil
> DBSIZE
< 0

# A short TTL runs out
> SET k v PX 15
< OK
until> EXISTS k
< 0
> GET k
< nil

# Large values come back whole
> SET big "0123456789abcdef"*10000
< OK
> STRLEN big
< 160000
> GET big
< "0123456789abcdef"*10000
> SET big "x"*1000000
< OK
> GET big
< "x"*1000000
> GETSET big "y"*100000
< "x"*1000000
> SET big small GET
< "y"*100000
> GET big
< "small"

# The same big argument may be sent many times
> MSET a "z"*50000 a "y"*60000 b "z"*50000
< OK
> STRLEN a
< 60000
> MGET a b
< ["y"*60000, "z"*50000]

# SETEX and PSETEX store with a TTL
> SETEX k 100 v
< OK
> TTL k
< 99..100
> GET k
< "v"
> PSETEX k 100000 w
< OK
> PTTL k
< 99000..100000
> GET k
< "w"

# SETEX and PSETEX replace any type
> HSET h f v
> SETEX h 100 v
< OK
> TYPE h
< string

# SETEX and PSETEX name themselves in errors
> SETEX k 0 v
< !ERR invalid expire time in 'setex' command
> SETEX k -10 v
< !ERR invalid expire time in 'setex' command
> SETEX k abc v
< !ERR value is not an integer or out of range
> SETEX k 9223372036854775807 v
< !ERR invalid expire time in 'setex' command
> PSETEX k 0 v
< !ERR invalid expire time in 'psetex' command
> PSETEX k 9223372036854775807 v
< !ERR invalid expire time in 'psetex' command
> SETEX k 100
< !ERR wrong number of arguments for 'setex' command
> PSETEX k 100
< !ERR wrong number of arguments for 'psetex' command
> EXISTS k
< 0

# SETNX answers whether it stored
> SETNX k v
< 1
> SETNX k w
< 0
> GET k
< "v"
> HSET h f v
> SETNX h v
< 0
> SETNX k
< !ERR wrong number of arguments for 'setnx' command

# SETNX stores over an expired key
> SET k v PX 10
until> SETNX k w
< 1
> TTL k
< -1

# GETSET returns the value before and drops the TTL
> GETSET k v
< nil
> EXPIRE k 100
> GETSET k w
< "v"
> TTL k
< -1
> HSET h f v
> GETSET h v
< !WRONGTYPE Operation against a key holding the wrong kind of value
> HGET h f
< "v"
> GETSET k
< !ERR wrong number of arguments for 'getset' command

# GETDEL returns and removes
> SET k v
> GETDEL k
< "v"
> EXISTS k
< 0
> GETDEL k
< nil
> HSET h f v
> GETDEL h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> EXISTS h
< 1
> GETDEL
< !ERR wrong number of arguments for 'getdel' command
proto 3
> GETDEL k
< null

# GETEX changes only the TTL
> SET k v
> GETEX k
< "v"
> TTL k
< -1
> GETEX k EX 100
< "v"
> TTL k
< 99..100
> GETEX k PX 200000
< "v"
> TTL k
< 199..200
> GETEX k EXAT @s+300
< "v"
> TTL k
< 299..300
> GETEX k PXAT @ms+400000
< "v"
> TTL k
< 399..400
> GETEX k
< "v"
> TTL k
< 399..400
> GETEX k PERSIST
< "v"
> TTL k
< -1
> GETEX k PERSIST
< "v"

# GETEX with a time that has passed deletes
> SET k v
> GETEX k EXAT @s-10
< "v"
> EXISTS k
< 0
> SET k v
> GETEX k PXAT 1
< "v"
> EXISTS k
< 0

# GETEX checks its options before the key, and the time after it
> GETEX missing
< nil
> GETEX missing EX 0
< nil
> GETEX missing NX
< !ERR syntax error
> SET k v
> GETEX k EX 0
< !ERR invalid expire time in 'getex' command
> GETEX k EX abc
< !ERR value is not an integer or out of range
> GETEX k EX 10 PERSIST
< !ERR syntax error
> GETEX k KEEPTTL
< !ERR syntax error
> GETEX k GET
< !ERR syntax error
> GETEX k PX
< !ERR syntax error
> GETEX k PX 9223372036854775807
< !ERR invalid expire time in 'getex' command
> HSET h f v
> GETEX h
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GETEX
< !ERR wrong number of arguments for 'getex' command
