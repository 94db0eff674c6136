#| SADD SREM SMEMBERS SISMEMBER SMISMEMBER SCARD SMOVE SSCAN, and the forms a set is kept in.

# SADD counts the new members
> SADD s a
< 1
> SADD s a b c
< 2
> SADD s a b c
< 0
> SADD s d d d
< 1
> SCARD s
< 4
> TYPE s
< set
> SMEMBERS s
< any-order ["a", "b", "c", "d"]

# SMEMBERS is a set in RESP3
> SADD s a b
> SADD n 1 2
> SMEMBERS s
< any-order ["a", "b"]
> SMEMBERS missing
< []
proto 3
> SMEMBERS s
< ~["a", "b"]
> SMEMBERS n
< ~["1", "2"]
> SMEMBERS missing
< ~[]
> SISMEMBER s a
< 1
> SMISMEMBER s a z
< [1, 0]

# SISMEMBER and SMISMEMBER ask for members
> SADD s a b 7
> SADD n 1 2 3
> SISMEMBER s a
< 1
> SISMEMBER s z
< 0
> SISMEMBER s 7
< 1
> SISMEMBER n 3
< 1
> SISMEMBER n 03
< 0
> SISMEMBER n x
< 0
> SISMEMBER missing a
< 0
> SMISMEMBER s b z a a
< [1, 0, 1, 1]
> SMISMEMBER n 1 4 x
< [1, 0, 0]
> SMISMEMBER missing a b
< [0, 0]

# Members are binary and may be empty
> SADD s "" "\x00\r\n" "\xff"
< 3
> SISMEMBER s ""
< 1
> SISMEMBER s "\x00\r\n"
< 1
> SMEMBERS s
< any-order ["", "\x00\r\n", "\xff"]
> SREM s ""
< 1
> SISMEMBER s ""
< 0

# What only looks like a number keeps its looks
> SADD s 1 01 +1 -0 " 1" 1.0 9223372036854775807 9223372036854775808 -9223372036854775808
< 9
> SMEMBERS s
< any-order ["1", "01", "+1", "-0", " 1", "1.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808"]
> SREM s 01 -0
< 2
> SCARD s
< 7

# SREM counts what it removed, and the last member takes the set with it
> SADD s a b c
> SREM s a missing a
< 1
> SREM s missing
< 0
> SREM s b c d
< 2
> EXISTS s
< 0
> TYPE s
< none
> SREM s a
< 0
> SET s now-a-string
< OK

# Integers come and go
> SADD n 5 1 3 70000 -70000 9223372036854775807 -9223372036854775808
< 7
> OBJECT ENCODING n
< "intset"
> SMEMBERS n
< ["-9223372036854775808", "-70000", "1", "3", "5", "70000", "9223372036854775807"]
> SREM n 3 -9223372036854775808 4 x
< 2
> SADD n 4 3 4
< 2
> SMEMBERS n
< ["-70000", "1", "3", "4", "5", "70000", "9223372036854775807"]
> SREM n -70000 1 3 4 5 70000 9223372036854775807
< 7
> EXISTS n
< 0

# Inside a transaction too
> SADD s a
> MULTI
> SREM s a
> EXISTS s
> SADD s b 1
> SMEMBERS s
> EXEC
< [1, 0, 2, any-order ["b", "1"]]
> EXPIRE s 100
> MULTI
> SREM s b 1
> SADD s 3
> TTL s
> EXEC
< [2, 1, -1]

# Adding keeps the TTL of the set
> SADD s a
> EXPIRE s 100
> SADD s b
> SREM s a
> TTL s
< 99..100
> SREM s b
> SADD s a
> TTL s
< -1

# SMOVE moves a member
> SADD a 1 2 x
> SADD b 3
> SMOVE a b x
< 1
> SMEMBERS b
< any-order ["3", "x"]
> SMOVE a b missing
< 0
> SMOVE a b 2
< 1
> SMOVE a b 1
< 1
> EXISTS a
< 0
> SMOVE a b 1
< 0
> SMOVE missing b 1
< 0
> SMOVE b new 3
< 1
> SMEMBERS new
< ["3"]
> SCARD b
< 3

# SMOVE to where the member is already
> SADD a x y
> SADD b x
> SMOVE a b x
< 1
> SMEMBERS a
< ["y"]
> SMEMBERS b
< ["x"]

# SMOVE to the same set changes nothing
> SADD a x y
> SMOVE a a x
< 1
> SMOVE a a z
< 0
> SMEMBERS a
< any-order ["x", "y"]
> SET t v
> SMOVE a t x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SMOVE t a x
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SMOVE missing t x
< 0
> SMOVE a t missing
< !WRONGTYPE Operation against a key holding the wrong kind of value

# Set commands want the right number of arguments
> SADD s
< !ERR wrong number of arguments for 'sadd' command
> SREM s
< !ERR wrong number of arguments for 'srem' command
> SMEMBERS
< !ERR wrong number of arguments for 'smembers' command
> SMEMBERS s t
< !ERR wrong number of arguments for 'smembers' command
> SISMEMBER s
< !ERR wrong number of arguments for 'sismember' command
> SISMEMBER s a b
< !ERR wrong number of arguments for 'sismember' command
> SMISMEMBER s
< !ERR wrong number of arguments for 'smismember' command
> SCARD
< !ERR wrong number of arguments for 'scard' command
> SCARD s t
< !ERR wrong number of arguments for 'scard' command
> SMOVE s t
< !ERR wrong number of arguments for 'smove' command
> SMOVE s t a b
< !ERR wrong number of arguments for 'smove' command
> SSCAN s
< !ERR wrong number of arguments for 'sscan' command
> SPOP
< !ERR wrong number of arguments for 'spop' command
> SRANDMEMBER
< !ERR wrong number of arguments for 'srandmember' command
> SINTER
< !ERR wrong number of arguments for 'sinter' command
> SUNION
< !ERR wrong number of arguments for 'sunion' command
> SDIFF
< !ERR wrong number of arguments for 'sdiff' command
> SINTERSTORE s
< !ERR wrong number of arguments for 'sinterstore' command
> SUNIONSTORE s
< !ERR wrong number of arguments for 'sunionstore' command
> SDIFFSTORE s
< !ERR wrong number of arguments for 'sdiffstore' command
> SINTERCARD 1
< !ERR wrong number of arguments for 'sintercard' command

# Set commands refuse a string
> SET s v
> SADD s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SREM s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SMEMBERS s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SISMEMBER s a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SMISMEMBER s a b
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SCARD s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SMOVE s t a
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SSCAN s 0
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SPOP s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SPOP s 2
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SRANDMEMBER s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SRANDMEMBER s 2
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SINTER s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SUNION s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SDIFF s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SINTERSTORE t s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SUNIONSTORE t s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SDIFFSTORE t s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> SINTERCARD 1 s
< !WRONGTYPE Operation against a key holding the wrong kind of value
> GET s
< "v"

# A set that is not there is empty
> SCARD s
< 0
> SMEMBERS s
< []
> SREM s a
< 0
> EXISTS s
< 0

# Integers are kept as integers up to a limit, then as a table
> SADD n 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127 128 129 130 131 132 133 134 135 136 137 138 139 140 141 142 143 144 145 146 147 148 149 150 151 152 153 154 155 156 157 158 159 160 161 162 163 164 165 166 167 168 169 170 171 172 173 174 175 176 177 178 179 180 181 182 183 184 185 186 187 188 189 190 191 192 193 194 195 196 197 198 199 200 201 202 203 204 205 206 207 208 209 210 211 212 213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 259 260 261 262 263 264 265 266 267 268 269 270 271 272 273 274 275 276 277 278 279 280 281 282 283 284 285 286 287 288 289 290 291 292 293 294 295 296 297 298 299 300 301 302 303 304 305 306 307 308 309 310 311 312 313 314 315 316 317 318 319 320 321 322 323 324 325 326 327 328 329 330 331 332 333 334 335 336 337 338 339 340 341 342 343 344 345 346 347 348 349 350 351 352 353 354 355 356 357 358 359 360 361 362 363 364 365 366 367 368 369 370 371 372 373 374 375 376 377 378 379 380 381 382 383 384 385 386 387 388 389 390 391 392 393 394 395 396 397 398 399 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 418 419 420 421 422 423 424 425 426 427 428 429 430 431 432 433 434 435 436 437 438 439 440 441 442 443 444 445 446 447 448 449 450 451 452 453 454 455 456 457 458 459 460 461 462 463 464 465 466 467 468 469 470 471 472 473 474 475 476 477 478 479 480 481 482 483 484 485 486 487 488 489 490 491 492 493 494 495 496 497 498 499 500 501 502 503 504 505 506 507 508 509 510 511
< 512
> OBJECT ENCODING n
< "intset"
> SADD n 512
< 1
> OBJECT ENCODING n
< "hashtable"
> SCARD n
< 513
> SISMEMBER n 511
< 1
> SREM n 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127 128 129 130 131 132 133 134 135 136 137 138 139 140 141 142 143 144 145 146 147 148 149 150 151 152 153 154 155 156 157 158 159 160 161 162 163 164 165 166 167 168 169 170 171 172 173 174 175 176 177 178 179 180 181 182 183 184 185 186 187 188 189 190 191 192 193 194 195 196 197 198 199 200 201 202 203 204 205 206 207 208 209 210 211 212 213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 259 260 261 262 263 264 265 266 267 268 269 270 271 272 273 274 275 276 277 278 279 280 281 282 283 284 285 286 287 288 289 290 291 292 293 294 295 296 297 298 299 300 301 302 303 304 305 306 307 308 309 310 311 312 313 314 315 316 317 318 319 320 321 322 323 324 325 326 327 328 329 330 331 332 333 334 335 336 337 338 339 340 341 342 343 344 345 346 347 348 349 350 351 352 353 354 355 356 357 358 359 360 361 362 363 364 365 366 367 368 369 370 371 372 373 374 375 376 377 378 379 380 381 382 383 384 385 386 387 388 389 390 391 392 393 394 395 396 397 398 399 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 418 419 420 421 422 423 424 425 426 427 428 429 430 431 432 433 434 435 436 437 438 439 440 441 442 443 444 445 446 447 448 449 450 451 452 453 454 455 456 457 458 459 460 461 462 463 464 465 466 467 468 469 470 471 472 473 474 475 476 477 478 479 480 481 482 483 484 485 486 487 488 489 490 491 492 493 494 495 496 497 498 499
< 500
> OBJECT ENCODING n
< "hashtable"
> SMEMBERS n
< any-order ["500", "501", "502", "503", "504", "505", "506", "507", "508", "509", "510", "511", "512"]

# The first member that is no integer makes a list of them, while they are few
> SADD n 1 2 3
> OBJECT ENCODING n
< "intset"
> SADD n x
<7.2 1
> OBJECT ENCODING n
<7.2 "listpack"
> SMEMBERS n
<7.2 ["1", "2", "3", "x"]
> SADD n 0 a
> SREM n 2
> SADD n 2
> SMEMBERS n
<7.2 ["1", "3", "x", "0", "a", "2"]
> SREM n x a
> OBJECT ENCODING n
<7.2 "listpack"

# or a table, when they are many
> SADD n 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127
> OBJECT ENCODING n
< "intset"
> SADD n x
< 1
> OBJECT ENCODING n
< "hashtable"
> SCARD n
< 129
> SADD m 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126
> SADD m x
> OBJECT ENCODING m
<7.2 "listpack"
> SCARD m
< 128

# A small set of strings grows from a list to a table
> SADD s m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15 m16 m17 m18 m19 m20 m21 m22 m23 m24 m25 m26 m27 m28 m29 m30 m31 m32 m33 m34 m35 m36 m37 m38 m39 m40 m41 m42 m43 m44 m45 m46 m47 m48 m49 m50 m51 m52 m53 m54 m55 m56 m57 m58 m59 m60 m61 m62 m63 m64 m65 m66 m67 m68 m69 m70 m71 m72 m73 m74 m75 m76 m77 m78 m79 m80 m81 m82 m83 m84 m85 m86 m87 m88 m89 m90 m91 m92 m93 m94 m95 m96 m97 m98 m99 m100 m101 m102 m103 m104 m105 m106 m107 m108 m109 m110 m111 m112 m113 m114 m115 m116 m117 m118 m119 m120 m121 m122 m123 m124 m125 m126 m127
< 128
> OBJECT ENCODING s
<7.2 "listpack"
> SADD s m5
< 0
> OBJECT ENCODING s
<7.2 "listpack"
> SADD s m128
< 1
> OBJECT ENCODING s
< "hashtable"
> SCARD s
< 129
> SREM s m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15 m16 m17 m18 m19 m20 m21 m22 m23 m24 m25 m26 m27 m28 m29 m30 m31 m32 m33 m34 m35 m36 m37 m38 m39 m40 m41 m42 m43 m44 m45 m46 m47 m48 m49 m50 m51 m52 m53 m54 m55 m56 m57 m58 m59 m60 m61 m62 m63 m64 m65 m66 m67 m68 m69 m70 m71 m72 m73 m74 m75 m76 m77 m78 m79 m80 m81 m82 m83 m84 m85 m86 m87 m88 m89 m90 m91 m92 m93 m94 m95 m96 m97 m98 m99 m100 m101 m102 m103 m104 m105 m106 m107 m108 m109 m110 m111 m112 m113 m114 m115 m116 m117 m118 m119 m120 m121 m122 m123 m124 m125 m126
< 127
> SMEMBERS s
< any-order ["m127", "m128"]
> OBJECT ENCODING s
< "hashtable"

# A long member needs a table
> SADD s "x"*64
> OBJECT ENCODING s
<7.2 "listpack"
> SADD s "y"*65
> OBJECT ENCODING s
< "hashtable"
> SADD t "y"*65
> OBJECT ENCODING t
< "hashtable"
> SADD u 1
> SADD u "y"*65
> OBJECT ENCODING u
< "hashtable"
> SMEMBERS u
< any-order ["1", "y"*65]

# How many members a command names decides too, as in Redis 7.2
> SADD s a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a
< 1
> OBJECT ENCODING s
<7.2 "hashtable"
> SADD n 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
< 1
> OBJECT ENCODING n
<7.2 "hashtable"

# The limits are settings
> CONFIG SET set-max-intset-entries 4
> SADD n 1 2 3 4
> OBJECT ENCODING n
< "intset"
> SADD n 5
> OBJECT ENCODING n
< "hashtable"
weir > CONFIG SET set-max-listpack-entries 3
weir > CONFIG SET set-max-listpack-value 4
weir > SADD s a b c
weir > OBJECT ENCODING s
< "listpack"
weir > SADD s d
weir > OBJECT ENCODING s
< "hashtable"
weir > SADD t abcde
weir > OBJECT ENCODING t
< "hashtable"
weir > CONFIG SET set-max-intset-entries 0
weir > SADD u 1
weir > OBJECT ENCODING u
< "listpack"
weir > CONFIG SET set-max-listpack-entries 128
weir > CONFIG SET set-max-listpack-value 64
> CONFIG SET set-max-intset-entries 512

# More integers than one block holds
> CONFIG SET set-max-intset-entries 20000
> SADD n 1
> SADD n -1 70000 x
> SREM n x
> SCARD n
< 3
> CONFIG SET set-max-intset-entries 512

# SSCAN returns members
> SADD s a b c
> SADD n 3 1 2
> SSCAN s 0
< ["0", any-order ["a", "b", "c"]]
> SSCAN n 0
< ["0", ["1", "2", "3"]]
> SSCAN missing 0
< ["0", []]
> SSCAN s 0 MATCH [ab]
< ["0", any-order ["a", "b"]]
> SSCAN n 0 MATCH 2*
< ["0", ["2"]]
> SSCAN s 0 MATCH z*
< ["0", []]
> SSCAN s 0 COUNT 1000 MATCH c
< ["0", ["c"]]
proto 3
> SSCAN n 0
< ["0", ["1", "2", "3"]]

# SSCAN walks a table
> SADD s m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15 m16 m17 m18 m19 m20 m21 m22 m23 m24 m25 m26 m27 m28 m29 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
walk> SSCAN s * COUNT 2
< any-order ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14", "m15", "m16", "m17", "m18", "m19", "m20", "m21", "m22", "m23", "m24", "m25", "m26", "m27", "m28", "m29", "x"*66]
walk> SSCAN s * COUNT 1 MATCH m1?
< any-order ["m10", "m11", "m12", "m13", "m14", "m15", "m16", "m17", "m18", "m19"]

# SSCAN says what it does not understand
> SADD s a
> SSCAN s abc
< !ERR invalid cursor
> SSCAN s 18446744073709551616
< !ERR invalid cursor
> SSCAN s 0 COUNT 0
< !ERR syntax error
> SSCAN s 0 COUNT -1
< !ERR syntax error
> SSCAN s 0 COUNT abc
< !ERR value is not an integer or out of range
> SSCAN s 0 COUNT
< !ERR syntax error
> SSCAN s 0 TYPE string
< !ERR syntax error
> SSCAN missing 0 COUNT 0
< ["0", []]

# COPY, RENAME and MOVE carry every form
> SADD n 1 2
> SADD s a b
> SADD t "x"*65 y
> COPY n n2
< 1
> COPY s s2
< 1
> COPY t t2
< 1
> RENAME n n3
> RENAME s s3
> MOVE t 1
> SADD n3 7
> SMEMBERS n2
< ["1", "2"]
> SMEMBERS s2
< any-order ["a", "b"]
> SMEMBERS s3
< any-order ["a", "b"]
> SMEMBERS t2
< any-order ["x"*65, "y"]
> OBJECT ENCODING t2
< "hashtable"
> EXISTS t
< 0
