#| Keyspace notifications: which events each command tells, and in which order.
server --enable-debug-command yes

# An event is told under its key and under its name
> CONFIG SET notify-keyspace-events KEA
E> PSUBSCRIBE __key*__:*
> SET k v
E< ["pmessage", "__key*__:*", "__keyspace@0__:k", "set"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> DEL k
E< ["pmessage", "__key*__:*", "__keyspace@0__:k", "del"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> CONFIG SET notify-keyspace-events ""

# K alone tells keys
> CONFIG SET notify-keyspace-events K$
E> PSUBSCRIBE __key*__:*
> SET k v
E< ["pmessage", "__key*__:*", "__keyspace@0__:k", "set"]
> DEL k
> SET k v
E< ["pmessage", "__key*__:*", "__keyspace@0__:k", "set"]
> CONFIG SET notify-keyspace-events ""

# Only the classes asked for are told
> CONFIG SET notify-keyspace-events E$
E> PSUBSCRIBE __key*__:*
> SET k v EX 100
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> EXPIRE k 50
> HSET h f v
> DEL h
> SET k w
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> CONFIG SET notify-keyspace-events ""

# Without K and E nothing is told
> CONFIG SET notify-keyspace-events A
E> PSUBSCRIBE __key*__:*
> SET k v
> CONFIG SET notify-keyspace-events E$
> SET k v
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> CONFIG SET notify-keyspace-events ""

# Strings
> CONFIG SET notify-keyspace-events E$g
E> PSUBSCRIBE __key*__:*
> SET k 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> SET k 1 EX 100
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> SET k 2 KEEPTTL
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> SET k 3 NX
> SET k 3 XX GET
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> SETEX k 100 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> PSETEX k 100000 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> SETNX k 1
> GETSET k 5
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> INCR k
E< ["pmessage", "__key*__:*", "__keyevent@0__:incrby", "k"]
> INCRBY k 5
E< ["pmessage", "__key*__:*", "__keyevent@0__:incrby", "k"]
> DECR k
E< ["pmessage", "__key*__:*", "__keyevent@0__:incrby", "k"]
> DECRBY k 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:incrby", "k"]
> INCRBYFLOAT k 1.5
E< ["pmessage", "__key*__:*", "__keyevent@0__:incrbyfloat", "k"]
> APPEND k x
E< ["pmessage", "__key*__:*", "__keyevent@0__:append", "k"]
> APPEND k ""
E< ["pmessage", "__key*__:*", "__keyevent@0__:append", "k"]
> SETRANGE k 3 abc
E< ["pmessage", "__key*__:*", "__keyevent@0__:setrange", "k"]
> SETRANGE k 3 ""
> GETEX k
> GETEX k EX 100
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> GETEX k PERSIST
E< ["pmessage", "__key*__:*", "__keyevent@0__:persist", "k"]
> GETEX k PERSIST
> GETEX k PXAT 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> SETNX k 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> GETDEL k
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> GETDEL k
> APPEND k x
E< ["pmessage", "__key*__:*", "__keyevent@0__:append", "k"]
> MSET a 1 b 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "a"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "b"]
> MSETNX a 1 c 2
> MSETNX c 1 d 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "c"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "d"]
> CONFIG SET notify-keyspace-events ""

# Hashes
> CONFIG SET notify-keyspace-events Ehg
E> PSUBSCRIBE __key*__:*
> HSET k a 1 b 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:hset", "k"]
> HSET k a 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:hset", "k"]
> HMSET k a 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:hset", "k"]
> HSETNX k a 1
> HSETNX k c 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:hset", "k"]
> HINCRBY k a 5
E< ["pmessage", "__key*__:*", "__keyevent@0__:hincrby", "k"]
> HINCRBYFLOAT k a 1.5
E< ["pmessage", "__key*__:*", "__keyevent@0__:hincrbyfloat", "k"]
> HDEL k x
> HDEL k a x
E< ["pmessage", "__key*__:*", "__keyevent@0__:hdel", "k"]
> HDEL k b c
E< ["pmessage", "__key*__:*", "__keyevent@0__:hdel", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> HDEL k b
> CONFIG SET notify-keyspace-events ""

# Expiry by command
> CONFIG SET notify-keyspace-events Eg
E> PSUBSCRIBE __key*__:*
> SET k v
> EXPIRE k 100
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> PEXPIRE k 100000
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> EXPIREAT k @s+100
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> PEXPIREAT k @ms+100000
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "k"]
> EXPIRE k 1 GT
> PERSIST k
E< ["pmessage", "__key*__:*", "__keyevent@0__:persist", "k"]
> PERSIST k
> EXPIRE k -1
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> EXPIRE k 100
> CONFIG SET notify-keyspace-events ""

# Deleting, renaming, copying and moving
> CONFIG SET notify-keyspace-events Eg
E> PSUBSCRIBE __key*__:*
> SET k v
> DEL k x k
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> SET k v
> UNLINK k x
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> SET k v
> RENAME k l
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_from", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_to", "l"]
> RENAME l l
> SET k v
> RENAMENX k l
> RENAMENX k m
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_from", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_to", "m"]
> COPY m k
E< ["pmessage", "__key*__:*", "__keyevent@0__:copy_to", "k"]
> COPY m k
> COPY m k REPLACE
E< ["pmessage", "__key*__:*", "__keyevent@0__:copy_to", "k"]
> COPY m k DB 3
E< ["pmessage", "__key*__:*", "__keyevent@3__:copy_to", "k"]
> MOVE m 3
E< ["pmessage", "__key*__:*", "__keyevent@0__:move_from", "m"]
E< ["pmessage", "__key*__:*", "__keyevent@3__:move_to", "m"]
> MOVE k 3
> FLUSHALL
> SET k v
> DEL k
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> CONFIG SET notify-keyspace-events ""

# Events of a transaction come in its order
> CONFIG SET notify-keyspace-events Eg$h
E> PSUBSCRIBE __key*__:*
> MULTI
> SET k v
> APPEND k x
> HSET h a 1
> DEL k
> EXEC
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:append", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:hset", "h"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> CONFIG SET notify-keyspace-events ""

# A key that is there for the first time is new
> CONFIG SET notify-keyspace-events En$g
E> PSUBSCRIBE __key*__:*
> SET k v
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> SET k v
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> DEL k
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "k"]
> APPEND k v
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:append", "k"]
> APPEND k v
E< ["pmessage", "__key*__:*", "__keyevent@0__:append", "k"]
> HSET h a 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "h"]
> HSET h b 1
> RENAME k l
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_from", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_to", "l"]
> RENAME l h
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "h"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_from", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rename_to", "h"]
> COPY h l
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:copy_to", "l"]
> COPY h l REPLACE
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:copy_to", "l"]
> MOVE l 2
E< ["pmessage", "__key*__:*", "__keyevent@2__:new", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:move_from", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@2__:move_to", "l"]
> MSET h 1 k 2 k 3
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "h"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> SETEX x 100 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "x"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "x"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:expire", "x"]
> CONFIG SET notify-keyspace-events ""

# A key that only the backend has is not new when it is overwritten
> SET k v
weir > WEIR FLUSH
restart
> CONFIG SET notify-keyspace-events En$
E> PSUBSCRIBE __key*__:*
> SET k w
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> MSET a 1 k x
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "a"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "a"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> CONFIG SET notify-keyspace-events ""

# A miss is told to those who ask for it
> CONFIG SET notify-keyspace-events Em$
E> PSUBSCRIBE __key*__:*
> GET k
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "k"]
> SET k v
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> GET k
> MGET k a k b
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "a"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "b"]
> EXISTS c
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "c"]
> TTL c
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "c"]
> TYPE c
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "c"]
> OBJECT ENCODING c
> HGET c f
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "c"]
> HLEN c
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "c"]
> INCR d
E< ["pmessage", "__key*__:*", "__keyevent@0__:incrby", "d"]
> DEL c
> GETSET c 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "c"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "c"]
> SET e 1 GET
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "e"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "e"]
> GETDEL f
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "f"]
> GETEX f
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "f"]
> COPY x y
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "x"]
> STRLEN x
E< ["pmessage", "__key*__:*", "__keyevent@0__:keymiss", "x"]
> CONFIG SET notify-keyspace-events ""

# An expired key is told when its time is over
> CONFIG SET notify-keyspace-events Ex
E> PSUBSCRIBE __key*__:*
> SET k v PX 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:expired", "k"]
> SET a v PXAT 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:expired", "a"]
> HSET h f v
> PEXPIRE h 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:expired", "h"]
> CONFIG SET notify-keyspace-events ""

# It is told when somebody meets it before the timer does
> CONFIG SET notify-keyspace-events Exmn$
E> PSUBSCRIBE __key*__:*
> DEBUG SET-ACTIVE-EXPIRE 0
> SET k v PX 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
until> EXISTS k
< 0
E< ["pmessage", "__key*__:*", /__keyevent@0__:(expired|keymiss)/, "k"]
E< ["pmessage", "__key*__:*", /__keyevent@0__:(expired|keymiss)/, "k"]
> SET k v PX 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
until> PTTL k
< -2
> SET k v
> DEBUG SET-ACTIVE-EXPIRE 1
> CONFIG SET notify-keyspace-events ""

# Deletion of what had expired is told as expiry
> CONFIG SET notify-keyspace-events Exn$
E> PSUBSCRIBE __key*__:*
> DEBUG SET-ACTIVE-EXPIRE 0
> SET k v PX 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
until> SETNX k w
< 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:expired", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:new", "k"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:set", "k"]
> DEBUG SET-ACTIVE-EXPIRE 1
> CONFIG SET notify-keyspace-events ""

# Keys and databases are named as they are
> CONFIG SET notify-keyspace-events KE$
E> PSUBSCRIBE __key*__:*
> SELECT 7
> SET "a b\x00" v
E< ["pmessage", "__key*__:*", "__keyspace@7__:a b\x00", "set"]
E< ["pmessage", "__key*__:*", "__keyevent@7__:set", "a b\x00"]
> SELECT 0
> CONFIG SET notify-keyspace-events ""

# An exact channel works as well as a pattern
> CONFIG SET notify-keyspace-events KEA
E> PSUBSCRIBE __key*__:*
A>> SUBSCRIBE __keyevent@0__:del
A< ["subscribe", "__keyevent@0__:del", 1]
> SET k v
> DEL k
A< ["message", "__keyevent@0__:del", "k"]
> CONFIG SET notify-keyspace-events ""
> SET k v
> DEL k
> PUBLISH __keyevent@0__:del mine
< 2
A< ["message", "__keyevent@0__:del", "mine"]
> CONFIG SET notify-keyspace-events ""

# notify-keyspace-events is kept in Redis's order
> CONFIG SET notify-keyspace-events mKE$
> CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", "$KEm"]
> CONFIG SET notify-keyspace-events KEg$lshzxetd
> CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", "AKE"]
> CONFIG SET notify-keyspace-events dtexzhsl$gEmK
> CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", "AKEm"]
> CONFIG SET notify-keyspace-events xEgn
> CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", "gxnE"]
> CONFIG SET notify-keyspace-events q
< !ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.
> CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", "gxnE"]
> CONFIG SET notify-keyspace-events ""
> CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", ""]

# Unlike with Redis, new keys are not forgotten beside A
weir > CONFIG SET notify-keyspace-events AEn
weir > CONFIG GET notify-keyspace-events
< ["notify-keyspace-events", "AnE"]
weir > CONFIG SET notify-keyspace-events ""
