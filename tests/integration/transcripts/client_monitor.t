#| MONITOR. Several workers, limits and what may be seen when: server_clients.py.

# A line for each command that has run
M> MONITOR
< OK
> SET k "a\"\\\n\r\t\x07\x08\x00\xff'b"
< OK
M< /^\d+\.\d{6} \[0 unix:\S+\] "SET" "k" "a\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff'b"$/
> get k
M< / "get" "k"$/
> SELECT 3
< OK
M< /^\d+\.\d{6} \[3 unix:\S+\] "SELECT" "3"$/
> NOSUCH
< !ERR unknown command 'NOSUCH', with args beginning with: 
> GET
< !ERR wrong number of arguments for 'get' command
> INCR k
< 1
M< /^\d+\.\d{6} \[3 \S+\] "INCR" "k"$/
> HGET k f
< !WRONGTYPE Operation against a key holding the wrong kind of value
M< / "HGET" "k" "f"$/

# Administration is not shown, passwords are hidden
M> MONITOR
< OK
> CONFIG GET port
> CLIENT LIST
> SLOWLOG LEN
> AUTH secret
< !ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
M< / "AUTH" "\(redacted\)"$/
> AUTH default secret
< OK
M< / "AUTH" "\(redacted\)" "\(redacted\)"$/
> HELLO 2 AUTH default secret SETNAME me
M< / "HELLO" "2" "AUTH" "\(redacted\)" "\(redacted\)" "SETNAME" "me"$/
> CLIENT ID
M< / "CLIENT" "ID"$/

# Commands of a transaction are shown when they run
M> MONITOR
< OK
> MULTI
< OK
> SET k v
< QUEUED
> CONFIG GET port
< QUEUED
> GET k
< QUEUED
M< / "MULTI"$/
> EXEC
M< / "SET" "k" "v"$/
M< / "GET" "k"$/
M< / "EXEC"$/
> EXEC
< !ERR EXEC without MULTI
M< / "EXEC"$/

# A command that waits is shown when it begins, and once
M> MONITOR
< OK
>> BLPOP q 0
M< / "BLPOP" "q" "0"$/
A> RPUSH q v
< 1
M< / "RPUSH" "q" "v"$/
A> PING
< PONG
M< / "PING"$/

# A monitor may not ask for keys, and ends with RESET
M> MONITOR
< OK
M> GET k
< !ERR Replica can't interact with the keyspace
M> SET k v
< !ERR Replica can't interact with the keyspace
M> PING
< PONG
M< / "PING"$/
> CLIENT LIST TYPE normal
< /flags=OU? .*cmd=ping /
> CLIENT LIST TYPE replica
< ""
M> RESET
< RESET
M> GET k
< nil
> GET k
< nil
M> PING
< PONG

# Not inside a transaction, and wrong arity
> MULTI
< OK
> MONITOR
< QUEUED
> EXEC
< [!"ERR MONITOR isn't allowed for DENY BLOCKING client"]
> MONITOR x
< !ERR wrong number of arguments for 'monitor' command
