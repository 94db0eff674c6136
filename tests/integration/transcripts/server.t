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

> DEBUG ERROR "WRONG because"
< !WRONG because
weir > DEBUG STRINGMATCH-LEN 100 a*a
< 1
weir > DEBUG STRINGMATCH-LEN 100 b*
< 0
> DEBUG HTSTATS 0
< /^\[Dictionary HT\]\n[\s\S]* number of elements: 1\n[\s\S]*\[Expires HT\]\n[\s\S]*No stats available/
> DEBUG HTSTATS 99
< !ERR Out of range database
> DEBUG QUICKLIST-PACKED-THRESHOLD 100b
< OK
> DEBUG REPLYBUFFER RESIZING 0
< OK
> DEBUG PAUSE-CRON 0
< OK
> DEBUG HELP
< *
> DEBUG LISTPACK a
< !ERR Not a listpack encoded object.
> HSET h f v
> DEBUG LISTPACK h
< *
> DEBUG LISTPACK missing
< !ERR no such key

# DEBUG OBJECT tells the length of what DUMP would give
> SET a 1
> DEBUG OBJECT a
< / serializedlength:2 /
> SET a hello
> DEBUG OBJECT a
< / serializedlength:6 /

# DEBUG PROTOCOL has one reply of each type
> DEBUG PROTOCOL string
< "Hello World"
> DEBUG PROTOCOL double
< "3.141"
> DEBUG PROTOCOL set
< [0, 1, 2]
> DEBUG PROTOCOL map
< [0, 0, 1, 1, 2, 0]
> DEBUG PROTOCOL push
< !ERR RESP2 is not supported by this command
> DEBUG PROTOCOL nosuch
< !ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false
proto 3
> DEBUG PROTOCOL integer
< 12345
> DEBUG PROTOCOL double
< ,3.141
> DEBUG PROTOCOL null
< null
> DEBUG PROTOCOL set
< ~[0, 1, 2]
> DEBUG PROTOCOL map
< {0: #f, 1: #t, 2: #f}
> DEBUG PROTOCOL true
< #t
> DEBUG PROTOCOL verbatim
< =txt "This is a verbatim\nstring"

# DEBUG DIGEST-VALUE is equal for equal values
> DEBUG DIGEST-VALUE missing
< [/^0{40}$/]
> DEBUG DIGEST-VALUE s missing h
< [*, /^0{40}$/, *]

# CLUSTER and its kin say that there is no cluster
> CLUSTER INFO
< !ERR This instance has cluster support disabled
> CLUSTER SLOTS
< !ERR This instance has cluster support disabled
> CLUSTER
< !ERR wrong number of arguments for 'cluster' command
> READONLY
< !ERR This instance has cluster support disabled
> READWRITE
< !ERR This instance has cluster support disabled
> ASKING
< !ERR This instance has cluster support disabled

# REPLICAOF takes NO ONE
> REPLICAOF NO ONE
< OK
> SLAVEOF no one
< OK
> REPLICAOF NO
< !ERR wrong number of arguments for 'replicaof' command
weir > REPLICAOF 127.0.0.1 6379
< !ERR Weir replicates from nobody: what it serves is in its backend

# MEMORY PURGE and MALLOC-STATS
> MEMORY PURGE
< OK
> MEMORY MALLOC-STATS
< *
> INFO memory
< /\r\nused_memory_overhead:[1-9]\d+\r\nused_memory_startup:[1-9]\d+\r\n[\s\S]*used_memory_lua_human:[\s\S]*used_memory_vm_total_human:[\s\S]*used_memory_scripts_human:/

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
