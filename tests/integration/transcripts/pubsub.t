#| SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE PUBLISH SPUBLISH PUBSUB.

# A message reaches those who listen to its channel
A>> SUBSCRIBE news
A< ["subscribe", "news", 1]
B> SUBSCRIBE other
> PUBLISH news hello
< 1
A< ["message", "news", "hello"]
> PUBLISH nobody hello
< 0
> PUBLISH other "\x00\r\n"
< 1
B< ["message", "other", "\x00\r\n"]

# Each channel gets a reply of its own, with the count so far
A>> SUBSCRIBE a b a
A< ["subscribe", "a", 1]
A< ["subscribe", "b", 2]
A< ["subscribe", "a", 2]
A>> PSUBSCRIBE x* y*
A< ["psubscribe", "x*", 3]
A< ["psubscribe", "y*", 4]
A>> UNSUBSCRIBE b c
A< ["unsubscribe", "b", 3]
A< ["unsubscribe", "c", 3]
A>> PUNSUBSCRIBE
A< ["punsubscribe", /[xy]./, 2]
A< ["punsubscribe", /[xy]./, 1]
A>> UNSUBSCRIBE
A< ["unsubscribe", "a", 0]

# Unsubscribing from nothing is answered once
> UNSUBSCRIBE
< ["unsubscribe", nil, 0]
> PUNSUBSCRIBE
< ["punsubscribe", nil, 0]
> SUNSUBSCRIBE
< ["sunsubscribe", nil, 0]
> UNSUBSCRIBE a
< ["unsubscribe", "a", 0]
> PUNSUBSCRIBE a
< ["punsubscribe", "a", 0]
> SUNSUBSCRIBE a
< ["sunsubscribe", "a", 0]

# Who listens to a channel and to patterns gets the message once for each
A>> SUBSCRIBE news.art
A< ["subscribe", "news.art", 1]
A>> PSUBSCRIBE news.* *.art
A< ["psubscribe", "news.*", 2]
A< ["psubscribe", "*.art", 3]
> PUBLISH news.art x
< 3
A< ["message", "news.art", "x"]
A< ["pmessage", /^(news\.\*|\*\.art)$/, "news.art", "x"]
A< ["pmessage", /^(news\.\*|\*\.art)$/, "news.art", "x"]
> PUBLISH news.[ x
< 1
A< ["pmessage", "news.*", "news.[", "x"]

# Patterns are Redis's globs
A>> PSUBSCRIBE "h[ae]llo\\*?"
A< ["psubscribe", "h[ae]llo\\*?", 1]
> PUBLISH "hello*1" x
< 1
A< ["pmessage", "h[ae]llo\\*?", "hello*1", "x"]
> PUBLISH hallox1 x
< 0

# Empty names and payloads are names and payloads
A>> SUBSCRIBE ""
A< ["subscribe", "", 1]
> PUBLISH "" ""
< 1
A< ["message", "", ""]

# A large payload arrives whole
A> SUBSCRIBE c
> PUBLISH c "0123456789"*20000
< 1
A< ["message", "c", "0123456789"*20000]

# Shard channels are a namespace of their own
A>> SSUBSCRIBE s
A< ["ssubscribe", "s", 1]
> PUBLISH s x
< 0
> SPUBLISH s x
< 1
A< ["smessage", "s", "x"]
B> SUBSCRIBE s
> SPUBLISH s y
< 1
A< ["smessage", "s", "y"]
C> PSUBSCRIBE *
> SPUBLISH s z
< 1
A< ["smessage", "s", "z"]
A>> SUBSCRIBE s
A< ["subscribe", "s", 1]
A>> SSUBSCRIBE t
A< ["ssubscribe", "t", 2]
A>> SUNSUBSCRIBE
A< ["sunsubscribe", /[st]/, 1]
A< ["sunsubscribe", /[st]/, 0]

# In RESP2 a subscriber may only say what cannot be taken for a message
A> SUBSCRIBE c
A>> GET k
A< !ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
A>> CONFIG GET port
A< !ERR Can't execute 'config|get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
A>> PUBLISH c x
A< !ERR Can't execute 'publish': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
A>> MULTI
A< !ERR Can't execute 'multi': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
A>> PING
A< ["pong", ""]
A>> PING hello
A< ["pong", "hello"]
A>> PING a b
A< !ERR wrong number of arguments for 'ping' command
A> UNSUBSCRIBE c
A>> PING
A< PONG
A>> GET k
A< nil

# Listening to a shard channel or a pattern alone counts as well
A> SSUBSCRIBE c
A>> GET k
A< !ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
A>> PING
A< ["pong", ""]
A> SUNSUBSCRIBE c
A> PSUBSCRIBE c
A>> GET k
A< !ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
A> PUNSUBSCRIBE
A>> GET k
A< nil

# RESET ends all subscriptions
A> SUBSCRIBE c
A> PSUBSCRIBE c
A> SSUBSCRIBE c
A>> RESET
A< RESET
A>> GET k
A< nil
> PUBLISH c x
< 0
> SPUBLISH c x
< 0
> PUBSUB NUMPAT
< 0

# QUIT works for a subscriber
A> SUBSCRIBE c
A>> QUIT
A< OK
until> PUBLISH c x
< 0

# In RESP3 messages are pushes and every command is allowed
R> HELLO 3
R>> SUBSCRIBE c
R< >["subscribe", "c", 1]
R>> PSUBSCRIBE c*
R< >["psubscribe", "c*", 2]
R>> SSUBSCRIBE c
R< >["ssubscribe", "c", 1]
A>> PUBLISH c x
A< 2
R< >["message", "c", "x"]
R< >["pmessage", "c*", "c", "x"]
A>> SPUBLISH c x
A< 1
R< >["smessage", "c", "x"]
R>> SET k v
R< OK
R>> GET k
R< "v"
R>> PING
R< PONG
R>> PING x
R< "x"
R>> UNSUBSCRIBE
R< >["unsubscribe", "c", 1]
R>> PUNSUBSCRIBE
R< >["punsubscribe", "c*", 0]
R>> PUNSUBSCRIBE
R< >["punsubscribe", null, 0]
R>> SUNSUBSCRIBE
R< >["sunsubscribe", "c", 0]

# CLIENT REPLY does not silence messages
R> HELLO 3
R>> CLIENT REPLY OFF
R>> SET k v
R>> SUBSCRIBE c
R< >["subscribe", "c", 1]
A>> PUBLISH c x
A< 1
R< >["message", "c", "x"]
R>> UNSUBSCRIBE c
R< >["unsubscribe", "c", 0]
R>> CLIENT REPLY ON
R< OK

# A queued PUBLISH is sent with the others of its EXEC
A> SUBSCRIBE c
> MULTI
> SET k v
> PUBLISH c 1
< QUEUED
> PUBLISH c 2
> EXEC
< [OK, 1, 1]
A< ["message", "c", "1"]
A< ["message", "c", "2"]
> MULTI
> PUBLISH c 3
> DISCARD
> PUBLISH c 4
A< ["message", "c", "4"]

# SUBSCRIBE may be queued, SSUBSCRIBE not
> MULTI
> SUBSCRIBE c
< QUEUED
> EXEC
< [["subscribe", "c", 1]]
> PING
< ["pong", ""]
> RESET
> MULTI
> SSUBSCRIBE c
< QUEUED
> EXEC
< [!"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"]
> MULTI
> UNSUBSCRIBE c
> EXEC
< [["unsubscribe", "c", 0]]

# PUBSUB tells who listens
A>> SUBSCRIBE news.art news.tech sport
A< ["subscribe", "news.art", 1]
A< ["subscribe", "news.tech", 2]
A< ["subscribe", "sport", 3]
B> SUBSCRIBE sport
C> PSUBSCRIBE n* s* n*
D> PSUBSCRIBE n*
> PUBSUB CHANNELS
< any-order ["news.art", "news.tech", "sport"]
> PUBSUB CHANNELS news.*
< any-order ["news.art", "news.tech"]
> PUBSUB CHANNELS NEWS*
< []
> PUBSUB NUMSUB
< []
> PUBSUB NUMSUB sport nobody news.art
< ["sport", 2, "nobody", 0, "news.art", 1]
> PUBSUB NUMPAT
< 2
> PUBSUB SHARDCHANNELS
< []
A> SSUBSCRIBE shard
> PUBSUB SHARDCHANNELS
< ["shard"]
> PUBSUB SHARDCHANNELS x*
< []
> PUBSUB SHARDNUMSUB shard sport
< ["shard", 1, "sport", 0]
> PUBSUB CHANNELS shard
< []
A> RESET
until> PUBSUB CHANNELS
< ["sport"]
> PUBSUB SHARDCHANNELS
< []

# PUBSUB wants its arguments
> PUBSUB
< !ERR wrong number of arguments for 'pubsub' command
> PUBSUB nothing
< !ERR unknown subcommand 'nothing'. Try PUBSUB HELP.
> PUBSUB channels a b
< !ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP.
> PUBSUB SHARDCHANNELS a b
< !ERR unknown subcommand or wrong number of arguments for 'SHARDCHANNELS'. Try PUBSUB HELP.
> PUBSUB NUMPAT x
< !ERR wrong number of arguments for 'pubsub|numpat' command
> PUBSUB HELP x
< !ERR wrong number of arguments for 'pubsub|help' command

# PUBSUB HELP names the subcommands
weir > PUBSUB HELP
< count 13

# Subscribing and publishing want their arguments
> SUBSCRIBE
< !ERR wrong number of arguments for 'subscribe' command
> PSUBSCRIBE
< !ERR wrong number of arguments for 'psubscribe' command
> SSUBSCRIBE
< !ERR wrong number of arguments for 'ssubscribe' command
> PUBLISH c
< !ERR wrong number of arguments for 'publish' command
> PUBLISH c x y
< !ERR wrong number of arguments for 'publish' command
> SPUBLISH c
< !ERR wrong number of arguments for 'spublish' command

# Channels know no databases
A> SELECT 3
A> SUBSCRIBE c
> SELECT 5
> PUBLISH c x
< 1
A< ["message", "c", "x"]

# CLIENT LIST and KILL know subscribers
A> CLIENT SETNAME listener
A>> SUBSCRIBE a b
A< ["subscribe", "a", 1]
A< ["subscribe", "b", 2]
A> PSUBSCRIBE p
A> SSUBSCRIBE s
> CLIENT LIST TYPE pubsub
< /name=listener .* flags=P\w* db=0 sub=2 psub=1 ssub=1 multi=-1 /
> CLIENT LIST TYPE normal
< /^id=\d+ addr=\S+ laddr=\S+ fd=\d+ name= .* flags=\w+ db=0 sub=0 psub=0/
> CLIENT KILL TYPE pubsub
< 1
until> PUBSUB CHANNELS
< []

# INFO counts channels and patterns
A>> SUBSCRIBE a b
A< ["subscribe", "a", 1]
A< ["subscribe", "b", 2]
A> PSUBSCRIBE p*
B> PSUBSCRIBE p*
B> SSUBSCRIBE s
> INFO stats
< /pubsub_channels:2\r\npubsub_patterns:1\r\npubsubshard_channels:1\r\n/

# The rows of COMMAND are Redis's
> COMMAND INFO subscribe
< [["subscribe", -2, any-order [pubsub, noscript, loading, stale], 0, 0, 0, any-order [@pubsub, @slow], *, *, *]]
> COMMAND INFO publish
< [["publish", 3, any-order [pubsub, loading, stale, fast], 0, 0, 0, any-order [@pubsub, @fast], *, *, *]]
> COMMAND INFO sunsubscribe
< [["sunsubscribe", -1, any-order [pubsub, noscript, loading, stale], 1, -1, 1, any-order [@pubsub, @slow], *, *, *]]
> COMMAND GETKEYS SPUBLISH c x
< !ERR The command has no key arguments
> COMMAND GETKEYS SSUBSCRIBE c x
< !ERR The command has no key arguments

# A client's own message comes after the reply, in EXEC after all of them
R> HELLO 3
R> SUBSCRIBE c
R>> PUBLISH c 1
R<7.2 1
R<7.2 >["message", "c", "1"]
R> MULTI
R> PUBLISH c 2
R> PUBLISH c 3
R>> EXEC
R<7.2 [1, 1]
R<7.2 >["message", "c", "2"]
R<7.2 >["message", "c", "3"]
