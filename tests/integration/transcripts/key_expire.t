#| EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST.
server --enable-debug-command yes

# The four ways to set a time
> SET k v
> EXPIRE k 100
< 1
> TTL k
< 99..100
> PEXPIRE k 200000
< 1
> PTTL k
< 199000..200000
> EXPIREAT k @s+300
< 1
> EXPIRETIME k
< @s+298..@s+300
> PEXPIREAT k @ms+400000
< 1
> PEXPIRETIME k
< @ms+399000..@ms+400000
> GET k
< "v"

# A key without TTL, and no key
> SET k v
> TTL k
< -1
> PTTL k
< -1
> EXPIRETIME k
< -1
> PEXPIRETIME k
< -1
> TTL missing
< -2
> PTTL missing
< -2
> EXPIRETIME missing
< -2
> PEXPIRETIME missing
< -2
> EXPIRE missing 100
< 0
> PEXPIRE missing 100
< 0
> EXPIREAT missing @s+100
< 0
> PEXPIREAT missing @ms+100
< 0
> PERSIST missing
< 0
> PERSIST k
< 0

# TTL rounds to the nearest second
> SET k v PXAT 33177117420400
> EXPIRETIME k
< 33177117420
> SET k v PXAT 33177117420500
> EXPIRETIME k
< 33177117421
> PEXPIRETIME k
< 33177117420500

# PERSIST removes the time
> SET k v EX 100
> PERSIST k
< 1
> TTL k
< -1
> PERSIST k
< 0
> HSET h f v
> EXPIRE h 100
< 1
> PERSIST h
< 1

# A time that has passed deletes at once
> MSET a 1 b 2 c 3 d 4 e 5
> EXPIRE a -1
< 1
> EXPIRE b 0
< 1
> PEXPIRE c -5
< 1
> EXPIREAT d 1
< 1
> PEXPIREAT e @ms-1
< 1
> DBSIZE
< 0
> EXISTS a b c d e
< 0
> HSET h f v
> EXPIRE h -1
< 1
> HGETALL h
< []

# NX only where there is none, XX only where there is one
> SET k v
> EXPIRE k 100 XX
< 0
> TTL k
< -1
> EXPIRE k 100 NX
< 1
> EXPIRE k 200 NX
< 0
> TTL k
< 99..100
> EXPIRE k 200 xx
< 1
> TTL k
< 199..200

# GT only later, LT only earlier, and none is forever
> SET k v
> EXPIRE k 100 GT
< 0
> TTL k
< -1
> EXPIRE k 100 LT
< 1
> EXPIRE k 50 GT
< 0
> EXPIRE k 200 GT
< 1
> TTL k
< 199..200
> EXPIRE k 300 LT
< 0
> EXPIRE k 100 LT
< 1
> TTL k
< 99..100
> EXPIRE k 200 XX GT
< 1
> EXPIRE k 100 XX LT
< 1
> PERSIST k
> EXPIRE k 100 XX LT
< 0
> PEXPIREAT k 33177117420000
> PEXPIREAT k 33177117420000 GT
< 0
> PEXPIREAT k 33177117420000 LT
< 0
> PEXPIREAT k 33177117420001 GT
< 1

# Conditions hold for the past too
> SET k v EX 100
> EXPIRE k -1 GT
< 0
> EXISTS k
< 1
> EXPIRE k -1 NX
< 0
> EXPIRE k -1 LT
< 1
> EXISTS k
< 0

# Conditions that exclude each other
> SET k v
> EXPIRE k 100 NX XX
< !ERR NX and XX, GT or LT options at the same time are not compatible
> EXPIRE k 100 GT NX
< !ERR NX and XX, GT or LT options at the same time are not compatible
> PEXPIRE k 100 LT NX
< !ERR NX and XX, GT or LT options at the same time are not compatible
> EXPIREAT k 100 GT LT
< !ERR GT and LT options at the same time are not compatible
> PEXPIREAT k 100 GT LT XX
< !ERR GT and LT options at the same time are not compatible
> EXPIRE k 100 WHAT
< !ERR Unsupported option WHAT
> EXPIRE k abc WHAT
< !ERR Unsupported option WHAT
> TTL k
< -1

# A time must be a number that fits
> SET k v
> EXPIRE k abc
< !ERR value is not an integer or out of range
> EXPIRE k 1.5
< !ERR value is not an integer or out of range
> EXPIRE k 9223372036854775808
< !ERR value is not an integer or out of range
> EXPIRE k 9223372036854775807
< !ERR invalid expire time in 'expire' command
> EXPIRE k 9223372036854770
< !ERR invalid expire time in 'expire' command
> EXPIRE k -9223372036854775807
< !ERR invalid expire time in 'expire' command
> PEXPIRE k 9223372036854775807
< !ERR invalid expire time in 'pexpire' command
> EXPIREAT k 9223372036854775807
< !ERR invalid expire time in 'expireat' command
> EXPIREAT missing 9223372036854775807
< !ERR invalid expire time in 'expireat' command
> PEXPIREAT k 9223372036854775807
< 1
> PEXPIRETIME k
< 9223372036854775807
> GET k
< "v"
> PEXPIRE k -9223372036854775808
< 1
> EXISTS k
< 0

# They want the right number of arguments
> EXPIRE k
< !ERR wrong number of arguments for 'expire' command
> PEXPIRE k
< !ERR wrong number of arguments for 'pexpire' command
> EXPIREAT k
< !ERR wrong number of arguments for 'expireat' command
> PEXPIREAT k
< !ERR wrong number of arguments for 'pexpireat' command
> TTL
< !ERR wrong number of arguments for 'ttl' command
> PTTL
< !ERR wrong number of arguments for 'pttl' command
> EXPIRETIME
< !ERR wrong number of arguments for 'expiretime' command
> PEXPIRETIME
< !ERR wrong number of arguments for 'pexpiretime' command
> PERSIST
< !ERR wrong number of arguments for 'persist' command

# A key that has expired is gone for every command
> SET k v PX 15
until> EXISTS k
< 0
> TTL k
< -2
> TYPE k
< none
> KEYS *
< []
> RANDOMKEY
< nil
until> DBSIZE
< 0
> SETNX k w
< 1
> TTL k
< -1

# Who finds an expired key removes it
> DEBUG SET-ACTIVE-EXPIRE 0
> SET k v PX 15
> HSET other f v
until> EXISTS k
< 0
> DBSIZE
< 1
> DEBUG SET-ACTIVE-EXPIRE 1

# Nobody has to look for an expired key to vanish
> SET a v PX 20
> HSET h f v
> PEXPIRE h 20
> SET b v
until> DBSIZE
< 1
> KEYS *
< ["b"]

# Time stands still inside a transaction
> SET k v PX 1000
> MULTI
> PTTL k
> EXISTS k
> PERSIST k
> TTL k
> EXEC
< [900..1000, 1, 1, -1]
