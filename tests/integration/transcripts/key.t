#| DEL UNLINK EXISTS TOUCH TYPE RENAME RENAMENX COPY MOVE SWAPDB FLUSHDB FLUSHALL OBJECT.

# DEL and UNLINK count what was there
> MSET a 1 b 2 c 3
> HSET h f v
> DEL a missing a b
< 2
> UNLINK c h missing
< 2
> DBSIZE
< 0
> DEL
< !ERR wrong number of arguments for 'del' command
> UNLINK
< !ERR wrong number of arguments for 'unlink' command

# EXISTS and TOUCH count every mention
> SET a 1
> HSET h f v
> EXISTS a a h missing
< 3
> TOUCH a a h missing
< 3
> EXISTS
< !ERR wrong number of arguments for 'exists' command
> TOUCH
< !ERR wrong number of arguments for 'touch' command

# TYPE names the type
> SET s v
> HSET h f v
> TYPE s
< string
> TYPE h
< hash
> TYPE missing
< none
> TYPE
< !ERR wrong number of arguments for 'type' command

# RENAME moves value and TTL
> SET a 1 EX 100
> SET b 2
> RENAME a b
< OK
> GET b
< "1"
> TTL b
< 99..100
> EXISTS a
< 0
> HSET h f v
> RENAME h b
< OK
> HGETALL b
< ["f", "v"]
> TTL b
< -1

# RENAME of nothing is an error, RENAME to itself is not
> RENAME a b
< !ERR no such key
> RENAME a a
< !ERR no such key
> SET a 1 EX 100
> RENAME a a
< OK
> GET a
< "1"
> TTL a
< 99..100
> RENAME a
< !ERR wrong number of arguments for 'rename' command

# RENAMENX does not overwrite
> MSET a 1 b 2
> RENAMENX a b
< 0
> RENAMENX a c
< 1
> GET c
< "1"
> RENAMENX a c
< !ERR no such key
> RENAMENX b b
< 0
> GET b
< "2"
> RENAMENX b
< !ERR wrong number of arguments for 'renamenx' command

# RENAME moves large values and large hashes
> SET big "x"*100000
> HSET h a 1 b 2 c "x"*65
> RENAME big big2
> RENAME h h2
> STRLEN big2
< 100000
> HGETALL h2
< any-order ["a", "1", "b", "2", "c", "x"*65]
> HSET h2 d 4
< 1

# COPY copies value and TTL
> SET a 1 EX 100
> COPY a b
< 1
> GET b
< "1"
> TTL b
< 99..100
> SET a 2
> GET b
< "1"
> COPY a b
< 0
> COPY a b REPLACE
< 1
> GET b
< "2"
> TTL b
< -1
> COPY missing b REPLACE
< 0
> GET b
< "2"

# A copied hash is its own
> HSET h a 1
> COPY h g
< 1
> HSET h a 2 b 3
> HGETALL g
< ["a", "1"]
> HSET g c 4
> HGETALL h
< ["a", "2", "b", "3"]

# COPY reaches other databases
> SET a 1
> COPY a a DB 3
< 1
> COPY a b DB 3 REPLACE
< 1
> COPY a a DB 0
< !ERR source and destination objects are the same
> COPY a a
< !ERR source and destination objects are the same
> COPY a a REPLACE
< !ERR source and destination objects are the same
> SELECT 3
> MGET a b
< ["1", "1"]
> SELECT 0
> DBSIZE
< 1

# COPY says what it does not understand
> SET a 1
> COPY a b DB
< !ERR syntax error
> COPY a b WHAT
< !ERR syntax error
> COPY a b DB abc
< !ERR value is not an integer or out of range
> COPY a b DB 16
< !ERR DB index is out of range
> COPY a b DB -1
< !ERR DB index is out of range
> COPY a b DB 9223372036854775807
< !ERR value is out of range, value must between -2147483648 and 2147483647
> COPY a b DB 9223372036854775808
< !ERR value is not an integer or out of range
> MOVE a 2147483648
< !ERR value is out of range, value must between -2147483648 and 2147483647
> COPY a
< !ERR wrong number of arguments for 'copy' command
> EXISTS b
< 0

# MOVE takes a key to another database
> SET a 1 EX 100
> MOVE a 5
< 1
> EXISTS a
< 0
> SELECT 5
> GET a
< "1"
> TTL a
< 99..100
> SELECT 0
> MOVE a 5
< 0
> SET a 2
> MOVE a 5
< 0
> GET a
< "2"
> HSET h f v
> MOVE h 5
< 1
> SELECT 5
> HGETALL h
< ["f", "v"]

# MOVE says what it does not understand
> SET a 1
> MOVE a 0
< !ERR source and destination objects are the same
> MOVE a 16
< !ERR DB index is out of range
> MOVE a -1
< !ERR DB index is out of range
> MOVE a abc
< !ERR value is not an integer or out of range
> MOVE a
< !ERR wrong number of arguments for 'move' command
> GET a
< "1"

# SWAPDB exchanges two databases
> SET a zero
> SELECT 1
> MSET a one b one
> SWAPDB 0 1
< OK
> GET a
< "zero"
> DBSIZE
< 1
> SELECT 0
> MGET a b
< ["one", "one"]
> SWAPDB 0 0
< OK
> DBSIZE
< 2

# SWAPDB says what it does not understand
> SWAPDB abc 1
< !ERR invalid first DB index
> SWAPDB 1 abc
< !ERR invalid second DB index
> SWAPDB 0 16
< !ERR DB index is out of range
> SWAPDB -1 0
< !ERR DB index is out of range
> SWAPDB 0
< !ERR wrong number of arguments for 'swapdb' command

# FLUSHDB empties one database, FLUSHALL all
> SET a 1
> SELECT 1
> SET b 2
> FLUSHDB
< OK
> EXISTS b
< 0
> SET b 2
> SELECT 0
> GET a
< "1"
> FLUSHALL
< OK
> EXISTS a
< 0
> SELECT 1
> EXISTS b
< 0
> FLUSHDB SYNC
< OK
> FLUSHDB async
< OK
> FLUSHALL ASYNC
< OK
> FLUSHALL sync
< OK
> FLUSHDB WHAT
< !ERR syntax error
> FLUSHALL WHAT
< !ERR syntax error
> FLUSHALL SYNC ASYNC
< !ERR syntax error

# A key may come back after FLUSHALL
> SET a 1
> HSET h f v
> FLUSHALL
> HGETALL h
< []
> SET a 2
> HSET h g w
> MGET a h
< ["2", nil]
> HGETALL h
< ["g", "w"]

# FLUSHDB inside a transaction sees and hides
> SET a 1
> MULTI
> SET b 2
> FLUSHDB
> EXISTS a b
> SET c 3
> DBSIZE
> EXEC
< [OK, OK, 0, OK, 1]
> GET c
< "3"

# OBJECT ENCODING tells how a value is kept
> SET n 123
> SET s short
> SET e "x"*44
> SET r "x"*45
> SET z 12345678901234567890
> HSET h f v
> OBJECT ENCODING n
< "int"
> OBJECT ENCODING s
< "embstr"
> OBJECT ENCODING e
< "embstr"
> OBJECT ENCODING r
< "raw"
> OBJECT ENCODING z
< "embstr"
> OBJECT ENCODING h
< "listpack"
> APPEND s er
> OBJECT ENCODING s
< "raw"
> SET n 5
> OBJECT ENCODING n
< "int"
> SETRANGE n 0 7
> OBJECT ENCODING n
< "raw"
> APPEND fresh 12
> OBJECT ENCODING fresh
< "int"
> INCRBYFLOAT f 1.5
> OBJECT ENCODING f
< "embstr"
> OBJECT ENCODING missing
< nil
proto 3
> OBJECT ENCODING missing
< null

# OBJECT IDLETIME, FREQ and REFCOUNT
> SET k v
> OBJECT IDLETIME k
< 0..1
> OBJECT REFCOUNT k
< 1
> OBJECT FREQ k
< !ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
> OBJECT FREQ missing
< nil
> OBJECT IDLETIME missing
< nil
> OBJECT REFCOUNT missing
< nil
> CONFIG SET maxmemory-policy allkeys-lfu
> OBJECT IDLETIME k
< !ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
> SET k v
> OBJECT FREQ k
< 0..255
> CONFIG SET maxmemory-policy noeviction

# OBJECT has subcommands
> OBJECT
< !ERR wrong number of arguments for 'object' command
> OBJECT WHAT k
< !ERR unknown subcommand 'WHAT'. Try OBJECT HELP.
> OBJECT ENCODING
< !ERR wrong number of arguments for 'object|encoding' command
> OBJECT FREQ a b
< !ERR wrong number of arguments for 'object|freq' command
> OBJECT IDLETIME
< !ERR wrong number of arguments for 'object|idletime' command
> OBJECT REFCOUNT
< !ERR wrong number of arguments for 'object|refcount' command
> OBJECT HELP
< *
