#| INFO, CONFIG, TIME, ROLE, WAIT, WAITAOF, SAVE and its kin, MODULE, LOLWUT, MEMORY, DEBUG, SHUTDOWN's errors.
server --enable-debug-command yes

# INFO has sections
> INFO
< /^# Server\r\nredis_version:7\.[\s\S]*# Clients\r\n[\s\S]*# Memory\r\n[\s\S]*# Stats\r\n[\s\S]*# Keyspace\r\n/
> INFO replication cluster
< /^# Replication\r\nrole:master\r\nconnected_slaves:0\r\n[\s\S]*\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n$/
> INFO nosuch
< ""
> SET a 1
> INFO keyspace
< /^# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0/
weir > INFO writeback
< /^# Writeback\r\ndirty_keys:\d+\r\n[\s\S]*durable_lsn:\d+\r\n/
> INFO everything
< /# Commandstats\r\ncmdstat_[\s\S]*# Latencystats\r\nlatency_percentiles_usec_/
proto 3
> INFO cluster
< =txt "# Cluster\r\ncluster_enabled:0\r\n"

# Calls and errors are counted
> CONFIG RESETSTAT
< OK
> SET s x
> INCR s
< !ERR value is not an integer or out of range
> HGET s f
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GET
< !ERR wrong number of arguments for 'get' command
> INFO commandstats
< /cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n/
> INFO commandstats
< /cmdstat_incr:calls=1,usec=\d+,usec_per_call=[0-9.]+,rejected_calls=0,failed_calls=1\r\n/
> INFO errorstats
< "# Errorstats\r\nerrorstat_ERR:count=2\r\nerrorstat_WRONGTYPE:count=1\r\n"

# CONFIG GET and SET
> CONFIG GET maxclients nosuch
< ["maxclients", *]
> CONFIG GET nosuch
< []
proto 3
> CONFIG GET nosuch
< {}
> CONFIG SET slowlog-max-len 77 maxclients 5000
< OK
> CONFIG GET slowlog-max-l* maxclients
< {"slowlog-max-len": "77", "maxclients": "5000"}
> CONFIG SET slowlog-max-len 78 nosuch 1
< !ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
> CONFIG SET slowlog-max-len 78 maxclients abc
< !ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer
> CONFIG GET slowlog-max-len
< {"slowlog-max-len": "77"}
> CONFIG SET maxclients
< !ERR wrong number of arguments for 'config|set' command
> CONFIG SET maxclients 1 slowlog-max-len
< !ERR syntax error
> CONFIG SET hash-max-ziplist-entries 100
< OK
> CONFIG GET hash-max-listpack-entries
< {"hash-max-listpack-entries": "100"}
> CONFIG HELP
< *
weir > CONFIG REWRITE
< !ERR The server is running without a config file

# TIME, ROLE, MODULE, LOLWUT
> TIME
< [/^\d{10}$/, /^\d+$/]
> ROLE
< ["master", 0, []]
> MODULE LIST
< []
> MODULE HELP
< *
> LOLWUT
< /Redis ver\. 7/

# WAIT counts replicas
> WAIT 0 0
< 0
> WAIT 1 20
< 0
> WAIT a 0
< !ERR value is not an integer or out of range
> WAIT 0 a
< !ERR timeout is not an integer or out of range
> WAIT 0 -1
< !ERR timeout is negative

# WAITAOF is the receipt: local the journal, remote the backend
weir > WAITAOF 1 1 0
< [1, 1]
weir > SET a 1
weir > WAITAOF 1 0 0
< [1, 0]
weir > WAITAOF 0 1 20
< [1, 0]
weir > WEIR FLUSH
weir > WAITAOF 1 1 0
< [1, 1]
weir > WAITAOF 1 2 20
< [1, 1]
weir > WAITAOF 2 0 0
< !ERR value is out of range, value must between 0 and 1
weir > WAITAOF 0 -1 0
< !ERR value is out of range, must be positive
weir > WAITAOF 0 0 -1
< !ERR timeout is negative

# Saving is flushing
weir > SET a 1
> SAVE
< OK
weir > WAITAOF 1 1 0
< [1, 1]
> LASTSAVE
< @s-60..@s+1
weir > BGSAVE
< /Background saving started/
> BGSAVE nosuch
< !ERR syntax error
weir > BGREWRITEAOF
< /Background append only file rewriting started/

# MEMORY
> MEMORY USAGE missing
< nil
> SET a 1
> MEMORY USAGE a
< 10..200
> MEMORY USAGE a SAMPLES 5
< 10..200
> MEMORY USAGE a SAMPLES x
< !ERR value is not an integer or out of range
> MEMORY USAGE a NOSUCH
< !ERR syntax error
> MEMORY STATS
< *
> MEMORY DOCTOR
< *
> MEMORY HELP
< *

# DEBUG
> SET a 1
> DEBUG OBJECT a
< /^Value at:0x[0-9a-f]+ refcount:\d+ encoding:int /
> DEBUG OBJECT missing
< !ERR no such key
> DEBUG SLEEP 0
< OK
> DEBUG NOSUCH
< !ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try DEBUG HELP.
> DEBUG SET-ACTIVE-EXPIRE 1
< OK

# SHUTDOWN with nonsense stays up
> SHUTDOWN NOSUCH
< !ERR syntax error
> SHUTDOWN SAVE NOSAVE
< !ERR syntax error
> SHUTDOWN ABORT
< !ERR No shutdown in progress.
> PING
< PONG

# CONFIG GET answers with the name as it was spelt, patterns with its own
> CONFIG GET MaxMemory-Policy
< ["MaxMemory-Policy", "noeviction"]
> CONFIG GET MAXMEMORY-POLICY maxmemory-policy
< ["MAXMEMORY-POLICY", "noeviction"]
> CONFIG GET MAXMEMORY-POLIC?
< ["maxmemory-policy", "noeviction"]
