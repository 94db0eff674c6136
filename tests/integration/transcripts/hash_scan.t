#| HRANDFIELD, HSCAN.

# HRANDFIELD returns a field
> HSET h a 1
> HRANDFIELD h
< "a"
> HRANDFIELD missing
< nil
> HRANDFIELD missing 5
< []
> HRANDFIELD missing -5 WITHVALUES
< []
proto 3
> HRANDFIELD h
< "a"
> HRANDFIELD missing
< null
> HRANDFIELD missing 5
< []

# A positive count gives distinct fields
> HSET h a 1 b 2 c 3
> HRANDFIELD h 10
< any-order ["a", "b", "c"]
> HRANDFIELD h 3
< any-order ["a", "b", "c"]
> HRANDFIELD h 2
< distinct 2
> HRANDFIELD h 0
< []
> HRANDFIELD h 0 WITHVALUES
< []
> HRANDFIELD h 9223372036854775807
< count 3

# A negative count gives fields again and again
> HSET h a 1
> HRANDFIELD h -5
< ["a", "a", "a", "a", "a"]
> HRANDFIELD h -3 WITHVALUES
< ["a", "1", "a", "1", "a", "1"]

# WITHVALUES is flat in RESP2 and pairs in RESP3
> HSET h a 1
> HRANDFIELD h 5 WITHVALUES
< ["a", "1"]
> HRANDFIELD h 5 withvalues
< ["a", "1"]
proto 3
> HRANDFIELD h 5 WITHVALUES
< [["a", "1"]]
> HRANDFIELD h -2 WITHVALUES
< [["a", "1"], ["a", "1"]]
> HSET h b 2
> HRANDFIELD h 5 WITHVALUES
< any-order [["a", "1"], ["b", "2"]]

# What HRANDFIELD can never send it does not begin
> HSET h a 1
weir > HRANDFIELD h -9223372036854775807
< !ERR value is out of range
weir > HRANDFIELD h -1000000000
< !ERR value is out of range
> HRANDFIELD h -10000
< count 10000
weir > HSET h a "x"*1000000
weir > HRANDFIELD h -1000 WITHVALUES
< !ERR value is out of range
> HRANDFIELD h 1
< ["a"]

# HRANDFIELD says what it does not understand
> HSET h a 1
> HRANDFIELD h abc
< !ERR value is not an integer or out of range
> HRANDFIELD h 1 WHAT
< !ERR syntax error
> HRANDFIELD h 1 WITHVALUES more
< !ERR syntax error
> HRANDFIELD h -9223372036854775808
< /^ERR value is out of range/
> HRANDFIELD h -9223372036854775807 WITHVALUES
< !ERR value is out of range
> HRANDFIELD h 9223372036854775807 WITHVALUES
< !ERR value is out of range
> HRANDFIELD
< !ERR wrong number of arguments for 'hrandfield' command

# HRANDFIELD of a table gives distinct fields
> HSET h f1 1 f2 2 f3 3 f4 4 f5 5 f6 6 f7 7 f8 8 f9 9 f10 10 f11 11 f12 "x"*65
> OBJECT ENCODING h
< "hashtable"
> HRANDFIELD h 12
< any-order ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12"]
> HRANDFIELD h 3
< distinct 3
> HRANDFIELD h 3
< distinct 3
> HRANDFIELD h 3
< distinct 3
> HRANDFIELD h 3
< distinct 3
> HRANDFIELD h 3
< distinct 3
> HRANDFIELD h 11
< distinct 11
> HRANDFIELD h -100
< count 100
> HRANDFIELD h 2 WITHVALUES
< count 4

# HSCAN returns fields with values
> HSET h a 1 b 2 c 3
> HSCAN h 0
< ["0", ["a", "1", "b", "2", "c", "3"]]
> HSCAN missing 0
< ["0", []]
> HSCAN h 0 MATCH [ab]
< ["0", ["a", "1", "b", "2"]]
> HSCAN h 0 MATCH z*
< ["0", []]
> HSCAN h 0 MATCH *
< ["0", ["a", "1", "b", "2", "c", "3"]]
> HSCAN h 0 COUNT 1000 MATCH c
< ["0", ["c", "3"]]
proto 3
> HSCAN h 0
< ["0", ["a", "1", "b", "2", "c", "3"]]

# HSCAN walks a table
> HSET h f1 1 f2 2 f3 3 f4 4 f5 5 f6 6 f7 7 f8 8 f9 9 f10 10 f11 11 f12 "x"*65
walk> HSCAN h * COUNT 2
< {"f1": "1", "f2": "2", "f3": "3", "f4": "4", "f5": "5", "f6": "6", "f7": "7", "f8": "8", "f9": "9", "f10": "10", "f11": "11", "f12": "x"*65}
walk> HSCAN h * COUNT 1 MATCH f1*
< {"f1": "1", "f10": "10", "f11": "11", "f12": "x"*65}

# HSCAN says what it does not understand
> HSET h a 1
> HSCAN h abc
< !ERR invalid cursor
> HSCAN h " 1"
< !ERR invalid cursor
> HSCAN h 18446744073709551616
< !ERR invalid cursor
> HSCAN h 0 COUNT 0
< !ERR syntax error
> HSCAN h 0 COUNT -1
< !ERR syntax error
> HSCAN h 0 COUNT abc
< !ERR value is not an integer or out of range
> HSCAN h 0 COUNT
< !ERR syntax error
> HSCAN h 0 TYPE string
< !ERR syntax error
> HSCAN h 0 NOVALUES
< !ERR syntax error
> HSCAN missing 0 COUNT 0
< ["0", []]
> HSCAN h
< !ERR wrong number of arguments for 'hscan' command
