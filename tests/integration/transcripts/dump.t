#| DUMP and RESTORE.

# RESTORE makes a key from what DUMP says
> DUMP missing
< nil
> RESTORE s 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< OK
> GET s
< "v"
> TTL s
< -1
> RESTORE l 0 "\x01\x02\x01a\x01b\x0a\x002\xa8\x90~\xd5\x03\x1aE"
< OK
> LRANGE l 0 -1
< ["a", "b"]
> RESTORE e 0 "\x02\x02\x01a\x01b\x0a\x00\xfed!%\xeb\x03=\x0d"
< OK
> SMEMBERS e
< any-order ["a", "b"]
> RESTORE h 0 "\x04\x01\x01f\x01v\x0a\x00\xad\xf2CV\xb1\x86\x0e\xfc"
< OK
> HGETALL h
< ["f", "v"]
> RESTORE z 0 "\x05\x01\x01m\x00\x00\x00\x00\x00\x00\xf8?\x0a\x00\x86\xee\x8a=\x9ap\xe9\x7f"
< OK
> ZRANGE z 0 -1 WITHSCORES
< ["m", "1.5"]
> DUMP
< !ERR wrong number of arguments for 'dump' command
> DUMP s s
< !ERR wrong number of arguments for 'dump' command
> RESTORE s 0
< !ERR wrong number of arguments for 'restore' command

# DUMP writes the oldest version that says everything
> SET s v
> HSET h f 12
> RPUSH l a
> ZADD z -2 m
weir > DUMP s
< "\x00\x01v\x08\x00(%\x22\x0d\xb0!\x00\xf6"
weir > DUMP h
< "\x04\x01\x01f\xc0\x0c\x08\x00\xb9\xfd\x99\x0a]\xa3\xb2\xdf"
weir > DUMP l
< "\x01\x01\x01a\x08\x00L\x9d\xbe,$\xd9nZ"
weir > DUMP z
< "\x05\x01\x01m\x00\x00\x00\x00\x00\x00\x00\xc0\x08\x00lE\x81S\xa8U\xe1y"

# RESP3 has its own null
proto 3
> DUMP missing
< null
> RESTORE s 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< OK
weir > DUMP s
< "\x00\x01v\x08\x00(%\x22\x0d\xb0!\x00\xf6"

# Compact forms and compressed strings are read
> RESTORE h 0 "\x10\x0c\x0c\x00\x00\x00\x02\x00\x81f\x02\x05\x01\xff\x0a\x00I\xce\x93wg6\xf0\x09"
< OK
> HGETALL h
< ["f", "5"]
> OBJECT ENCODING h
< "listpack"
> RESTORE e 0 "\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\xff\xff\x05\x00\x0a\x00\x83W\xa6S\xf5\xbf\x13\xd5"
< OK
> SMEMBERS e
< any-order ["-1", "5"]
> OBJECT ENCODING e
< "intset"
> RESTORE s 0 "\x00\xc3\x05\x0a\x00a\xe0\x00\x00\x0a\x00|!'\x19\xc4,\x86l"
< OK
> GET s
< "aaaaaaaaaa"

# A key that is there is replaced only with REPLACE
> SET k old EX 1000
> RESTORE k 0 "\x04\x01\x01f\x01v\x0a\x00\xad\xf2CV\xb1\x86\x0e\xfc"
< !BUSYKEY Target key name already exists.
> RESTORE k x nonsense
< !BUSYKEY Target key name already exists.
> RESTORE k 0 "\x04\x01\x01f\x01v\x0a\x00\xad\xf2CV\xb1\x86\x0e\xfc" REPLACE
< OK
> HGETALL k
< ["f", "v"]
> TTL k
< -1
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" replace
< OK
> GET k
< "v"

# Times to live are relative, or absolute with ABSTTL
> RESTORE a 100000 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< OK
> TTL a
< 99..100
> RESTORE b @ms+200000 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL
< OK
> TTL b
< 199..200
> RESTORE c -1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< !ERR Invalid TTL value, must be >= 0
> RESTORE c x "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< !ERR value is not an integer or out of range
> RESTORE c -1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL
< !ERR Invalid TTL value, must be >= 0
> EXISTS c
< 0
> RESTORE c 9223372036854775807 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL
< OK
> PEXPIRETIME c
< 9223372036854775807
weir > RESTORE d 9223372036854775807 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< !ERR invalid expire time in 'restore' command
> EXISTS d
< 0

# A time that has passed makes nothing, and with REPLACE deletes
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL
< OK
> EXISTS k
< 0
> SET k v
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL
< !BUSYKEY Target key name already exists.
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL REPLACE
< OK
> EXISTS k
< 0
> SET k v
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a!" ABSTTL REPLACE
< !ERR DUMP payload version or checksum are wrong
> GET k
< "v"

# A past time with REPLACE deletes a key that only the backend has
weir > SET k v
weir > WEIR FLUSH
restart
weir > RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL REPLACE
< OK
weir > GET k
< nil

# IDLETIME and FREQ
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" IDLETIME 1000
< OK
> OBJECT IDLETIME k
< 1000..1002
> CONFIG SET maxmemory-policy allkeys-lfu
> RESTORE f 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" FREQ 42
< OK
> OBJECT FREQ f
< 42
> CONFIG SET maxmemory-policy noeviction
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" IDLETIME -1
< !ERR Invalid IDLETIME value, must be >= 0
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" FREQ -1
< !ERR Invalid FREQ value, must be >= 0 and <= 255
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" FREQ 256
< !ERR Invalid FREQ value, must be >= 0 and <= 255
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" IDLETIME x
< !ERR value is not an integer or out of range
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" FREQ x
< !ERR value is not an integer or out of range
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" IDLETIME 1 FREQ 1
< !ERR syntax error
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" FREQ 1 IDLETIME 1
< !ERR syntax error
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" FREQ
< !ERR syntax error
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" IDLETIME
< !ERR syntax error
> RESTORE x 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" KEEPTTL
< !ERR syntax error
> EXISTS x
< 0
> RESTORE big 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" IDLETIME 9223372036854775807
< OK

# What is damaged is refused
> RESTORE k 0 ""
< !ERR DUMP payload version or checksum are wrong
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a!"
< !ERR DUMP payload version or checksum are wrong
> RESTORE k 0 "\x00\x01vc\x00\x00@\xda_\xa3\xf7\xcd\x91"
< !ERR DUMP payload version or checksum are wrong
> RESTORE k 0 "\x16\x00\x0a\x00\xa7\x5cN\xdbB\xf6\x882"
< !ERR Bad data format
weir > RESTORE k 0 "\x04\x02\x01f\x01v\x01f\x01w\x0a\x00\xa2\xab`\xbb\x0f\xc3\xfd\xc7"
< !ERR Bad data format
> RESTORE k 0 "\x04\x00\x0a\x00\x931\x96\xc0'\x92\x95\xbf"
< !ERR Bad data format
> RESTORE k 0 "\x05\x01\x01m\x00\x00\x00\x00\x00\x00\xf8\x7f\x0a\x003\xb4\x0b\x1b\xd8\xcd\xe9\x82"
< !ERR Bad data format
> RESTORE k 0 "\x00\x81\x10\x00\x00\x00\x00\x00\x00\x00v\x0a\x00\xaf\xc0\xf6\xb0m\x122\x02"
< !ERR Bad data format
weir > RESTORE k 0 "\x00\x01vv\x0a\x00$U5\x0en8\xb9c"
< !ERR Bad data format
> EXISTS k
< 0

# Version 11 is that of 7.2
weir > RESTORE k 0 "\x00\x01v\x0b\x00\xf8\xd7s\xc1\xe4\xa7cG"
< OK
weir > RESTORE e 0 "\x14\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff\x0b\x00\x984{]y\x8d\xab\x9c"
< OK
weir > SMEMBERS e
< any-order ["a", "5"]

# A client that waits is served from what was restored
A>> BLPOP l 0
until> INFO clients
< /blocked_clients:1/
> RESTORE l 0 "\x01\x02\x01a\x01b\x0a\x002\xa8\x90~\xd5\x03\x1aE"
< OK
A< ["l", "a"]
> LRANGE l 0 -1
< ["b"]
A>> BZPOPMIN z 0
until> INFO clients
< /blocked_clients:1/
> RESTORE z 0 "\x05\x01\x01m\x00\x00\x00\x00\x00\x00\xf8?\x0a\x00\x86\xee\x8a=\x9ap\xe9\x7f"
< OK
A< ["z", "m", "1.5"]
> EXISTS z
< 0

# WATCH sees it
A> WATCH k
A> MULTI
A> GET k
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
< OK
A> EXEC
< nil-array
A> WATCH none
A> MULTI
A> PING
> RESTORE none 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL REPLACE
< OK
A> EXEC
< [PONG]

# Whoever listens is told
> CONFIG SET notify-keyspace-events KEA
A> PSUBSCRIBE __keyevent@0__:*
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:restore", "k"]
> RESTORE k 100000 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" REPLACE
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:restore", "k"]
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" REPLACE ABSTTL
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:del", "k"]
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" REPLACE ABSTTL
> RESTORE k 1 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" ABSTTL
> CONFIG SET notify-keyspace-events KEAn
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" REPLACE
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:new", "k"]
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:restore", "k"]
> RESTORE k 0 "\x04\x01\x01f\x01v\x0a\x00\xad\xf2CV\xb1\x86\x0e\xfc" REPLACE
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:new", "k"]
A< ["pmessage", "__keyevent@0__:*", "__keyevent@0__:restore", "k"]
> CONFIG SET notify-keyspace-events ""

# In a transaction
> MULTI
> RESTORE k 0 "\x01\x02\x01a\x01b\x0a\x002\xa8\x90~\xd5\x03\x1aE"
> RPUSH k c
> DUMP missing
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce"
> RESTORE k 0 "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce" REPLACE
> EXEC
< [OK, 3, nil, !"BUSYKEY Target key name already exists.", OK]
> GET k
< "v"

# A restored key comes back after kill -9, with its expiry, and is flushed like any other
weir > SET l x
weir > RESTORE l 100000 "\x01\x02\x01a\x01b\x0a\x002\xa8\x90~\xd5\x03\x1aE" REPLACE
weir > RESTORE h @ms+100000 "\x04\x01\x01f\x01v\x0a\x00\xad\xf2CV\xb1\x86\x0e\xfc" ABSTTL IDLETIME 5
weir > RESTORE z 0 "\x05\x01\x01m\x00\x00\x00\x00\x00\x00\xf8?\x0a\x00\x86\xee\x8a=\x9ap\xe9\x7f"
kill
weir > LRANGE l 0 -1
< ["a", "b"]
weir > TTL l
< 95..100
weir > HGETALL h
< ["f", "v"]
weir > TTL h
< 95..100
weir > ZSCORE z m
< "1.5"
weir > WEIR FLUSH
kill
weir > LRANGE l 0 -1
< ["a", "b"]
weir > TTL h
< 95..100
weir > RPUSH l c
< 3
kill
weir > LRANGE l 0 -1
< ["a", "b", "c"]

# A plain RESTORE REPLACE loads nothing
weir > SET k v
weir > WEIR FLUSH
restart
mark
weir > RESTORE k 0 "\x04\x01\x01f\x01v\x0a\x00\xad\xf2CV\xb1\x86\x0e\xfc" REPLACE
< OK
stat backend_loads +0
weir > HGETALL k
< ["f", "v"]
stat backend_loads +0

# COMMAND GETKEYS, and where the keys are
> COMMAND GETKEYS RESTORE k 0 v REPLACE
< ["k"]
> COMMAND GETKEYS DUMP k
< ["k"]
