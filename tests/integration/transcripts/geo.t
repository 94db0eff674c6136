#| Geo indices: adding places, asking for them, their cells and distances. Searches: geo_search.t.

# Geo commands want their arguments
> GEOADD g
< !ERR wrong number of arguments for 'geoadd' command
> GEOADD g 1 2
< !ERR wrong number of arguments for 'geoadd' command
> GEOPOS
< !ERR wrong number of arguments for 'geopos' command
> GEOHASH
< !ERR wrong number of arguments for 'geohash' command
> GEODIST g a
< !ERR wrong number of arguments for 'geodist' command
> GEODIST g a b m x
< !ERR syntax error
> GEODIST g a b x m
< !ERR syntax error

# Geo commands refuse other types, once their arguments are right
> SET s v
> GEOADD s 1 2 a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEOADD s 200 2 a
< !ERR invalid longitude,latitude pair 200.000000,2.000000
> GEOADD s x 2 a
< !ERR value is not a valid float
> GEOPOS s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEOHASH s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEODIST s a b
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GEODIST s a b parsec
< !ERR unsupported unit provided. please use M, KM, FT, MI

# An index that is not there is empty
> GEOPOS g a b
< [nil-array, nil-array]
> GEOPOS g
< []
> GEOHASH g a
< [nil]
> GEOHASH g
< []
> GEODIST g a b
< nil
> EXISTS g
< 0

# GEOADD makes a sorted set whose scores are cells
> GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
< 2
> TYPE Sicily
< zset
> ZSCORE Sicily Palermo
< "3479099956230698"
> ZSCORE Sicily Catania
< "3479447370796909"
> GEOADD Sicily 13.361389 38.115556 Palermo
< 0
> GEOADD Sicily 13.5 38.2 Palermo 13.583333 37.316667 Agrigento
< 1
> ZCARD Sicily
< 3
> ZRANGE Sicily 0 -1 WITHSCORES
< ["Agrigento", "3479030013248308", "Palermo", "3479101704338477", "Catania", "3479447370796909"]
> ZREM Sicily Palermo Catania Agrigento
< 3
> EXISTS Sicily
< 0

# NX only adds, XX only moves, CH counts both
> GEOADD g 1 1 a
> GEOADD g NX 2 2 a 3 3 b
< 1
> GEOADD g XX 2 2 a 4 4 c
< 0
> GEOADD g XX CH 5 5 a 4 4 c
< 1
> GEOADD g CH 5 5 a 6 6 b 7 7 d
< 2
> GEOADD g nx ch 1 1 e 1 1 a
< 1
> ZCARD g
< 4
> GEOADD missing XX 1 1 a
< 0
> EXISTS missing
< 0
> GEOADD g NX XX 1 1 a
< !ERR syntax error
> GEOADD g NX CH ch
< !ERR syntax error
> GEOADD g NX CH XX 1 1
< !ERR syntax error
> GEOADD g CH 1 1 a 2 2
< !ERR syntax error
> GEOADD g 1 1 a b
< !ERR syntax error

# A place must lie on the map, or nothing is added
> GEOADD g 181 0 a
< !ERR invalid longitude,latitude pair 181.000000,0.000000
> GEOADD g -180.1 0 a
< !ERR invalid longitude,latitude pair -180.100000,0.000000
> GEOADD g 0 85.06 a
< !ERR invalid longitude,latitude pair 0.000000,85.060000
> GEOADD g 0 -85.06 a
< !ERR invalid longitude,latitude pair 0.000000,-85.060000
> GEOADD g 1 1 a 200 2 b
< !ERR invalid longitude,latitude pair 200.000000,2.000000
> GEOADD g 1 1 a 2 two b
< !ERR value is not a valid float
> GEOADD g nan 1 a
< !ERR value is not a valid float
> GEOADD g inf 1 a
< !ERR invalid longitude,latitude pair inf,1.000000
> GEOADD g " 1" 1 a
< !ERR value is not a valid float
> EXISTS g
< 0

# The edges of the map are on it
> GEOADD g 180 85.05112878 ne -180 -85.05112878 sw 180 -85.05112878 se -180 85.05112878 nw 0 0 o
< 5
> ZRANGE g 0 -1 WITHSCORES
< ["sw", "0", "o", "3377699720527872", "nw", "4503599627370496", "se", "9007199254740992", "ne", "13510798882111488"]
> GEOPOS g ne sw se nw o
< [["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"], ["180", "-85.05112751263942528"], ["-179.99999731779098511", "85.0511287799999991"], ["0.00000268220901489", "0.00000126736058093"]]
> GEOHASH g ne sw se nw o
< ["bp05b5048p0", "00bh0hbj200", "00bh0hbj200", "bp05b5048p0", "s0000000000"]
> GEODIST g ne sw km
< "18919.8446"
> GEODIST g nw ne
< "0.0257"

# GEOPOS tells the middle of the cell
> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
> GEOPOS g Palermo missing Catania
< [["13.36138933897018433", "38.11555639549629859"], nil-array, ["15.08726745843887329", "37.50266842333162032"]]
proto 3
> GEOPOS g Palermo missing
< [[,13.36138933897018433, ,38.11555639549629859], null]
> GEOPOS nokey a
< [null]

# GEOHASH has eleven characters
> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania -5.60302734375 42.60498046875 ezs42
> GEOHASH g Palermo Catania missing ezs42
< ["sqc8b49rny0", "sqdtr74hyu0", nil, "ezs42s00000"]
proto 3
> GEOHASH g missing ezs42
< [null, "ezs42s00000"]

# GEODIST measures great circles
> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
> GEODIST g Palermo Catania
< "166274.1516"
> GEODIST g Palermo Catania m
< "166274.1516"
> GEODIST g Palermo Catania KM
< "166.2742"
> GEODIST g Palermo Catania mi
< "103.3182"
> GEODIST g Palermo Catania Ft
< "545518.8700"
> GEODIST g Palermo Palermo
< "0.0000"
> GEODIST g Palermo missing
< nil
> GEODIST g missing Palermo
< nil
proto 3
> GEODIST g Palermo Catania km
< "166.2742"
> GEODIST g Palermo missing
< null

# Halves of the last digit go to the even one
> GEOADD g 13.97834569215774536 37.82300648344887151 a 0.04071861505508423 80.03316284598653851 b
> GEODIST g a b ft
< "15528000.1494"

# Any sorted set is an index, whatever its scores
> ZADD z 1 m -1 o 1e18 p 1e19 q inf r -inf s 18446744073709551615 t 9007199254740992 u 1.5 v
> GEOPOS z m o p q r s t u v
< [["-179.99999731779098511", "-85.05112497791824921"], ["180", "85.0511287799999991"], ["180", "85.0511287799999991"], ["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"], ["180", "-85.05112751263942528"], ["-179.99999731779098511", "-85.05112751263942528"], ["180", "-85.05112751263942528"], ["-179.99999731779098511", "-85.05112497791824921"]]
> GEOHASH z m o p q r s t u v
< ["00bh0hbj210", "bp05b5048p0", "bp05b5048p0", "bp05b5048p0", "00bh0hbj200", "00bh0hbj200", "00bh0hbj200", "00bh0hbj200", "00bh0hbj210"]
> GEODIST z m v
< "0.0000"
> GEORADIUS z -180 -85 100 km
< ["m", "v"]

# What GEOADD changed is told
> CONFIG SET notify-keyspace-events Ezg
E> PSUBSCRIBE __key*__:*
> GEOADD g 1 1 a 2 2 b
E< ["pmessage", "__key*__:*", "__keyevent@0__:zadd", "g"]
> GEOADD g 1 1 a
> GEOADD g NX 5 5 a
> GEOADD g XX 5 5 c
> GEOADD g XX 5 5 a
E< ["pmessage", "__key*__:*", "__keyevent@0__:zadd", "g"]

# An index is written back by its changes
> GEOADD g 1 1 a 2 2 b 3 3 c 4 4 d 5 5 e
> GEOADD same 1 1 a
weir > WEIR FLUSH
mark
> GEOADD g 6 6 c 2 2 b
> GEOADD same 1 1 a
> GEOADD same NX 2 2 a
> GEOADD same XX 2 2 b
weir > WEIR FLUSH
stat flushed_items +1
stat flushed_rows +1
backend> SELECT member, score FROM zset WHERE key = 'same'
< [["a", ,3377822707026402.0]]
