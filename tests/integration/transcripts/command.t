#| COMMAND: COUNT, INFO, DOCS, LIST, GETKEYS, GETKEYSANDFLAGS.

# INFO has arity, flags, positions, categories and key specs
> COMMAND INFO get
< [["get", 2, [readonly, fast], 1, 1, 1, [@read, @string, @fast], [], [["flags", [RO, access], "begin_search", ["type", "index", "spec", ["index", 1]], "find_keys", ["type", "range", "spec", ["lastkey", 0, "keystep", 1, "limit", 0]]]], []]]
> COMMAND INFO nosuch get
< [nil, *]
> COMMAND INFO config|get
< [["config|get", -3, [admin, noscript, loading, stale], 0, 0, 0, [@admin, @slow, @dangerous], [], [], []]]
proto 3
> COMMAND INFO get
< [["get", 2, ~[readonly, fast], 1, 1, 1, ~[@read, @string, @fast], ~[], ~[{"flags": ~[RO, access], "begin_search": {"type": "index", "spec": {"index": 1}}, "find_keys": {"type": "range", "spec": {"lastkey": 0, "keystep": 1, "limit": 0}}}], ~[]]]

# The whole table
> COMMAND
< *
> COMMAND INFO
< *
> COMMAND COUNT
< 80..500
> COMMAND COUNT x
< !ERR wrong number of arguments for 'command|count' command
> COMMAND HELP
< *

# GETKEYS finds keys by position and by argument
> COMMAND GETKEYS get k
< ["k"]
> COMMAND GETKEYS mset a 1 b 2
< ["a", "b"]
> COMMAND GETKEYS copy a b DB 1
< ["a", "b"]
> COMMAND GETKEYS object encoding k
< ["k"]
> COMMAND GETKEYS ping x
< !ERR The command has no key arguments
> COMMAND GETKEYS nosuch x
< !ERR Invalid command specified
> COMMAND GETKEYS get a b
< !ERR Invalid number of arguments specified for command
> COMMAND GETKEYS get
< !ERR wrong number of arguments for 'command|getkeys' command
> COMMAND GETKEYSANDFLAGS set k v
< [["k", [OW, update]]]
> COMMAND GETKEYSANDFLAGS set k v GET
< [["k", [RW, access, update]]]
> COMMAND GETKEYSANDFLAGS rename a b
< [["a", [RW, access, delete]], ["b", [OW, update]]]

# LIST filters
> COMMAND LIST FILTERBY PATTERN hmg*
< ["hmget"]
> COMMAND LIST FILTERBY MODULE x
< []
> COMMAND LIST FILTERBY ACLCAT nosuch
< []
> COMMAND LIST FILTERBY NOSUCH x
< !ERR syntax error
> COMMAND LIST NOSUCH
< !ERR syntax error
> COMMAND LIST
< *

# DOCS has a summary and arguments for each
weir > COMMAND DOCS get
< ["get", ["summary", *, "since", "1.0.0", "group", "string", "complexity", "O(1)", "arguments", [["name", "key", "type", "key", "display_text", "key", "key_spec_index", 0]]]]
weir > COMMAND DOCS hset
< ["hset", ["summary", *, "since", "2.0.0", "group", "hash", "complexity", *, "arguments", [["name", "key", "type", "key", "display_text", "key", "key_spec_index", 0], ["name", "field_value", "type", "block", "flags", [multiple], "arguments", [["name", "field", "type", "string", "display_text", "field"], ["name", "value", "type", "string", "display_text", "value"]]]]]]
> COMMAND DOCS nosuch
< []
> COMMAND DOCS
< *
proto 3
> COMMAND DOCS nosuch
< {}

# GETKEYS names both keys that GEORADIUS may store to
> COMMAND GETKEYS GEORADIUS g 1 1 1 m STORE x STOREDIST y
< ["g", "x", "y"]
> COMMAND GETKEYS GEORADIUSBYMEMBER g m 1 m STOREDIST y STORE x
< ["g", "x", "y"]
> COMMAND GETKEYS GEORADIUS g 1 1 1 m STOREDIST y
< ["g", "y"]
