#| HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET; what is said before a command runs.

# PING answers
> PING
< PONG
> PING "a b"
< "a b"
> PING a b
< !ERR wrong number of arguments for 'ping' command
> ECHO x
< "x"
> ECHO
< !ERR wrong number of arguments for 'echo' command

# An unknown command is told with its arguments
> NOSUCH a "b c"
< !ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b c' 
> NOSUCH "a\r\nb"
< !ERR unknown command 'NOSUCH', with args beginning with: 'a  b' 
> CONFIG NOSUCH
< !ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.
> config nosuch
< !ERR unknown subcommand 'nosuch'. Try CONFIG HELP.
> CLIENT
< !ERR wrong number of arguments for 'client' command

# SELECT chooses the database
> SET k zero
> SELECT 1
< OK
> GET k
< nil
> SELECT 0
< OK
> GET k
< "zero"
> SELECT 16
< !ERR DB index is out of range
> SELECT -1
< !ERR DB index is out of range
> SELECT a
< !ERR value is not an integer or out of range
> SELECT 99999999999
< !ERR value is out of range, value must between -2147483648 and 2147483647

# HELLO speaks both protocols
> HELLO 3
< {"server": "redis", "version": *, "proto": 3, "id": *, "mode": "standalone", "role": "master", "modules": []}
> GET missing
< null
> HELLO 2 SETNAME me
< ["server", "redis", "version", *, "proto", 2, "id", *, "mode", "standalone", "role", "master", "modules", []]
> CLIENT GETNAME
< "me"
> HELLO 4
< !NOPROTO unsupported protocol version
> HELLO x
< !ERR Protocol version is not an integer or out of range
> HELLO 2 SETNAME "a b"
< !ERR Client names cannot contain spaces, newlines or special characters.
> HELLO 2 NOSUCH
< !ERR Syntax error in HELLO option 'NOSUCH'
> HELLO 2 AUTH nobody x
< !WRONGPASS invalid username-password pair or user is disabled.

# AUTH without a password set
> AUTH x
< !ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
> AUTH default anything
< OK
> AUTH a b c
< !ERR syntax error

# A password set at run time holds for those who come
> CONFIG SET requirepass secret
< OK
> PING
< PONG
A> PING
< !NOAUTH Authentication required.
A> HELLO 3
<7.2 !NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
A> AUTH wrong
< !WRONGPASS invalid username-password pair or user is disabled.
A> NOSUCH
< !ERR unknown command 'NOSUCH', with args beginning with: 
A> AUTH default secret
< OK
A> PING
< PONG
A> RESET
< RESET
A> PING
< !NOAUTH Authentication required.
A> HELLO 2 AUTH default secret
A> PING
< PONG
> CONFIG SET requirepass ""
< OK

# RESET forgets everything
> SELECT 3
> CLIENT SETNAME me
> MULTI
> SET k 1
> RESET
< RESET
> EXEC
< !ERR EXEC without MULTI
> CLIENT GETNAME
< nil
> GET k
< nil

# QUIT says OK
> QUIT
< OK
