/* The forms of requests.h, by family. Long lists of the same are here because every command decides
 * for itself what it needs memory for, and which of its arguments are numbers.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/requests.h"

/* Ten times fills half of the gap between two elements that were pushed; and what names positions
 * afterwards, which replay is to find. */
#define FILL     "LINSERT %n BEFORE b x ; "
#define FIVE     FILL FILL FILL FILL FILL
#define ASK      " ; LREM %n -1 x ; LREM %n 1 b ; LREM %n 1 x ; LSET %n -2 y ; LPOP %n ; RPUSH %n z"
#define ASK_BOTH ASK " ; LREM %n2 1 x ; LSET %n2 1 y ; LPOP %n2"

const char *const request_forms[] = {
    /* Keys of any type */
    "DEL %k %k2 %n", "UNLINK %k", "EXISTS %k %k", "TOUCH %k", "TYPE %k", "EXPIRE %k 1000",
    "EXPIRE %k 1000 GT", "PEXPIRE %k 100000 NX", "EXPIREAT %k 4000000000",
    "PEXPIREAT %k 4000000000000 XX", "EXPIRE %s 0", "TTL %k", "PTTL %k", "EXPIRETIME %k",
    "PEXPIRETIME %k", "EXPIRE %s 100 | PERSIST %s", "RENAME %k %m", "RENAMENX %k %m",
    "RENAME %k %k", "EXPIRE %H 100 | RENAME %H %s", "COPY %k %m", "COPY %k %m REPLACE",
    "COPY %k %n DB 3 REPLACE", "?DUMP %k", "RESTORE %n 0 $dump-s", "RESTORE %n 1000000 $dump-l",
    "RESTORE %k 0 $dump-e REPLACE", "RESTORE %x 0 $dump-z IDLETIME 5",
    "RESTORE %k 4000000000000 $dump-h REPLACE ABSTTL FREQ 7", "RESTORE %k 1 $dump-s ABSTTL REPLACE",
    "RESTORE %k 0 $dump-s", "MOVE %k 4", "SELECT 9 ; SET a b ; SWAPDB 9 8 ; GET a",
    "SELECT 9 ; SET a b ; FLUSHDB ; DBSIZE", "SELECT 9 ; SET a b ; FLUSHDB ASYNC", "?DBSIZE",
    "?SCAN 0 MATCH proto-* COUNT 100", "?SCAN 0 TYPE hash COUNT 10", "KEYS proto-*", "?RANDOMKEY",
    "OBJECT ENCODING %k", "OBJECT FREQ %s", "?OBJECT IDLETIME %k", "OBJECT REFCOUNT %k",
    "OBJECT HELP", "SORT %e", "SORT %k ALPHA", "SORT %T ALPHA DESC LIMIT 2 5",
    "SORT %E BY nosort GET # LIMIT 0 2", "SORT %l ALPHA STORE %m", "SORT %L ALPHA STORE %L",
    "SORT %e BY w* GET # GET o*->f STORE %n", "SORT_RO %z ALPHA LIMIT 1 2", "SORT %n STORE %s",
    "SORT_RO %Z BY proto-* GET proto-* GET proto-h->* ALPHA",
    /* Strings */
    "GET %k", "SET %k v", "SET %k $big", "SET %k $long EX 1000", "SET %k v PXAT 4000000000000 GET",
    "SET %k v NX", "SET %k v XX KEEPTTL", "SET %s v PXAT 1", "SET %k 12", "SETEX %k 100 v",
    "PSETEX %k 100000 v", "SETNX %k v", "GETSET %k v", "GETDEL %k", "GETEX %k EX 100",
    "EXPIRE %s 100 | GETEX %s PERSIST", "GETEX %s PXAT 4000000000000", "MGET %s %b %h %n %i",
    "*MSET %k v %m w", "*MSET %n v %n2 w %n3 $big %s x %i 5",
    "*MSETNX %n v %n2 w %n3 x %n4 y %n5 z", "MSETNX %n v %s w", "INCR %k", "DECR %k", "INCRBY %k 5",
    "DECRBY %k 5", "INCRBYFLOAT %k 0.5", "APPEND %k v", "APPEND %k $long", "APPEND %k $big",
    "STRLEN %k", "GETRANGE %k 1 5", "SUBSTR %s 0 -1", "SETRANGE %k 3 xyz", "SETRANGE %k 100000 xyz",
    "LCS %s %s2", "LCS %s %s2 IDX MINMATCHLEN 3 WITHMATCHLEN", "LCS %s %b LEN",
    /* Bits and sketches */
    "SETBIT %k 7 1", "SETBIT %k 100000 1", "GETBIT %k 7", "BITCOUNT %k 0 -1 BIT", "BITCOUNT %b 1 5",
    "BITPOS %k 1 0 -1 BYTE", "BITPOS %s 0 1 100 BIT", "BITOP AND %k %s %i", "BITOP OR %m %b %s",
    "BITOP XOR %s %b %s", "BITOP NOT %n %k", "BITFIELD %k SET u8 0 255 GET u8 8 INCRBY i5 100 1",
    "BITFIELD %k OVERFLOW SAT INCRBY i64 #2 5 OVERFLOW FAIL SET u63 800 7",
    "BITFIELD %b SET u8 7 255", "BITFIELD_RO %k GET i64 3 GET u1 100", "PFADD %k a b c d e f",
    "PFADD %P x y z 1 2 3", "PFADD %n", "PFCOUNT %k", "PFCOUNT %p %P %n", "PFMERGE %k %p",
    "PFMERGE %p %P", "PFMERGE %n %p %p2", "PFDEBUG TODENSE %p", "PFDEBUG GETREG %p",
    "PFDEBUG DECODE %p", "PFDEBUG ENCODING %P", "PFSELFTEST",
    /* Hashes */
    "*HSET %k a 5 new v", "*HSET %k a $long b $big new $long", "*HMSET %h n1 1 n2 2 n3 3 n4 4 n5 5",
    "HSETNX %k new v", "HSETNX %k a v", "HGET %k a", "HMGET %k a b new", "HGETALL %k", "HKEYS %k",
    "HVALS %k", "HLEN %k", "HSTRLEN %k a", "HEXISTS %k a", "HDEL %k a new", "HDEL %h a b",
    "HINCRBY %k a 5", "HINCRBY %k new 5", "HINCRBYFLOAT %k a 0.5", "?HRANDFIELD %k",
    "?HRANDFIELD %k 2", "?HRANDFIELD %k -5 WITHVALUES", "?HRANDFIELD %H 3 WITHVALUES", "HSCAN %k 0",
    "HSCAN %H 0 MATCH * COUNT 100",
    /* Lists */
    "*LPUSH %k new", "*RPUSH %k n1 $long $big n4 n5 n6", "*LPUSHX %k n1 n2", "*RPUSHX %L n1 n2 n3",
    "LPOP %k", "RPOP %k", "LPOP %k 2", "RPOP %L 7", "LPOP %l 3", "LLEN %k", "LRANGE %k 0 -1",
    "LRANGE %L -5 100", "LINDEX %k 1", "LINDEX %L -3", "LSET %k 0 new", "LSET %L 5 $big",
    "LSET %L -2 $long", "LINSERT %k BEFORE a new", "LINSERT %L AFTER f $big",
    "LINSERT %L BEFORE t $long", "LREM %k 0 a", "LREM %L -1 f", "LTRIM %k 1 -1", "LTRIM %L 5 9",
    "LTRIM %l 5 9", "LPOS %k b", "LPOS %L f RANK 1 COUNT 0 MAXLEN 10", "LMOVE %k %m LEFT RIGHT",
    "LMOVE %k %k LEFT RIGHT", "LMOVE %L %L2 RIGHT LEFT", "RPOPLPUSH %k %m", "RPOPLPUSH %l %l",
    "LMPOP 2 %n %k LEFT COUNT 2", "LMPOP 1 %L RIGHT COUNT 7", "BLPOP %k 0.01", "BRPOP %n %L 0.01",
    "BLMOVE %k %m LEFT LEFT 0.01", "BRPOPLPUSH %k %n 0.01", "BLMPOP 0.01 2 %n %k LEFT COUNT 2",
    /* Positions that were given anew, and then memory ends */
    "RPUSH %n a b c d ; " FIVE FIVE FIVE FIVE "RPOP %n 2 | LINSERT %n BEFORE b $long" ASK,
    "RPUSH %n a b c d ; " FIVE FIVE FIVE FIVE "LLEN %n | LINSERT %n BEFORE b $big" ASK,
    "RPUSH %n a b c d ; " FIVE FIVE FIVE FIVE "LLEN %n | LREM %n 9 x" ASK,
    "RPUSH %n a b c d ; " FILL FILL "LINSERT %n AFTER c x | RENAME %n %n2" ASK_BOTH,
    "RPUSH %n a b c d ; " FILL FILL "LINSERT %n AFTER c x | COPY %n %n2" ASK_BOTH,
    /* Sets */
    "*SADD %k new 7 a", "*SADD %k $long", "*SADD %e 4 5 6 7 8", "*SADD %E n1 n2 n3 n4",
    "*SADD %e x", "SREM %k a 3 new", "SREM %e 1 2 3", "SMEMBERS %k", "SISMEMBER %k a",
    "SMISMEMBER %k a 3 new", "SCARD %k", "?SPOP %k", "?SPOP %k 2", "?SPOP %T 9", "?SPOP %e 3",
    "?SRANDMEMBER %k", "?SRANDMEMBER %k 2", "?SRANDMEMBER %T -5", "SMOVE %k %m 3", "SMOVE %E %e a",
    "SINTER %k %T", "SINTER %e %E", "SINTERCARD 2 %k %T LIMIT 2", "SINTERSTORE %k %E %T",
    "SINTERSTORE %m %e %T", "SUNION %k %T", "SUNION %e %E", "SUNIONSTORE %k %e %E",
    "SUNIONSTORE %T %T %E", "SUNIONSTORE %n %e %e2", "SDIFF %k %e", "SDIFF %T %E %e %e2 %n",
    "SDIFFSTORE %k %T %e", "SDIFFSTORE %n %e %T", "SSCAN %k 0", "SSCAN %T 0 MATCH * COUNT 100",
    /* Sorted sets */
    "*ZADD %k 5 new", "*ZADD %k 5 a 6 n1 7 $long", "*ZADD %z 5 n1 6 n2 7 n3", "ZADD %k XX CH 9 a",
    "ZADD %k GT 9 a", "ZADD %k NX 9 a", "ZADD %k INCR 5 a", "ZADD %k INCR 5 new",
    "ZADD %k XX INCR 5 new", "ZINCRBY %k 1.5 a", "ZINCRBY %k 1.5 new", "ZREM %k a b new",
    "ZREM %z a b c", "ZSCORE %k a", "ZMSCORE %k a new", "ZCARD %k", "ZCOUNT %k 1 5",
    "ZLEXCOUNT %k [a [c", "ZRANK %k b", "ZREVRANK %k b WITHSCORE", "ZRANGE %k 0 -1 WITHSCORES",
    "ZRANGE %Z 1 9 BYSCORE LIMIT 1 3", "ZRANGE %Z [m - BYLEX REV LIMIT 0 5", "ZRANGE %Z 9 1 REV",
    "ZREVRANGE %k 0 -1", "ZRANGEBYSCORE %k (1 5 WITHSCORES LIMIT 0 3",
    "ZREVRANGEBYSCORE %k 5 -inf LIMIT 0 -1", "ZRANGEBYLEX %k - + LIMIT 1 2",
    "ZREVRANGEBYLEX %k + -", "ZRANGESTORE %k %Z 0 -1", "ZRANGESTORE %m %k 0 1",
    "ZRANGESTORE %Z %Z 3 8 BYSCORE", "ZRANGESTORE %s %Z 50 60", "ZREMRANGEBYRANK %k 0 1",
    "ZREMRANGEBYRANK %Z 2 9", "ZREMRANGEBYRANK %z 0 -1", "ZREMRANGEBYSCORE %k 2 3",
    "ZREMRANGEBYLEX %k [b [c", "ZPOPMIN %k", "ZPOPMAX %k 2", "ZPOPMIN %Z 9", "ZPOPMAX %z 3",
    "ZMPOP 2 %n %k MIN COUNT 2", "ZMPOP 1 %Z MAX", "BZPOPMIN %k 0.01", "BZPOPMAX %n %Z 0.01",
    "BZMPOP 0.01 2 %n %k MAX COUNT 2", "?ZRANDMEMBER %k", "?ZRANDMEMBER %k 2 WITHSCORES",
    "?ZRANDMEMBER %Z -5", "?ZRANDMEMBER %Z 3", "ZUNION 2 %k %Z WITHSCORES",
    "ZUNION 2 %z %E WEIGHTS 2 3 AGGREGATE MAX", "ZINTER 2 %k %Z WITHSCORES", "ZDIFF 2 %k %z",
    "ZDIFF 2 %Z %T WITHSCORES", "ZINTERCARD 2 %k %Z LIMIT 2",
    "ZUNIONSTORE %k 2 %z %Z WEIGHTS 2 3 AGGREGATE MIN", "ZUNIONSTORE %Z 2 %Z %e",
    "ZINTERSTORE %k 2 %z %Z AGGREGATE SUM", "ZINTERSTORE %s 2 %z %n", "ZDIFFSTORE %k 2 %Z %z",
    "ZSCAN %k 0", "ZSCAN %Z 0 MATCH * COUNT 100",
    /* Geo */
    "*GEOADD %k 13.361389 38.115556 Palermo 2.35 48.85 Paris", "GEOADD %g XX CH 1.5 2.5 Enna",
    "GEODIST %k Palermo Catania KM", "GEOHASH %k Palermo new", "GEOPOS %k Palermo new",
    "GEORADIUS %k 15 37 200 KM WITHCOORD WITHDIST WITHHASH COUNT 2 ANY ASC",
    "GEORADIUS %g 15 37 200 KM STORE %m", "GEORADIUS %g 15 37 200 KM STOREDIST %g",
    "GEORADIUS_RO %g 15 37 200 KM DESC", "GEORADIUSBYMEMBER %k Palermo 200 KM COUNT 1",
    "GEORADIUSBYMEMBER %g Palermo 200 KM STORE %n", "GEORADIUSBYMEMBER_RO %g Palermo 200 KM",
    "GEOSEARCH %k FROMLONLAT 15 37 BYBOX 400 400 KM ASC COUNT 3 WITHDIST",
    "GEOSEARCH %g FROMMEMBER Palermo BYRADIUS 200 KM COUNT 1 ANY",
    "GEOSEARCHSTORE %k %g FROMLONLAT 15 37 BYRADIUS 200 KM",
    "GEOSEARCHSTORE %g %g FROMMEMBER Palermo BYBOX 10 10 KM STOREDIST",
    /* Transactions */
    "*MULTI ; SET %s v ; HSET %H new $long ; RPUSH %L n1 n2 ; SADD %e x ; ZADD %z 9 n1 9 n2 ; EXEC",
    "*MULTI ; DEL %H ; HSET %H a 1 ; RENAME %H %n ; LPOP %l 3 ; RPUSH %l x ; EXEC",
    "*MULTI ; INCR %i ; COPY %b %n ; SUNIONSTORE %n2 %e %E ; BLPOP %n3 0 ; GET %b ; EXEC",
    "*MULTI ; SELECT 3 ; SET a b ; SELECT 0 ; SET %s c ; SWAPDB 3 4 ; KEYS proto-h ; EXEC",
    "?WATCH %s %h ; MULTI ; GET %s ; SCAN 0 ; EXEC", "MULTI ; GET %s ; DISCARD",
    "WATCH %k ; UNWATCH", "WATCH %s ; SET %s v ; MULTI ; GET %s ; EXEC", "EXEC",
    "MULTI ; SORT %e BY w* GET o* ; EXEC",
    /* Publish and subscribe */
    "SUBSCRIBE a b ; UNSUBSCRIBE a ; UNSUBSCRIBE", "PSUBSCRIBE a* ; PUNSUBSCRIBE",
    "SSUBSCRIBE a ; SUNSUBSCRIBE a", "PUBLISH a hello", "SPUBLISH a hello", "PUBSUB CHANNELS a*",
    "PUBSUB NUMSUB a b", "PUBSUB NUMPAT", "PUBSUB SHARDCHANNELS", "PUBSUB SHARDNUMSUB a",
    "PUBSUB HELP",
    /* The connection */
    "?HELLO 3 SETNAME name", "AUTH password", "PING", "PING hello", "ECHO $long", "SELECT 2",
    "RESET", "QUIT", "CLIENT SETNAME name ; CLIENT GETNAME", "CLIENT GETREDIR", "CLIENT HELP",
    "CLIENT ID", "?CLIENT INFO", "?CLIENT LIST TYPE normal", "?CLIENT LIST ID 1 2 3",
    "CLIENT KILL ID 77 SKIPME no", "CLIENT KILL 10.0.0.1:1", "CLIENT NO-EVICT on",
    "CLIENT NO-TOUCH on", "CLIENT REPLY ON", "CLIENT PAUSE 0 ; CLIENT UNPAUSE",
    "CLIENT SETINFO LIB-NAME name", "CLIENT TRACKINGINFO", "CLIENT UNBLOCK 1 ERROR",
    /* The server */
    "COMMAND", "COMMAND COUNT", "COMMAND DOCS get set", "COMMAND GETKEYS MSET a b c d",
    "COMMAND GETKEYSANDFLAGS SET a b GET", "COMMAND INFO get nosuch",
    "COMMAND LIST FILTERBY PATTERN z*", "COMMAND HELP", "CONFIG GET hash-max-*",
    "CONFIG SET slowlog-max-len 128 timeout 0", "CONFIG RESETSTAT", "CONFIG HELP", "?INFO",
    "?INFO keyspace commandstats", "?LATENCY DOCTOR", "?LATENCY HISTOGRAM get",
    "?LATENCY HISTORY command", "?LATENCY LATEST", "LATENCY RESET command", "LATENCY HELP",
    "?LASTSAVE", "LOLWUT VERSION 5", "?MEMORY DOCTOR", "?MEMORY STATS", "MEMORY USAGE %H SAMPLES 5",
    "MEMORY HELP", "MODULE LIST", "MODULE HELP", "ROLE", "BGREWRITEAOF", "BGSAVE", "?SLOWLOG GET 5",
    "?SLOWLOG LEN", "SLOWLOG RESET", "SLOWLOG HELP", "?TIME", "WAIT 0 0", "?WAITAOF 0 0 0",
    "DEBUG OBJECT %s", "NOSUCHCOMMAND $long", "GET", "?MONITOR ; PING",
    /* Write-back */
    "?WEIR BACKENDS", "WEIR CONFLICTS LIST 5", "WEIR DEADLETTER LEN", "?WEIR EXPLAIN %s",
    "WEIR HELP", "?WEIR STATUS", NULL};
