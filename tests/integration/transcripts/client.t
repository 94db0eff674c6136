#| CLIENT: ID, SETNAME, GETNAME, SETINFO, LIST, INFO, KILL, NO-EVICT, NO-TOUCH, REPLY, and the rest.

# A name is printable and has no spaces
> CLIENT GETNAME
< nil
> CLIENT SETNAME me
< OK
> CLIENT GETNAME
< "me"
> CLIENT SETNAME "a b"
< !ERR Client names cannot contain spaces, newlines or special characters.
> CLIENT SETNAME "a\nb"
< !ERR Client names cannot contain spaces, newlines or special characters.
> CLIENT SETNAME ""
< OK
> CLIENT GETNAME
< nil

# SETINFO describes the library
weir > CLIENT SETINFO LIB-NAME redis-x
< OK
weir > CLIENT SETINFO lib-ver 1.2
< OK
weir > CLIENT SETINFO lib-ver "1 2"
< !ERR lib-ver cannot contain spaces, newlines or special characters.
weir > CLIENT SETINFO nosuch 1
< !ERR Unrecognized option 'nosuch'
weir > CLIENT INFO
< /lib-name=redis-x lib-ver=1\.2/

# LIST shows everybody, INFO oneself
> CLIENT SETNAME first
A> CLIENT SETNAME second
> CLIENT LIST
< /name=first .*cmd=client\|list .*\n.*name=second /
> CLIENT INFO
< /^id=\d+ addr=\S+ laddr=\S+ fd=\d+ name=first age=\d+ idle=\d+ flags=\w+ db=0 sub=0 psub=0 /
> CLIENT ID
< 1..1000000
> CLIENT LIST TYPE normal
< /name=second/
> CLIENT LIST TYPE pubsub
< ""
> CLIENT LIST TYPE nosuch
< !ERR Unknown client type 'nosuch'
> CLIENT LIST ID 999999
< ""
> CLIENT LIST ID a
< !ERR Invalid client ID
> CLIENT LIST ID
< !ERR syntax error
proto 3
> CLIENT LIST TYPE replica
< =txt ""

# KILL closes others
A> CLIENT SETNAME victim
> CLIENT KILL 1.2.3.4:5
< !ERR No such client
> CLIENT KILL ID 999999
< 0
> CLIENT KILL ADDR 1.2.3.4:5 SKIPME no
< 0
> CLIENT KILL LADDR 1.2.3.4:5
< 0
> CLIENT KILL USER nobody
< !ERR No such user 'nobody'
> CLIENT KILL ID 0
< !ERR client-id should be greater than 0
> CLIENT KILL TYPE nosuch
< !ERR Unknown client type 'nosuch'
> CLIENT KILL NOSUCH x
< !ERR syntax error
> CLIENT KILL TYPE normal USER default
< 1
> CLIENT LIST
< /^[^\n]*\n$/

# NO-EVICT and NO-TOUCH
> CLIENT NO-EVICT on
< OK
> CLIENT INFO
< / flags=U?e/
> CLIENT NO-EVICT off
< OK
> CLIENT NO-EVICT x
< !ERR syntax error
weir > CLIENT NO-TOUCH on
< OK
weir > CLIENT INFO
< / flags=U?T/
weir > CLIENT NO-TOUCH off
< OK

# Replies can be switched off
>> CLIENT REPLY SKIP
>> SET a 1
> GET a
< "1"
>> CLIENT REPLY OFF
>> GET a
>> NOSUCH
> CLIENT REPLY ON
< OK
> GET a
< "1"
> CLIENT REPLY x
< !ERR syntax error

# What is not offered is said plainly
weir > CLIENT TRACKING ON
< !ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.
weir > CLIENT CACHING YES
< !ERR unknown subcommand 'CACHING'. Try CLIENT HELP.
> CLIENT MAINT_NOTIFICATIONS ON
< !ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.
> CLIENT NOSUCH
< !ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.
> CLIENT
< !ERR wrong number of arguments for 'client' command

# The memory of all clients may have a limit, in bytes or as a share
> CONFIG GET maxmemory-clients
< ["maxmemory-clients", *]
> CONFIG SET maxmemory-clients 7%
< OK
> CONFIG GET maxmemory-clients
< ["maxmemory-clients", "7%"]
> CONFIG SET maxmemory-clients 100mb
< OK
> CONFIG GET maxmemory-clients
< ["maxmemory-clients", "104857600"]
> CONFIG SET maxmemory-clients 101%
< !ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage argument must be less or equal to 100
> CONFIG SET maxmemory-clients -1%
< !ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - argument must be a memory or percent value
> CONFIG SET maxmemory-clients 5.5%
< !ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - argument must be a memory or percent value
> CONFIG SET maxmemory-clients 0
< OK

# LIST shows what a client is doing
A> MULTI
< OK
A> PING
< QUEUED
> CLIENT LIST TYPE normal
< /flags=xU? .* multi=1 .* cmd=(multi|ping) /
A> DISCARD
< OK
A> SET w v
A> WATCH w
> SET w x
> CLIENT LIST
< /flags=dU? .*cmd=watch /
A> UNWATCH
< OK
A>> BLPOP q 0
until> CLIENT LIST
< /flags=bU? .* argv-mem=7 .*cmd=blpop /
> LPUSH q v
A< ["q", "v"]
> CLIENT INFO
< / argv-mem=10 multi-mem=0 rbs=\d+ rbp=\d+ obl=0 oll=0 omem=0 tot-mem=\d+ events=r cmd=client\|info /

# Tracking is off
> CLIENT GETREDIR
< -1
> CLIENT TRACKINGINFO
< ["flags", ["off"], "redirect", -1, "prefixes", []]
proto 3
> CLIENT TRACKINGINFO
< {"flags": ~["off"], "redirect": -1, "prefixes": []}
> CLIENT HELP
< *
