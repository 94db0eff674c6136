#| SINTER SUNION SDIFF, their STORE forms, SINTERCARD.

# SINTER returns what all have
> SADD a 1 2 3 x
> SADD b 2 3 4 x
> SADD c 3 x
> SINTER a b
< any-order ["2", "3", "x"]
> SINTER a b c
< any-order ["3", "x"]
> SINTER a
< any-order ["1", "2", "3", "x"]
> SINTER a a
< any-order ["1", "2", "3", "x"]
> SINTER a missing b
< []
> SINTER missing
< []
proto 3
> SINTER b c
< ~["3", "x"]
> SINTER b missing
< ~[]

# SUNION returns what any has
> SADD a 1 2 3
> SADD b 3 4 x
> SUNION a b
< any-order ["1", "2", "3", "4", "x"]
> SUNION a missing a
< any-order ["1", "2", "3"]
> SUNION b
< any-order ["3", "4", "x"]
> SUNION missing other
< []
proto 3
> SUNION a b
< ~["1", "2", "3", "4", "x"]
> SUNION missing
< ~[]

# SDIFF returns what only the first has
> SADD a 1 2 3 x
> SADD b 3
> SADD c 1 x y
> SDIFF a b
< any-order ["1", "2", "x"]
> SDIFF a b c
< ["2"]
> SDIFF a missing
< any-order ["1", "2", "3", "x"]
> SDIFF a
< any-order ["1", "2", "3", "x"]
> SDIFF a a
< []
> SDIFF a b a
< []
> SDIFF missing a
< []
proto 3
> SDIFF a b c
< ~["2"]
> SDIFF missing
< ~[]

# SDIFF of a large set and many small ones
> SADD a m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15 m16 m17 m18 m19 m20 m21 m22 m23 m24 m25 m26 m27 m28 m29 m30 m31 m32 m33 m34 m35 m36 m37 m38 m39 m40 m41 m42 m43 m44 m45 m46 m47 m48 m49 m50 m51 m52 m53 m54 m55 m56 m57 m58 m59 m60 m61 m62 m63 m64 m65 m66 m67 m68 m69 m70 m71 m72 m73 m74 m75 m76 m77 m78 m79 m80 m81 m82 m83 m84 m85 m86 m87 m88 m89 m90 m91 m92 m93 m94 m95 m96 m97 m98 m99 m100 m101 m102 m103 m104 m105 m106 m107 m108 m109 m110 m111 m112 m113 m114 m115 m116 m117 m118 m119 m120 m121 m122 m123 m124 m125 m126 m127 m128 m129 m130 m131 m132 m133 m134 m135 m136 m137 m138 m139 m140 m141 m142 m143 m144 m145 m146 m147 m148 m149 m150 m151 m152 m153 m154 m155 m156 m157 m158 m159 m160 m161 m162 m163 m164 m165 m166 m167 m168 m169 m170 m171 m172 m173 m174 m175 m176 m177 m178 m179 m180 m181 m182 m183 m184 m185 m186 m187 m188 m189 m190 m191 m192 m193 m194 m195 m196 m197 m198 m199
> SADD b m1 m2
> SADD c m3
> SADD d m4 z
> SDIFF a b c d b c d b c d
< count 196
> SDIFFSTORE e a b c d b c d b c d
< 196
> SMISMEMBER e m0 m1 m2 m3 m4 m5 z
< [1, 0, 0, 0, 0, 1, 0]
> SDIFF a a b c d b c d b c d
< []
> SDIFFSTORE e a b c d b c d b c a
< 0
> EXISTS e
< 0

# Every source must be a set, even where one is missing
> SADD a 1
> SET t v
> SINTER missing t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SINTER a t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SUNION a t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SDIFF a t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SDIFF missing t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SINTERSTORE d missing t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SUNIONSTORE d a t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SDIFFSTORE d missing t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SINTERCARD 2 missing t
< !WRONGTYPE Operation against a key holding the wrong kind of value
> EXISTS d
< 0

# SINTERSTORE, SUNIONSTORE and SDIFFSTORE store and count
> SADD a 1 2 3
> SADD b 3 4
> SINTERSTORE i a b
< 1
> SUNIONSTORE u a b
< 4
> SDIFFSTORE d a b
< 2
> SMEMBERS i
< ["3"]
> SMEMBERS u
< ["1", "2", "3", "4"]
> SMEMBERS d
< ["1", "2"]
> OBJECT ENCODING u
< "intset"
proto 3
> SUNIONSTORE u a b
< 4

# They replace what was there, with its TTL
> SADD a 1 2
> SET s v EX 100
> SUNIONSTORE s a
< 2
> TTL s
< -1
> TYPE s
< set
> EXPIRE s 100
> SINTERSTORE s a a
< 2
> TTL s
< -1
> HSET h f v
> SDIFFSTORE h a
< 2
> SMEMBERS h
< ["1", "2"]

# The destination may be among the sources
> SADD a 1 2 3
> SADD b 3 4
> SUNIONSTORE a a b
< 4
> SMEMBERS a
< ["1", "2", "3", "4"]
> SINTERSTORE a b a
< 2
> SMEMBERS a
< ["3", "4"]
> SADD a 9
> SDIFFSTORE a a b
< 1
> SMEMBERS a
< ["9"]
> SDIFFSTORE a a a
< 0
> EXISTS a
< 0

# An empty result removes the destination
> SADD a 1
> SET d v
> SINTERSTORE d a missing
< 0
> EXISTS d
< 0
> SET d v
> SUNIONSTORE d missing
< 0
> EXISTS d
< 0
> SADD d 5
> SDIFFSTORE d missing a
< 0
> EXISTS d
< 0
> SADD b 2
> SADD d 5
> SINTERSTORE d a b
< 0
> EXISTS d
< 0
> SINTERSTORE d a b
< 0

# Results take the form that fits them
> SADD a m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15 m16 m17 m18 m19 m20 m21 m22 m23 m24 m25 m26 m27 m28 m29 m30 m31 m32 m33 m34 m35 m36 m37 m38 m39 m40 m41 m42 m43 m44 m45 m46 m47 m48 m49 m50 m51 m52 m53 m54 m55 m56 m57 m58 m59 m60 m61 m62 m63 m64 m65 m66 m67 m68 m69 m70 m71 m72 m73 m74 m75 m76 m77 m78 m79 m80 m81 m82 m83 m84 m85 m86 m87 m88 m89 m90 m91 m92 m93 m94 m95 m96 m97 m98 m99 m100 m101 m102 m103 m104 m105 m106 m107 m108 m109 m110 m111 m112 m113 m114 m115 m116 m117 m118 m119 m120 m121 m122 m123 m124 m125 m126 m127 m128 m129 m130 m131 m132 m133 m134 m135 m136 m137 m138 m139 m140 m141 m142 m143 m144 m145 m146 m147 m148 m149 m150 m151 m152 m153 m154 m155 m156 m157 m158 m159 m160 m161 m162 m163 m164 m165 m166 m167 m168 m169 m170 m171 m172 m173 m174 m175 m176 m177 m178 m179 m180 m181 m182 m183 m184 m185 m186 m187 m188 m189 m190 m191 m192 m193 m194 m195 m196 m197 m198 m199 1 2
> SADD b m1 m2 1
> SADD n 1 2 3
> SINTERSTORE d a b
< 3
> OBJECT ENCODING d
<7.2 "listpack"
> SINTERSTORE d a a
< 202
> OBJECT ENCODING d
< "hashtable"
> SINTERSTORE d a n
< 2
> OBJECT ENCODING d
< "intset"
> SADD long "x"*65 y
> SINTERSTORE d long long
< 2
> SREM long "x"*65
> SINTERSTORE d long long
< 1
> OBJECT ENCODING d
<7.2 "listpack"
> SUNIONSTORE d n b
< 5
> OBJECT ENCODING d
<7.2 "listpack"

# SINTERCARD counts what all have
> SADD a 1 2 3 x
> SADD b 2 3 4 x
> SINTERCARD 2 a b
< 3
> SINTERCARD 1 a
< 4
> SINTERCARD 2 a missing
< 0
> SINTERCARD 2 a b LIMIT 2
< 2
> SINTERCARD 2 a b limit 0
< 3
> SINTERCARD 2 a b LIMIT 9223372036854775807
< 3
> SINTERCARD 2 a b LIMIT 1 LIMIT 2
< 2

# SINTERCARD says what it does not understand
> SADD a 1
> SINTERCARD 0 a
< !ERR numkeys should be greater than 0
> SINTERCARD -1 a
< !ERR numkeys should be greater than 0
> SINTERCARD abc a
< !ERR numkeys should be greater than 0
> SINTERCARD 2 a
< !ERR Number of keys can't be greater than number of args
> SINTERCARD 9223372036854775807 a
< !ERR Number of keys can't be greater than number of args
> SINTERCARD 4294967297 a
< !ERR Number of keys can't be greater than number of args
> SINTERCARD 1 a b
< !ERR syntax error
> SINTERCARD 1 a LIMIT
< !ERR syntax error
> SINTERCARD 1 a LIMIT -1
< !ERR LIMIT can't be negative
> SINTERCARD 1 a LIMIT abc
< !ERR LIMIT can't be negative
> SINTERCARD 1 a LIMIT 1 more
< !ERR syntax error

# COMMAND GETKEYS knows the keys
> COMMAND GETKEYS SINTERCARD 2 a b LIMIT 1
< ["a", "b"]
> COMMAND GETKEYS SUNIONSTORE d a b
< ["d", "a", "b"]
> COMMAND GETKEYS SMOVE a b m
< ["a", "b"]

# What few members tables have in common is stored packed
> SADD a x1 x2 x3 "x"*65
> SADD b x2 x3 x4 "y"*65
> OBJECT ENCODING a
< "hashtable"
> SINTERSTORE d a b
< 2
> OBJECT ENCODING d
<7.2 "listpack"
> SADD a 5 6
> SADD c 5 6 7 "z"*65
> SINTERSTORE e a c
< 2
> OBJECT ENCODING e
< "intset"
