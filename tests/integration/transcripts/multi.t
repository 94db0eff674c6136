#| MULTI, EXEC, DISCARD, WATCH, UNWATCH.

# Queued commands run as one
> MULTI
< OK
> SET a 1
< QUEUED
> INCR a
< QUEUED
> GET a
< QUEUED
A> GET a
< nil
> EXEC
< [OK, 2, "2"]
> EXEC
< !ERR EXEC without MULTI
> DISCARD
< !ERR DISCARD without MULTI
> MULTI
> EXEC
< []

# An error at run time does not stop the rest
> SET s x
> MULTI
> INCR s
> SET t 1
> EXEC
< [!"ERR value is not an integer or out of range", OK]
> GET t
< "1"

# An error when queueing fails all
> MULTI
> SET a 1
> GET
< !ERR wrong number of arguments for 'get' command
> EXEC
< !EXECABORT Transaction discarded because of previous errors.
> GET a
< nil
> MULTI
> NOSUCH
< !ERR unknown command 'NOSUCH', with args beginning with: 
> EXEC
< !EXECABORT Transaction discarded because of previous errors.
> MULTI
> SHUTDOWN
< !ERR Command not allowed inside a transaction
> DISCARD
< OK

# MULTI does not nest, and WATCH stands before it
> MULTI
> MULTI
< !ERR MULTI calls can not be nested
> WATCH a
< !ERR WATCH inside MULTI is not allowed
> SET a 1
< QUEUED
> EXEC
< [OK]

# DISCARD forgets the queue and the watched keys
> WATCH a
> MULTI
> SET a 1
> DISCARD
< OK
> SET a 2
> MULTI
> GET a
> EXEC
< ["2"]

# A changed key fails EXEC
> SET a 1
> WATCH a b
< OK
A> SET b 2
> MULTI
> SET a 2
> EXEC
< nil-array
> GET a
< "1"
> WATCH a
> SET a 3
> MULTI
> GET a
> EXEC
< nil-array
proto 3
> WATCH a
A> DEL a
> MULTI
> PING
> EXEC
< null

# A key made and deleted again, an equal value, another database
> WATCH a
A> SET a 1
A> DEL a
> MULTI
> PING
> EXEC
< nil-array
> SET a 1
> WATCH a
A> SELECT 1
A> SET a 2
> MULTI
> GET a
> EXEC
< ["1"]
> WATCH a
A> SELECT 0
A> SET a 1
> MULTI
> EXEC
< nil-array

# FLUSHALL breaks the watch of a key that exists
> SET a 1
> WATCH a
A> FLUSHALL
> MULTI
> EXEC
< nil-array

# UNWATCH forgets
> WATCH a
> SET a 1
> UNWATCH
< OK
> MULTI
> GET a
> EXEC
< ["1"]
> WATCH
< !ERR wrong number of arguments for 'watch' command

# SELECT inside counts for what follows
> MULTI
> SET k zero
> SELECT 2
> SET k two
> GET k
> EXEC
< [OK, OK, OK, "two"]
> GET k
< "two"
> SELECT 0
> GET k
< "zero"

# What does not touch keys runs inside as well
> MULTI
> PING
> CLIENT SETNAME x
> CLIENT GETNAME
> CONFIG GET maxclients
> WAIT 1 0
> EXEC
< [PONG, OK, "x", ["maxclients", *], 0]

# The group is one record, and it comes back
weir > MULTI
weir > SET a 1
weir > HSET h f v
weir > SELECT 5
weir > SET b 2
weir > EXEC
kill
weir > MGET a b
< ["1", nil]
weir > HGET h f
< "v"
weir > SELECT 5
weir > GET b
< "2"

# UNWATCH inside a transaction does nothing, for EXEC has ended the watching
> WATCH k
< OK
> MULTI
< OK
> UNWATCH
< QUEUED
> SET k v
< QUEUED
> EXEC
< [OK, OK]

# EXEC with arguments ends the transaction
> WATCH k
> MULTI
< OK
> SET k v
< QUEUED
> EXEC now
< !EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
> EXEC
< !ERR EXEC without MULTI
> EXEC now
< !EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
> EXISTS k
< 0
