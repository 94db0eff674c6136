#| GEOSEARCH, GEORADIUS and their like: areas, order, limits, storing.

# Searches want their arguments
> GEOSEARCH g FROMMEMBER a BYRADIUS 1
< !ERR wrong number of arguments for 'geosearch' command
> GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1
< !ERR wrong number of arguments for 'geosearchstore' command
> GEORADIUS g 1 1 1
< !ERR wrong number of arguments for 'georadius' command
> GEORADIUS_RO g 1 1 1
< !ERR wrong number of arguments for 'georadius_ro' command
> GEORADIUSBYMEMBER g a 1
< !ERR wrong number of arguments for 'georadiusbymember' command
> GEORADIUSBYMEMBER_RO g a 1
< !ERR wrong number of arguments for 'georadiusbymember_ro' command

# Searches refuse other types before they look at anything else
> SET s v
> GEOSEARCH s x x x x x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEOSEARCHSTORE d s x x x x x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEORADIUS s x x x x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEORADIUS_RO s x x x x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEORADIUSBYMEMBER s x x x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEORADIUSBYMEMBER_RO s x x x
< !WRONGTYPE Operation against a key holding the wrong kind of value

# An area has one centre and one shape
> GEOADD g 1 1 a
> GEOSEARCH g FROMMEMBER a FROMLONLAT 1 1 BYRADIUS 1 m
< !ERR syntax error
> GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER a BYRADIUS 1 m
< !ERR syntax error
> GEOSEARCH g FROMMEMBER a BYRADIUS 1 m BYBOX 1 1 m
< !ERR syntax error
> GEOSEARCH g FROMMEMBER a BYBOX 1 1 m BYRADIUS 1 m
< !ERR syntax error
> GEOSEARCH g BYRADIUS 1 m ASC WITHDIST
< !ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH
> geosearch g FROMMEMBER a ASC WITHDIST WITHHASH
< !ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch
> GeoSearchStore d g FROMMEMBER a ASC COUNT 1
< !ERR exactly one of BYRADIUS and BYBOX can be specified for GeoSearchStore
> GEOSEARCH g FROMMEMBER a FROMMEMBER a BYRADIUS 1 m BYRADIUS 2 m
< ["a"]
> GEOSEARCH g FROMMEMBER b BYRADIUS 1 m
< !ERR could not decode requested zset member
> GEOSEARCH g FROMLONLAT 181 0 BYRADIUS 1 m
< !ERR invalid longitude,latitude pair 181.000000,0.000000
> GEOSEARCH g FROMLONLAT x 0 BYRADIUS 1 m
< !ERR value is not a valid float
> GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m WITHDIST FROMMEMBER
< !ERR syntax error
> GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m STORE d
< !ERR syntax error
> GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m STOREDIST
< !ERR syntax error
> GEORADIUSBYMEMBER g b 1 m
< !ERR could not decode requested zset member

# Sizes are numbers that are not negative, in a unit that there is
> GEOADD g 1 1 a
> GEORADIUS g 1 1 x m
< !ERR need numeric radius
> GEORADIUS g 1 1 -1 m
< !ERR radius cannot be negative
> GEORADIUS g 1 1 1 parsec
< !ERR unsupported unit provided. please use M, KM, FT, MI
> GEORADIUS g x 1 1 m
< !ERR value is not a valid float
> GEORADIUS g 200 1 1 m
< !ERR invalid longitude,latitude pair 200.000000,1.000000
> GEORADIUSBYMEMBER g a x m
< !ERR need numeric radius
> GEORADIUSBYMEMBER g a -1 m
< !ERR radius cannot be negative
> GEORADIUSBYMEMBER g a 1 inch
< !ERR unsupported unit provided. please use M, KM, FT, MI
> GEOSEARCH g FROMMEMBER a BYBOX x 1 m
< !ERR need numeric width
> GEOSEARCH g FROMMEMBER a BYBOX 1 x m
< !ERR need numeric height
> GEOSEARCH g FROMMEMBER a BYBOX -1 x m
< !ERR need numeric height
> GEOSEARCH g FROMMEMBER a BYBOX -1 1 m
< !ERR height or width cannot be negative
> GEOSEARCH g FROMMEMBER a BYBOX 1 -1 m
< !ERR height or width cannot be negative
> GEOSEARCH g FROMMEMBER a BYBOX 1 1 parsec
< !ERR unsupported unit provided. please use M, KM, FT, MI
> GEOSEARCH g FROMMEMBER a BYRADIUS inf m
< ["a"]
> GEOSEARCH g FROMMEMBER a BYRADIUS 0 m
< ["a"]
> GEOSEARCH g FROMMEMBER a BYBOX 0 0 m
< ["a"]
> GEOSEARCH g FROMMEMBER a BYBOX inf inf km
< ["a"]
> GEOSEARCH g FROMMEMBER a BYRADIUS 1e308 km
< ["a"]
> GEOSEARCH g FROMMEMBER a BYRADIUS 5e-324 m
< ["a"]

# COUNT is positive and ANY wants it
> GEOADD g 1 1 a
> GEORADIUS g 1 1 1 m COUNT 0
< !ERR COUNT must be > 0
> GEORADIUS g 1 1 1 m COUNT -1
< !ERR COUNT must be > 0
> GEORADIUS g 1 1 1 m COUNT -9223372036854775808
< !ERR COUNT must be > 0
> GEORADIUS g 1 1 1 m COUNT 9223372036854775808
< !ERR value is not an integer or out of range
> GEORADIUS g 1 1 1 m COUNT x
< !ERR value is not an integer or out of range
> GEORADIUS g 1 1 1 m COUNT
< !ERR syntax error
> GEORADIUS g 1 1 1 m ANY
< !ERR the ANY argument requires COUNT argument
> GEORADIUS g 1 1 1 km COUNT 9223372036854775807
< ["a"]
> GEORADIUS g 1 1 1 km COUNT 2147483648 ANY
< ["a"]
> GEORADIUS g 1 1 1 m x
< !ERR syntax error

# A member that cannot be decoded matters only in a set that is there
> GEORADIUSBYMEMBER nokey a x x
< []
> GEORADIUSBYMEMBER nokey a 1 m ANY
< !ERR the ANY argument requires COUNT argument
> GEORADIUSBYMEMBER nokey a 1 m STORE d
< 0
> GEOSEARCH nokey FROMMEMBER a BYRADIUS 1 m
< []
> GEOSEARCH nokey FROMMEMBER a BYRADIUS x m
< !ERR need numeric radius
> GEOSEARCHSTORE d nokey FROMMEMBER a BYRADIUS 1 m
< 0

# Circles and boxes
> GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 38.788135 edge2
> GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC
< ["Catania", "Palermo"]
> GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST
< [["Catania", "56.4413", ["15.08726745843887329", "37.50266842333162032"]], ["Palermo", "190.4424", ["13.36138933897018433", "38.11555639549629859"]], ["edge2", "279.7403", ["17.24151045083999634", "38.78813451624225195"]], ["edge1", "279.7405", ["12.7584877610206604", "38.78813451624225195"]]]
> GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km DESC WITHHASH
< [["edge1", 3479273021651468], ["edge2", 3481342659049484], ["Palermo", 3479099956230698], ["Catania", 3479447370796909]]
> GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 200 KM WITHDIST
< [["Palermo", "0.0000"], ["edge1", "91.4007"], ["Catania", "166.2742"]]
> GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 0 m WITHDIST
< [["Palermo", "0.0000"]]
> GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 1 1 ft
< ["Palermo"]
> GEORADIUS Sicily 15 37 200 km WITHDIST
< [["Palermo", "190.4424"], ["Catania", "56.4413"]]
> GEORADIUS Sicily 15 37 200 km WITHCOORD
< [["Palermo", ["13.36138933897018433", "38.11555639549629859"]], ["Catania", ["15.08726745843887329", "37.50266842333162032"]]]
> GEORADIUS Sicily 15 37 200 km WITHHASH WITHCOORD WITHDIST ASC
< [["Catania", "56.4413", 3479447370796909, ["15.08726745843887329", "37.50266842333162032"]], ["Palermo", "190.4424", 3479099956230698, ["13.36138933897018433", "38.11555639549629859"]]]
> GEORADIUS_RO Sicily 15 37 124.27 mi DESC
< ["Palermo", "Catania"]
> GEORADIUSBYMEMBER Sicily Catania 656000 ft ASC WITHDIST
< [["Catania", "0.0000"], ["Palermo", "545518.8700"]]
> GEORADIUSBYMEMBER_RO Sicily Catania 200 km DESC
< ["Palermo", "Catania"]
> GEORADIUS Sicily 0 0 1 km
< []
> GEOSEARCH Sicily FROMLONLAT -170 10 BYBOX 10 10 m WITHCOORD
< []
> GEORADIUS_RO Sicily 15 37 200 km STORE d
< !ERR syntax error
> GEORADIUSBYMEMBER_RO Sicily Catania 200 km STOREDIST d
< !ERR syntax error

# In RESP3 the places are doubles, the distances are not
> GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
proto 3
> GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHCOORD WITHDIST WITHHASH
< [["Catania", "56.4413", 3479447370796909, [,15.08726745843887329, ,37.50266842333162032]], ["Palermo", "190.4424", 3479099956230698, [,13.36138933897018433, ,38.11555639549629859]]]
> GEORADIUS Sicily 15 37 200 km ASC
< ["Catania", "Palermo"]
> GEORADIUS Sicily 0 0 1 km
< []

# Without an order they come as the cells are searched, the own one first
> GEOADD g 0.1 0.1 own 0.1 12 north 0.1 -12 south 24 0.1 east -24 0.1 west 24 12 ne -24 12 nw 24 -12 se -24 -12 sw
> GEORADIUS g 0.1 0.1 3500 km
< ["own", "north", "east", "ne", "south", "se", "west", "nw", "sw"]
> GEORADIUS g 0.1 0.1 3500 km COUNT 3 ANY
< ["own", "north", "east"]
> GEORADIUS g 0.1 0.1 3500 km COUNT 3 ANY DESC WITHDIST
< [["east", "2658.3046"], ["north", "1323.5930"], ["own", "0.0001"]]
> GEORADIUS g 0.1 0.1 3500 km COUNT 1
< ["own"]
> GEORADIUS g 0.1 0.1 3500 km COUNT 2 DESC
< ["sw", "nw"]
> GEORADIUS g 0.1 0.1 3500 km COUNT 2 ASC
< ["own", "north"]
> GEOSEARCH g FROMMEMBER own BYBOX 6000 1000 km
< ["own", "east", "west"]

# Half the globe has each place once
> GEOADD g 0.1 0.1 a 90 45 b -90 45 c 90 -45 d -90 -45 e 179 1 f -179 1 g 0 85 h 0 -85 i
> GEORADIUS g 0 0 20000 km
< ["a", "h", "f", "b", "i", "d", "g", "c", "e"]
> GEORADIUS g 0 0 1e9 km ASC
< ["a", "h", "i", "c", "e", "b", "d", "f", "g"]
> GEORADIUS g 179 84 5000 km ASC
< ["h"]
> GEORADIUS g -180 0 300 km
< ["g", "f"]
> GEORADIUS g 180 0 300 km
< ["f"]
> GEOSEARCH g FROMLONLAT 180 0 BYBOX 1000 1000 km
< ["f"]
> GEOSEARCH g FROMLONLAT 0 85.05112878 BYRADIUS 100 km
< ["h"]

# Near the poles the cells are larger
> GEOADD n 14.7 80.1 p0 35.4 83.9 p1 28.8 83.5 p2 -56.5 74.8 p3 53.2 78.3 p4 48.1 68.2 p5 -3.7 70.7 p6 5.3 76.9 p7 -58.4 70.1 p8 -26.5 83.4 p9 31.9 69.0 p10 35.7 68.6 p11
> GEORADIUS n 51 66.1 932 km
< ["p10", "p11", "p5"]
> GEORADIUS n -35 84.4 1578 km
< ["p3", "p9", "p7", "p0", "p2", "p1", "p4"]
> GEORADIUS n -2 83.5 477 km
< ["p9", "p0", "p2", "p1"]
> GEOADD s -39.7 -75.9 p0 55.2 -79.1 p1 -21.9 -71.2 p2 -3.6 -83.1 p3 -46.5 -81.6 p4 3.8 -69.4 p5 52.5 -82.5 p6 -38.4 -75.3 p7 1.8 -76.4 p8 0.3 -67.2 p9 35.4 -72.8 p10 10.5 -66.7 p11
> GEORADIUS s 58 -82.0 1421 km
< ["p8", "p10", "p6", "p1", "p3"]
> GEORADIUS s 49 -75.1 651 km
< ["p10", "p1"]

# Places as far away as each other stay in the order of the search
> GEOADD g 1 0 e -1 0 w 0 1 n 0 -1 s
> GEORADIUS g 0 0 200 km
< ["e", "n", "s", "w"]
> GEOADD h 5 5 b 5 5 a 5 5 c
> GEORADIUS h 5 5 1 km ASC
< ["a", "b", "c"]
> GEORADIUS h 5 5 1 km DESC
< ["a", "b", "c"]

# GEOSEARCHSTORE stores cells, or distances
> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 0 0 far
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
< 2
> ZRANGE d 0 -1 WITHSCORES
< ["Palermo", "3479099956230698", "Catania", "3479447370796909"]
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST
< 2
> ZRANGE d 0 -1 WITHSCORES
<7.2 ["Catania", "56.4412578701582", "Palermo", "190.44242984775784"]
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST COUNT 1 DESC
< 1
> ZRANGE d 0 -1 WITHSCORES
< ["Palermo", "190.44242984775784"]
> GEOSEARCHSTORE d g FROMMEMBER far BYRADIUS 1 m STOREDIST
< 1
> ZRANGE d 0 -1 WITHSCORES
< ["far", "0"]
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST
< !ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHHASH
< !ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km ANY
< !ERR the ANY argument requires COUNT argument
> GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STORE x
< !ERR syntax error
> ZCARD d
< 1

# GEORADIUS stores as well
> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 0 0 far
> GEORADIUS g 15 37 200 km STORE d
< 2
> ZRANGE d 0 -1 WITHSCORES
< ["Palermo", "3479099956230698", "Catania", "3479447370796909"]
> GEORADIUS g 15 37 200 km STOREDIST d COUNT 1
< 1
> ZRANGE d 0 -1 WITHSCORES
<7.2 ["Catania", "56.4412578701582"]
> GEORADIUSBYMEMBER g Palermo 200000 m STOREDIST e
< 2
> ZRANGE e 0 -1 WITHSCORES
<7.2 ["Palermo", "0", "Catania", "1.6627415156960033e+5"]
> GEORADIUSBYMEMBER g Palermo 200000 m STOREDIST x STORE e
< 2
> ZRANGE e 0 -1 WITHSCORES
< ["Palermo", "3479099956230698", "Catania", "3479447370796909"]
> EXISTS x
< 0
> GEORADIUS g 15 37 200 km STORE d WITHDIST
< !ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options
> GEORADIUS g 15 37 200 km STORE
< !ERR syntax error
> GEORADIUS g 15 37 200 km STORE storedist
< 2

# What is stored replaces what was there, whatever it was
> GEOADD g 1 1 a
> SET d v EX 100
> GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m
< 1
> TTL d
< -1
> TYPE d
< zset
> SET d v
> GEOSEARCHSTORE d g FROMLONLAT 50 50 BYRADIUS 1 m
< 0
> EXISTS d
< 0
> RPUSH d v
> GEORADIUS nokey 1 1 1 m STORE d
< 0
> EXISTS d
< 0
> GEORADIUS g 50 50 1 m STORE d
< 0
> GEOSEARCHSTORE g g FROMMEMBER a BYRADIUS 1 m STOREDIST
< 1
> ZRANGE g 0 -1 WITHSCORES
< ["a", "0"]
> GEOSEARCHSTORE g g FROMMEMBER a BYRADIUS 1 m ASC COUNT 1
< 1

# Storing is told
> CONFIG SET notify-keyspace-events Ezg
E> PSUBSCRIBE __key*__:*
> GEOADD g 1 1 a 2 2 b
E< ["pmessage", "__key*__:*", "__keyevent@0__:zadd", "g"]
> GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m
E< ["pmessage", "__key*__:*", "__keyevent@0__:geosearchstore", "d"]
> GEORADIUS g 1 1 10 m STORE d
E< ["pmessage", "__key*__:*", "__keyevent@0__:georadiusstore", "d"]
> GEORADIUSBYMEMBER g a 10 m STOREDIST d
E< ["pmessage", "__key*__:*", "__keyevent@0__:georadiusstore", "d"]
> GEOSEARCHSTORE d g FROMLONLAT 50 50 BYRADIUS 1 m
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "d"]
> GEORADIUS nokey 1 1 10 m STORE d
> GEORADIUS g 1 1 10 m STORE d
E< ["pmessage", "__key*__:*", "__keyevent@0__:georadiusstore", "d"]
> GEORADIUS nokey 1 1 10 m STORE d
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "d"]

# Within EXEC a search sees what came before
> MULTI
> GEOADD g 1 1 a 2 2 b
> GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1000 km ASC
> ZRANGE d 0 -1
> GEOSEARCH d FROMMEMBER b BYRADIUS 1 m
> ZREM d a b
> GEOSEARCH d FROMMEMBER b BYRADIUS 1 m
> EXEC
< [2, 2, ["a", "b"], ["b"], 2, []]

# Where the keys of a search are
> COMMAND GETKEYS GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m
< ["d", "g"]
> COMMAND GETKEYS GEORADIUS g 1 1 1 m WITHDIST STORE d
< ["g", "d"]
> COMMAND GETKEYS GEORADIUSBYMEMBER g a 1 m STOREDIST d
< ["g", "d"]
> COMMAND GETKEYS GEORADIUS g 1 1 1 m
< ["g"]
> COMMAND GETKEYSANDFLAGS GEORADIUS g 1 1 1 m STORE d
< [["g", [RO, access]], ["d", [OW, update]]]
> COMMAND GETKEYSANDFLAGS GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m
< [["d", [OW, update]], ["g", [RO, access]]]

# A destination that only the backend has is replaced, and removed
> GEOADD g 1 1 a
> SADD d x y
> SADD e x y
weir > WEIR FLUSH
restart
> GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m
< 1
> GEOSEARCHSTORE e g FROMLONLAT 50 50 BYRADIUS 1 m
< 0
> EXISTS e
< 0
weir > WEIR FLUSH
backend> SELECT key, member FROM zset ORDER BY key
< [["d", "a"], ["g", "a"]]
backend> SELECT count(*) FROM "set"
< [[0]]

# Of STORE and STOREDIST the one that comes last is written to
> GEOADD g 1 1 a
> SET x old
> SET y old
> GEORADIUS g 1 1 1 km STORE x STOREDIST y
< 1
> TYPE y
< zset
> GET x
< "old"
> SET y old
> GEORADIUSBYMEMBER g a 1 km STOREDIST y STORE x
< 1
> TYPE x
< zset
> GET y
< "old"
> GEORADIUS g 1 1 1 km STOREDIST x STORE x
< 1
> ZSCORE x a
< /3377.*/
