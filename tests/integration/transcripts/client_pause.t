#| CLIENT PAUSE and UNPAUSE. What takes time is in server_clients.py.

# Arguments are checked
> CLIENT PAUSE
< !ERR wrong number of arguments for 'client|pause' command
> CLIENT PAUSE x
< !ERR timeout is not an integer or out of range
> CLIENT PAUSE 1.5
< !ERR timeout is not an integer or out of range
> CLIENT PAUSE -1
< !ERR timeout is negative
> CLIENT PAUSE -9223372036854775808
< !ERR timeout is negative
> CLIENT PAUSE 9223372036854775808
< !ERR timeout is not an integer or out of range
weir > CLIENT PAUSE 9223372036854775807
< !ERR timeout is out of range
> CLIENT PAUSE 10 READ
< !ERR CLIENT PAUSE mode must be WRITE or ALL
> CLIENT PAUSE x READ
< !ERR CLIENT PAUSE mode must be WRITE or ALL
> CLIENT PAUSE 10 WRITE x
< !ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.
> CLIENT UNPAUSE x
< !ERR wrong number of arguments for 'client|unpause' command
> CLIENT UNPAUSE
< OK
> CLIENT PAUSE 0
< OK
> PING
< PONG

# WRITE holds writes until UNPAUSE, and what is after them
> SET k old
< OK
> CLIENT PAUSE 1000000 write
< OK
A>> SET k new
A>> GET k
A>> INCR n
> GET k
< "old"
> EXISTS n
< 0
until> INFO clients
< /blocked_clients:1\r/
> CLIENT LIST
< /flags=bU? .*cmd=set /
> CLIENT UNPAUSE
< OK
A< OK
A< "new"
A< 1
> INFO clients
< /blocked_clients:0\r/

# A transaction that writes waits at EXEC, one that reads does not
A> MULTI
< OK
A> SET k v
< QUEUED
B> MULTI
< OK
B> GET k
< QUEUED
> CLIENT PAUSE 1000000 WRITE
< OK
A>> EXEC
B> EXEC
< [nil]
B> MULTI
< OK
B>> DEL k
until> INFO clients
< /blocked_clients:2\r/
> EXISTS k
< 0
> CLIENT UNPAUSE
< OK
A< [OK]
B< QUEUED
B> EXEC
< [1]

# ALL holds everything, until its end
> CLIENT PAUSE 300 ALL
< OK
A>> PING
A>> CLIENT UNPAUSE
A< PONG
A< OK

# Inside a transaction the rest of it runs
> MULTI
< OK
> CLIENT PAUSE 1000000 WRITE
< QUEUED
> SET k v
< QUEUED
> CLIENT UNPAUSE
< QUEUED
> EXEC
< [OK, OK, OK]
> SET k w
< OK

# A client in RESP3 is held as well
B> HELLO 3
> CLIENT PAUSE 1000000 WRITE
< OK
B>> HSET h f v
B>> HGETALL h
> EXISTS h
< 0
> CLIENT UNPAUSE
< OK
B< 1
B< {"f": "v"}
