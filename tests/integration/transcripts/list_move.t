#| LMOVE RPOPLPUSH LMPOP, and BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP where they need not wait.

# LMOVE moves from either end to either end
> RPUSH a 1 2 3 4 5
> LMOVE a b LEFT RIGHT
< "1"
> LMOVE a b RIGHT LEFT
< "5"
> LMOVE a b left left
< "2"
> LMOVE a b right right
< "4"
> LRANGE a 0 -1
< ["3"]
> LRANGE b 0 -1
< ["2", "5", "1", "4"]
> LMOVE a b LEFT LEFT
< "3"
> EXISTS a
< 0
> LMOVE a b LEFT LEFT
< nil
> LLEN b
< 5

# LMOVE within a list turns it
> RPUSH a 1 2 3
> LMOVE a a LEFT RIGHT
< "1"
> LRANGE a 0 -1
< ["2", "3", "1"]
> LMOVE a a RIGHT LEFT
< "1"
> LMOVE a a LEFT LEFT
< "1"
> LMOVE a a RIGHT RIGHT
< "3"
> RPOPLPUSH a a
< "3"
> LRANGE a 0 -1
< ["3", "1", "2"]
> RPUSH single x
> RPOPLPUSH single single
< "x"
> LRANGE single 0 -1
< ["x"]
> EXPIRE single 100
> LMOVE single single LEFT RIGHT
< "x"
> TTL single
< 99..100

# RPOPLPUSH is LMOVE from right to left
> RPUSH a 1 2
> RPOPLPUSH a b
< "2"
> RPOPLPUSH a b
< "1"
> LRANGE b 0 -1
< ["1", "2"]
> RPOPLPUSH a b
< nil
> EXISTS a
< 0

# LMOVE refuses wrong words and types
> RPUSH a 1
> SET s v
> LMOVE a b UP LEFT
< !ERR syntax error
> LMOVE missing b LEFT x
< !ERR syntax error
> LMOVE a s LEFT LEFT
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LMOVE s a LEFT LEFT
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LMOVE missing s LEFT LEFT
< nil
> RPOPLPUSH a s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> RPOPLPUSH s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LMOVE a b LEFT
< !ERR wrong number of arguments for 'lmove' command
> RPOPLPUSH a
< !ERR wrong number of arguments for 'rpoplpush' command
> LRANGE a 0 -1
< ["1"]
proto 3
> LMOVE missing b LEFT LEFT
< null

# LMPOP takes from the first list that is there
> RPUSH b 1 2 3
> RPUSH c x
> LMPOP 3 a b c LEFT
< ["b", ["1"]]
> LMPOP 2 b c RIGHT COUNT 5
< ["b", ["3", "2"]]
> EXISTS b
< 0
> LMPOP 2 b c right count 1
< ["c", ["x"]]
> LMPOP 2 b c LEFT
< nil-array
> RPUSH c 1 2 3
> LMPOP 1 c LEFT COUNT 9223372036854775807
< ["c", ["1", "2", "3"]]
proto 3
> LMPOP 2 b c LEFT
< null

# LMPOP refuses what makes no sense
> LMPOP 0 a LEFT
< !ERR numkeys should be greater than 0
> LMPOP -1 a LEFT
< !ERR numkeys should be greater than 0
> LMPOP x a LEFT
< !ERR numkeys should be greater than 0
> LMPOP 9223372036854775808 a LEFT
< !ERR numkeys should be greater than 0
> LMPOP 1 a b LEFT
< !ERR syntax error
> LMPOP 2 a LEFT
< !ERR syntax error
> LMPOP 4294967296 a LEFT
< !ERR syntax error
> LMPOP 1 a LEFT COUNT 0
< !ERR count should be greater than 0
> LMPOP 1 a LEFT COUNT -1
< !ERR count should be greater than 0
> LMPOP 1 a LEFT COUNT x
< !ERR count should be greater than 0
> LMPOP 1 a LEFT COUNT
< !ERR syntax error
> LMPOP 1 a LEFT COUNT 1 COUNT 1
< !ERR syntax error
> LMPOP 1 a LEFT LIMIT 1
< !ERR syntax error
> LMPOP 1 a UP
< !ERR syntax error
> LMPOP 1 a
< !ERR wrong number of arguments for 'lmpop' command
> SET s v
> RPUSH a 1
> LMPOP 2 s a LEFT
< !WRONGTYPE Operation against a key holding the wrong kind of value
> LMPOP 2 a s LEFT
< ["a", ["1"]]
> COMMAND GETKEYS LMPOP 2 a b LEFT
< ["a", "b"]
> COMMAND GETKEYS BLMPOP 0 2 a b LEFT
< ["a", "b"]

# BLPOP and BRPOP take at once what is there
> RPUSH b 1 2 3
> BLPOP a b 0
< ["b", "1"]
> BRPOP b a 1.5
< ["b", "3"]
> BLPOP a b 0
< ["b", "2"]
> EXISTS b
< 0

# BLMOVE and BRPOPLPUSH move at once what is there
> RPUSH a 1 2 3
> BLMOVE a b LEFT RIGHT 0
< "1"
> BRPOPLPUSH a b 0
< "3"
> BLMOVE a a LEFT RIGHT 0
< "2"
> BRPOPLPUSH a b 1
< "2"
> LRANGE b 0 -1
< ["2", "3", "1"]
> EXISTS a
< 0

# BLMPOP takes at once what is there
> RPUSH b 1 2 3
> BLMPOP 0 2 a b LEFT
< ["b", ["1"]]
> BLMPOP 1 2 a b RIGHT COUNT 10
< ["b", ["3", "2"]]
> EXISTS b
< 0

# In a transaction nobody waits
> MULTI
> BLPOP a b 0
> BRPOP a 0
> BLMOVE a b LEFT RIGHT 0
> BRPOPLPUSH a b 0
> BLMPOP 0 2 a b LEFT
> RPUSH a 1 2
> BLPOP a 0
> BLMPOP 0 2 b a LEFT COUNT 2
> EXEC
< [nil-array, nil-array, nil, nil, nil-array, 2, ["a", "1"], ["a", ["2"]]]
proto 3
> MULTI
> BLPOP a b 0
> BLMOVE a b LEFT RIGHT 0
> EXEC
< [null, null]

# Waiting ends with its time
> BLPOP a b 0.01
< nil-array
> BRPOP a 0.01
< nil-array
> BLMOVE a b LEFT RIGHT 0.01
< nil-array
> BRPOPLPUSH a b 0.01
< nil-array
> BLMPOP 0.01 2 a b LEFT
< nil-array

# Timeouts, types and words are checked before waiting
> BLPOP a -1
< !ERR timeout is negative
> BLPOP a x
< !ERR timeout is not a float or out of range
> BRPOP a ""
< !ERR timeout is not a float or out of range
> BLMOVE a b LEFT RIGHT -1
< !ERR timeout is negative
> BLMOVE a b UP RIGHT x
< !ERR syntax error
> BRPOPLPUSH a b x
< !ERR timeout is not a float or out of range
> BLMPOP -1 1 a LEFT
< !ERR timeout is negative
> BLMPOP x 0 a LEFT
< !ERR numkeys should be greater than 0
> BLMPOP x 1 a LEFT
< !ERR timeout is not a float or out of range
> BLMPOP 0 0 a LEFT
< !ERR numkeys should be greater than 0
> BLMPOP 0 1 a UP
< !ERR syntax error
> BLMPOP 0 1 a LEFT COUNT 0
< !ERR count should be greater than 0
> SET s v
> RPUSH l 1
> BLPOP s l 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BLPOP l s 0
< ["l", "1"]
> BLMOVE s l LEFT LEFT 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> RPUSH l 1
> BLMOVE l s LEFT LEFT 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BRPOPLPUSH l s 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BLMPOP 0 2 s l LEFT
< !WRONGTYPE Operation against a key holding the wrong kind of value
> BLPOP l
< !ERR wrong number of arguments for 'blpop' command
> BRPOP l
< !ERR wrong number of arguments for 'brpop' command
> BLMOVE a b LEFT LEFT
< !ERR wrong number of arguments for 'blmove' command
> BRPOPLPUSH a b
< !ERR wrong number of arguments for 'brpoplpush' command
> BLMPOP 0 1 a
< !ERR wrong number of arguments for 'blmpop' command

# A client that waits is served by whatever brings a list
A>> BLPOP none l 0
> RPUSH l x y
< 2
A< ["l", "x"]
> LRANGE l 0 -1
< ["y"]
A>> BLMOVE src dst LEFT RIGHT 0
> LPUSH src a
< 1
A< "a"
A>> BLMPOP 0 2 none dst2 RIGHT COUNT 5
> RENAME dst dst2
A< ["dst2", ["a"]]
> EXISTS src dst dst2
< 0
A>> BRPOPLPUSH l2 l 0
> COPY l l2
< 1
A< "y"
> LRANGE l 0 -1
< ["y", "y"]
