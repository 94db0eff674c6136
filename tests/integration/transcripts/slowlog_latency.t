#| SLOWLOG and LATENCY.
server --enable-debug-command yes

# The slow log keeps what took long
> SLOWLOG RESET
< OK
> CONFIG SET slowlog-log-slower-than 20000
> SLOWLOG LEN
< 0
> DEBUG SLEEP 0.03
> SLOWLOG LEN
< 1
> CLIENT SETNAME me
> SLOWLOG GET
< [[*, *, 30000..5000000, ["DEBUG", "SLEEP", "0.03"], *, ""]]
> SLOWLOG GET 0
< []
> SLOWLOG GET -1
< count 1
> SLOWLOG GET -2
< !ERR count should be greater than or equal to -1
> SLOWLOG GET x
< !ERR count should be greater than or equal to -1
> SLOWLOG RESET
< OK
> SLOWLOG GET
< []
> SLOWLOG HELP
< *
> CONFIG SET slowlog-log-slower-than 10000

# The monitor keeps spikes
> LATENCY RESET
< *
> CONFIG SET latency-monitor-threshold 20
> DEBUG SLEEP 0.03
> LATENCY LATEST
< [["command", @s-60..@s+1, 30..5000, 30..5000]]
> LATENCY HISTORY command
< [[@s-60..@s+1, 30..5000]]
> LATENCY HISTORY nosuch
< []
> LATENCY GRAPH command
< /^command - high \d+ ms, low \d+ ms \(all time high \d+ ms\)\n-{80}\n[\s\S]*\d+[smhd]?/
> LATENCY GRAPH nosuch
< !ERR No samples available for event 'nosuch'
> LATENCY DOCTOR
< /command/
> LATENCY RESET nosuch
< 0
> LATENCY RESET command
< 1
> LATENCY LATEST
< []
> CONFIG SET latency-monitor-threshold 0
> LATENCY HELP
< *

# Each command has a histogram
> CONFIG RESETSTAT
> SET a 1
> SET a 2
> LATENCY HISTOGRAM set nosuch
< ["set", ["calls", 2, "histogram_usec", *]]
proto 3
> LATENCY HISTOGRAM get
< {}
