#| WEIR: STATUS, BACKENDS, FLUSH, PAUSE, RESUME, EXPLAIN, DEADLETTER, CONFLICTS.
weir-only

# FLUSH brings everything to the backend
> SET a 1
> WEIR FLUSH
< OK
backend> SELECT key, value FROM string
< [["a", "1"]]
> WEIR FLUSH ASYNC
< OK
> WEIR FLUSH nosuch
< !ERR syntax error

# PAUSE holds the flusher
> WEIR PAUSE
< OK
> SET a 1
> WEIR FLUSH
< /^TRYAGAIN Flushing has been paused for \d+\.\d s by the client \S+; WEIR RESUME ends that\.$/
> WEIR RESUME
< OK
> WEIR FLUSH
< OK

# STATUS and BACKENDS are maps
proto 3
> WEIR STATUS
< {"state": *, "backend_state": "up", "journal_state": "running", "dirty_keys": *, "dirty_bytes": *, "oldest_dirty_ms": *, "in_flight_keys": *, "last_flush_age_ms": *, "last_lsn": *, "durable_lsn": *, "applied_lsn": *, "lag_records": *, "exposure_records": *, "journal_size": *, "dead_letters": 0, "conflicts": 0}
> WEIR BACKENDS
< [{"url": "sqlite:weir.db", "state": "up", "breaker": "closed", "failures": 0, "next_retry_ms": *, "last_error": "", "applied_lsn": *, "last_flush_us": *, "last_flush_age_ms": *, "wal_bytes": *}]

# EXPLAIN tells where a key is
> SET a 1
> WEIR EXPLAIN a
< /resident:yes\r\ntype:string\r\n[\s\S]*dirty:yes\r\n/
> WEIR FLUSH
> WEIR EXPLAIN a
< /dirty:no\r\n/
> WEIR EXPLAIN missing
< *

# No records to list
> WEIR DEADLETTER
< []
> WEIR DEADLETTER LIST -1
< []
> WEIR DEADLETTER LEN
< 0
> WEIR DEADLETTER RETRY ALL
< 0
> WEIR DEADLETTER DROP 7
< 0
> WEIR DEADLETTER DROP x
< !ERR id should be a number greater than 0, or ALL
> WEIR DEADLETTER NOSUCH
< !ERR syntax error
> WEIR DEADLETTER LIST x
< !ERR count should be greater than or equal to -1
> WEIR CONFLICTS
< []
> WEIR CONFLICTS LEN
< 0
> WEIR CONFLICTS DROP ALL
< 0
> WEIR CONFLICTS NOSUCH
< !ERR syntax error
> WEIR HELP
< *
